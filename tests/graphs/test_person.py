"""What a person may be asked, and may answer."""

from typing import Any

import pytest
from pydantic import ValidationError

from graphs.errors import InvalidPlan
from graphs.person import PersonAnswer, PersonQuestion
from graphs.plan import Step
from graphs.policies import StepPolicy
from graphs.validation import parse_plan


@pytest.mark.parametrize("answer", [{"decision": "text"}, {"decision": "text", "text": " "}, {"decision": "maybe"}])
def test_an_answer_says_something(answer: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        PersonAnswer.model_validate(answer)


def test_one_of_the_choices_is_the_answer() -> None:
    question = PersonQuestion(choices=("red", "blue"))
    assert question.fault(PersonAnswer(decision="text", text="red")) == ""
    assert question.fault(PersonAnswer(decision="reject", text="neither")) == ""
    assert question.fault(PersonAnswer(decision="text", text="green")) == "'green' is no choice; there are: red, blue"
    assert question.fault(PersonAnswer(decision="approve")) == "'approve' is no choice; there are: red, blue"
    assert PersonQuestion().fault(PersonAnswer(decision="text", text="anything")) == ""


@pytest.mark.parametrize("choices", [("red", "red"), ("red", " ")])
def test_choices_can_be_told_apart(choices: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError, match="write different ones"):
        PersonQuestion(choices=choices)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"expert": "law", "question": {}}, "has a question for a person"),
        ({"expert": "person", "policy": {"timeout": 5}}, "its policy may only skip, fail or have a default"),
        ({"expert": "person", "policy": {"retry": {}}}, "its policy may only skip, fail or have a default"),
        ({"expert": "person", "policy": {"quorum": {}}}, "its policy may only skip, fail or have a default"),
        ({"expert": "person", "policy": {"on_failure": "general"}}, "its policy may only skip, fail or have a default"),
        ({"expert": "law", "policy": {"quorum": {"experts": ["law", "person"]}}}, "unknown expert 'person'"),
    ],
)
def test_a_step_for_a_person_is_nobody_elses(fields: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidPlan, match=fault):
        parse_plan([{"id": 1, "text": "Pay?", **fields}], {"law"})


def test_a_person_needs_no_expert_of_that_name() -> None:
    [step] = parse_plan([{"id": 1, "text": "Pay?", "expert": "person", "question": {"note": "urgent"}}], ()).steps
    policy = StepPolicy(on_failure="fail")
    assert step == Step(id=1, text="Pay?", expert="person", question=PersonQuestion(note="urgent"))
    assert Step(id=1, text="Pay?", expert="person", policy=policy).policy == policy
