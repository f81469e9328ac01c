"""The check of plans finds every way in which one can be wrong, with no help of the planner's code."""

import json
from typing import Any

import pytest

from graphs.benchmark.plan_check import plan_faults
from graphs.plan import Plan, Step

TASK = "How many books did Omar borrow? Multiply that by 12."
EXPERTS = ("general", "math", "sql")


def document(**changed: Any) -> str:
    """A valid plan, its second step changed."""
    scores = {"general": 0.25, "math": 0.5, "sql": 0.25}
    first = Step(id=1, text="How many books did Omar borrow?", expert="sql", scores=scores)
    second = Step(id=2, text="#1: Multiply that by 12.", expert="math", scores=scores)
    steps = Plan(steps=(first, second)).model_dump(mode="json")["steps"]
    return json.dumps({"steps": [steps[0], {**steps[1], **changed}]})


def test_a_valid_plan_has_no_fault() -> None:
    assert plan_faults(document(), TASK, EXPERTS) == []


def test_a_number_sign_of_the_task_is_quoted_in_words() -> None:
    step = Step(id=1, text="Is No. 1No. 4 open?", expert="general")
    plan = json.dumps({"steps": [step.model_dump(mode="json")]})
    assert plan_faults(plan, "Is #1#4 open?", EXPERTS) == []


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"id": 3}, "id 3"),
        ({"text": " ", "depends_on": []}, "no text"),
        ({"text": "books " * 5000, "depends_on": []}, "text too long"),
        ({"text": "\ud800", "depends_on": []}, "not Unicode"),
        ({"expert": "shell"}, "unknown expert 'shell'"),
        ({"text": "Multiply #2 by 12.", "depends_on": [2]}, "refers to [2]"),
        ({"text": "Multiply #0 by 12.", "depends_on": [0]}, "refers to [0]"),
        ({"depends_on": []}, "depends on []"),
        ({"text": "#1: Call the shell."}, "invents 'shell'"),
        ({"text": "#1: Multiply that by 13."}, "invents '13'"),
        ({"policy": {"on_failure": "general"}}, "has a policy"),
        ({"round": 2}, "round 2"),
        ({"tool": "python"}, "unknown fields ['tool']"),
        ({"scores": {"general": 0.5, "math": 0.5}}, "scores are no shares"),
        ({"scores": {"general": 0.5, "math": 0.5, "sql": 0.5}}, "scores are no shares"),
    ],
)
def test_every_fault_is_found(changed: dict[str, Any], fault: str) -> None:
    found = plan_faults(document(**changed), TASK, EXPERTS)
    assert any(one.startswith("step 2: ") and fault in one for one in found), found


@pytest.mark.parametrize("count", [0, 13])
def test_a_plan_has_one_to_twelve_steps(count: int) -> None:
    assert plan_faults(json.dumps({"steps": [{}] * count}), TASK, EXPERTS) == [f"{count} steps"]


def test_a_number_before_another_script_is_a_word_of_its_own() -> None:
    task = "서울은 85로 나누세요. See 3D."
    steps = {text: Step(id=1, text=text, expert="general").model_dump(mode="json") for text in ("85", "3")}
    faults = {text: plan_faults(json.dumps({"steps": [step]}), task, EXPERTS) for text, step in steps.items()}
    assert faults == {"85": [], "3": ["step 1: invents '3'"]}


def test_an_endless_word_may_be_quoted_in_part() -> None:
    for length, faults in ((100, []), (60, [f"step 1: invents '{'x' * 9}'"])):
        step = Step(id=1, text="x" * 9, expert="general").model_dump(mode="json")
        assert plan_faults(json.dumps({"steps": [step]}), f"What is {'x' * length}?", EXPERTS) == faults
