"""What may be wrong with a valid plan."""

import pytest

from graphs.plan import Step
from graphs.plan_review import faults, linked, without_repeats


def steps(*texts: str) -> list[Step]:
    return [Step(id=number, text=text, expert="general") for number, text in enumerate(texts, 1)]


TASK = "How many boats does Olga own? How many does Pavel own? Add both, then multiply by 12."


def test_a_plan_that_covers_its_task_has_no_fault() -> None:
    plan = steps("How many boats does Olga own?", "How many does Pavel own?", "Add #1 and #2", "multiply #3 by 12.")
    assert faults(TASK, plan) == []


@pytest.mark.parametrize(
    ("texts", "fault"),
    [
        (("How many boats does Olga own?", "Add 12"), "the plan leaves out Pavel"),
        (("How many boats does Olga own?", "How many does Pavel own?", "Add #1 and #2"), "the plan leaves out 12"),
        (("How many boats does Olga own and Pavel", "multiply #1 by 12"), "the task asks 3 things, the plan has 2"),
        (("Olga and Pavel", "multiply #1 by 12", "Multiply #2 by 12"), "step 3 adds nothing to the steps before it"),
        (("Olga and Pavel own", "own #1"), "step 2 adds nothing to the steps before it"),
        (("Olga, Pavel, 12", "multiply #1 by #1"), "step 2 uses #1 twice"),
        (("Olga, Pavel, 12", "multiply #1 by 12"), "step 2 repeats 12 of step 1"),
    ],
)
def test_faults_are_named(texts: tuple[str, ...], fault: str) -> None:
    assert fault in faults(TASK, steps(*texts))


SPLICED = "A shop pays 40 dollars a day. How much does it pay in 7 days?"


@pytest.mark.parametrize(
    ("texts", "is_mixed"),
    [
        (("A shop pays 40 dollars and in 7 days?",), True),
        ((SPLICED,), False),
        (("pays 40 dollars by 40 dollars a day",), False),
        (("A shop pays 40 dollars a day.", "How much is #1 and in 7 days?"), False),
    ],
)
def test_a_step_that_mixes_sentences_is_a_fault(texts: tuple[str, ...], is_mixed: bool) -> None:
    assert ("step 1 mixes parts of several sentences" in faults(SPLICED, steps(*texts))) is is_mixed


def test_a_number_that_stands_twice_is_wanted_twice() -> None:
    task = "What does the Comet 300 cost, and what the Ridge 300?"
    whole, cut = (steps(f"What does the {name} cost", "what the Ridge 300?") for name in ("Comet 300", "Comet"))
    assert "the plan leaves out 300" not in faults(task, whole)
    assert "the plan leaves out 300" in faults(task, cut)


def test_an_expert_that_was_hardly_likelier_than_another_is_a_fault() -> None:
    (clear, unclear) = steps("rows and swims", "rows more")
    unclear = unclear.model_copy(update={"expert": "law", "scores": {"law": 0.52, "sql": 0.48}})
    clear = clear.model_copy(update={"scores": {"general": 0.9, "sql": 0.1}})
    assert faults("rows and swims more", [clear, unclear]) == ["step 2 may be for another expert than law"]


def test_a_step_that_no_expert_was_sure_of_is_for_general_without_fault() -> None:
    (step,) = steps("rows and swims")
    step = step.model_copy(update={"expert": "general", "scores": {"general": 0.1, "law": 0.5, "sql": 0.4}})
    assert faults("rows and swims", [step]) == []


def test_the_first_word_of_a_sentence_is_no_name() -> None:
    assert faults("Olga rows and swims.", steps("rows and swims")) == []


def test_a_repeated_question_is_asked_once_and_references_follow() -> None:
    kept = without_repeats(steps("Find the boat", "find the boat.", "Name #2", "Add #2 and #3"))
    assert [step.text for step in kept] == ["Find the boat", "Name #1", "Add #1 and #2"]


def test_signs_of_a_calculation_tell_steps_apart() -> None:
    assert len(without_repeats(steps("3 + 4", "3 * 4"))) == 2


def test_a_question_about_what_follows_its_colon_is_a_request_of_its_own() -> None:
    task = "Which clause is this: The buyer pays. How many are 3 boats?"
    (whole,) = steps(task)
    assert faults(task, [whole]) == ["the task asks 2 things, the plan has 1"]
    assert faults(task, steps("Which clause is this: The buyer pays.", "How many are 3 boats?")) == []


@pytest.mark.parametrize(
    ("texts", "second"),
    [
        (("What wage has Ana Ruiz?", "How much is that in 12 months?"), "#1: How much is that in 12 months?"),
        (("What wage has Ana Ruiz?", "How much is #1 in 12 months?"), "How much is #1 in 12 months?"),
        (("What wage has Ana Ruiz?", "What is 12 plus 13?"), "What is 12 plus 13?"),
        (("What wage has Ana Ruiz?", "What is the square root of 144?"), "What is the square root of 144?"),
        (("Who earns over 9?", "How much is that in 12 months?"), "How much is that in 12 months?"),
        (("What wage has Ana Ruiz?", "How much is that in 12 months?", "Halve #1"), "How much is that in 12 months?"),
    ],
)
def test_a_calculation_with_one_number_takes_the_result_that_nobody_takes(texts: tuple[str, ...], second: str) -> None:
    plan = [step.model_copy(update={"expert": "math" if step.id > 1 else "sql"}) for step in steps(*texts)]
    made = linked(plan, {"math": "calculator", "sql": "sql"})
    assert made[1].text == second
    assert made[1].depends_on == made[1].references
    assert linked(plan, {"math": "calculator"}) == tuple(plan), "what is not looked up may be anything"
