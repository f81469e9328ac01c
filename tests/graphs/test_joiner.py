"""The joiner's words are held to the results; else the answer is assembled, and says why."""

from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs.benchmark.random_plans import chained_plan
from graphs.events import AnswerToken, Planned, StepResult
from graphs.joiner import INSTRUCTION, Joiner, answer_grammar
from graphs.numbers import written_numbers
from graphs.plan import Plan, Step
from graphs.step_runner import filled_text
from tests.graphs.grammar_proof import accepts
from tests.graphs.scripted_client import EventList, ScriptedClient

TASK = "How many books? Multiply by 12."
PLAN = Plan(
    steps=(
        Step(id=1, text="How many books?", expert="sql"),
        Step(id=2, text="Multiply #1 by 12.", expert="math"),
    )
)
RESULTS = {
    1: StepResult(id=1, status="success", result="24"),
    2: StepResult(id=2, status="success", result="288"),
}


def joiner(sink: EventList, words: str | None, *warnings: str, max_tokens: int = 32) -> Joiner:
    client = ScriptedClient(answers={"general": {INSTRUCTION: words}} if words else {})
    return Joiner(TASK, Planned(plan=PLAN, warnings=warnings), client, sink, max_tokens=max_tokens)


async def test_the_joiners_words_are_the_answer(sink: EventList) -> None:
    answered = await joiner(sink, "There are 24 books, so the result is 288.").join(RESULTS)
    assert answered.answer == "There are 24 books, so the result is 288."
    assert (answered.source, answered.reason) == ("joiner", "")
    assert answered.num_output_tokens == 9
    assert "".join(event.text for event in sink.events if isinstance(event, AnswerToken)) == answered.answer
    assert sink.events[-1] == answered


async def test_what_the_joiner_makes_up_is_not_let_through(sink: EventList) -> None:
    answered = await joiner(sink, "The library lends 24 books, so the result is 288.").join(RESULTS)
    assert answered.source == "assembled"
    assert answered.reason == "the joiner speaks of 'lends', which is in no step"


async def test_a_result_given_for_another_steps_question_is_not_let_through(sink: EventList) -> None:
    """Every number is right, and yet the sentence is wrong: 288 is not the count of the books."""
    answered = await joiner(sink, "Of 24, the books are 288.").join(RESULTS)
    assert answered.source == "assembled"
    assert answered.reason == "the joiner may say '288' of something else"


async def test_a_joiner_that_repeats_itself_is_not_let_through(sink: EventList) -> None:
    answered = await joiner(sink, "The result is 24. The result is 24. The result is 288.").join(RESULTS)
    assert answered.source == "assembled"
    assert answered.reason == "the joiner says 'the result is 24.' again and again"


async def test_the_check_reads_each_step_and_not_each_pair_of_them(
    sink: EventList, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill = Mock(wraps=filled_text)
    monkeypatch.setattr("graphs.joiner.filled_text", fill)
    steps = chained_plan(100).plan.steps
    results = {step.id: StepResult(id=step.id, status="success", result="288") for step in steps}
    client = ScriptedClient(answers={"general": {INSTRUCTION: "There are 288 books."}})
    answered = await Joiner(TASK, Planned(plan=Plan(steps=steps)), client, sink).join(results)
    assert answered.source == "joiner"
    assert fill.call_count <= 4 * len(steps)


@pytest.mark.parametrize(
    ("words", "reason"),
    [(None, "the engine has stopped"), ("word " * 10 + "is 288.", "the joiner was cut off after 8 tokens")],
)
async def test_a_joiner_that_fails_is_done_without(words: str | None, reason: str, sink: EventList) -> None:
    answered = await joiner(sink, words, max_tokens=8).join(RESULTS)
    assert answered.answer == "- Multiply 24 by 12. → 288"
    assert answered.source == "assembled" and reason in answered.reason


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (StepResult(id=2, status="error", error="math: it divides by zero"), "step 2 has no result"),
        (StepResult(id=2, status="success", result="288", warnings=("12 was not used",)), "step 2 is in doubt"),
        (StepResult(id=2, status="success", result="x" * 81), "too long"),
        (StepResult(id=2, status="success", result="a\nb"), "too long"),
    ],
)
async def test_nobody_phrases_what_is_in_doubt(changed: StepResult, reason: str, sink: EventList) -> None:
    answered = await joiner(sink, "It is 288.").join({**RESULTS, 2: changed})
    assert answered.source == "assembled" and reason in answered.reason
    assert not sink.of_type("answer_token")


async def test_a_plan_in_doubt_is_not_phrased(sink: EventList) -> None:
    answered = await joiner(sink, "It is 288.", "the plan leaves out 7").join(RESULTS)
    assert answered.reason == "the plan leaves out 7"
    assert answered.answer == "- Multiply 24 by 12. → 288\nNote: the plan leaves out 7."


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("It is 289, not 288.", "the joiner wrote 289, which is in no result"),
        ("It is 24.", "the joiner left out '288'"),
        ("It is -288.", "the joiner wrote -288"),
        ("It is 1288.", "the joiner wrote 1288"),
    ],
)
async def test_what_a_grammar_did_not_hold_is_checked_again(words: str, reason: str, sink: EventList) -> None:
    client = ScriptedClient(answers={"general": {INSTRUCTION: words}}, is_loose=True)
    answered = await Joiner(TASK, Planned(plan=PLAN), client, sink).join(RESULTS)
    assert answered.source == "assembled" and reason in answered.reason


@pytest.mark.parametrize(
    ("answer", "is_allowed"),
    [
        ("The total is 288 for Ana Ruiz.", True),
        ("288, Ana Ruiz", True),
        ("12 times 24 is 288; Ana Ruiz has it, as -5.", True),
        ("It is 288.", False),
        ("It is Ana Ruiz.", False),
        ("It is 12288 for Ana Ruiz.", False),
        ("It is 288.24, Ana Ruiz", False),
        ("It is -288 for Ana Ruiz.", False),
        ("It is 13 and 288 for Ana Ruiz.", False),
        ("It is 288 for Ana Ruizo.", False),
    ],
)
def test_the_grammar_holds_every_number_and_every_result(answer: str, is_allowed: bool) -> None:
    assert accepts(answer_grammar(["12", "24", "-5"], ["288", "Ana Ruiz"]), answer) is is_allowed


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["12", "2", " ", ".", ",", "-", "and", "(", "5", "1"]), max_size=8).map("".join))
def test_whatever_the_grammar_allows_has_only_known_numbers(text: str) -> None:
    answer = f"{text} 12."
    if accepts(answer_grammar(["12", "5", "-5"], ["12"]), answer):
        assert set(written_numbers(answer)) <= {"12", "5", "-5"}


async def test_passages_that_were_found_are_cited_below_the_answer(sink: EventList) -> None:
    places = ("[chain.md:3]", "[bikes.pdf:p7]")
    results = {1: StepResult(id=1, status="success", result="24", sources=places), 2: RESULTS[2]}
    answered = await joiner(sink, "So the result is 288.").join(results)
    assert answered.answer == "So the result is 288.\nSources: [chain.md:3], [bikes.pdf:p7]"
    assert "Sources" not in (await joiner(sink, "So the result is 288.").join(RESULTS)).answer


async def test_what_an_answer_cites_itself_is_not_cited_twice(sink: EventList) -> None:
    found = StepResult(
        id=2, status="success", result="[chain.md:3] Oil it.\n[b.md:1] Wax it.", sources=("[chain.md:3]", "[b.md:1]")
    )
    answered = await joiner(sink, None).join({1: RESULTS[1], 2: found})
    assert answered.source == "assembled"
    assert answered.answer.count("[chain.md:3]") == answered.answer.count("[b.md:1]") == 1
