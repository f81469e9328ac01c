"""Plans from outside are refused with every fault named."""

import pytest

from graphs.errors import InvalidPlan
from graphs.validation import parse_plan

EXPERTS = {"math", "sql"}
SQL = {"id": 1, "text": "How many?", "expert": "sql"}
MATH = {"id": 2, "text": "Double #1", "expert": "math"}


@pytest.mark.parametrize("raw", [[SQL, MATH], {"steps": [SQL, MATH]}])
def test_a_list_of_steps_or_an_object_with_steps_is_a_plan(raw: object) -> None:
    plan = parse_plan(raw, EXPERTS)
    assert [(step.expert, step.depends_on) for step in plan.steps] == [("sql", ()), ("math", (1,))]


def test_dependencies_given_by_hand_are_kept() -> None:
    third = {"id": 3, "text": "Add #2", "expert": "math", "depends_on": [1]}
    assert parse_plan([SQL, MATH, third], EXPERTS).steps[2].depends_on == (1, 2)


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (None, "it is NoneType"),
        ("[]", "it is str"),
        ({}, "it is NoneType"),
        ({"steps": {}}, "it is dict"),
        ({"steps": [SQL], "title": "x"}, "unknown field 'title'"),
        ([], "0 steps"),
        ([SQL] * 201, "201 steps"),
        ([SQL, SQL], "ids [1] are used twice"),
        ([{**SQL, "id": 2}], "step ids are [2]"),
        ([{**SQL, "expert": "poet"}], "unknown expert 'poet'; known: math, sql"),
        ([{**SQL, "text": "Add #1"}], "refers to [1]"),
        ([SQL, {**MATH, "depends_on": [2]}], "refers to [2]"),
        ([{**SQL, "text": " "}], "empty text"),
        ([{**SQL, "text": 5}], "text: Input should be a valid string"),
        ([{**SQL, "id": "first"}], "id: Input should be a valid integer"),
        ([{**SQL, "depends_on": 1}], "depends_on: Input should be a valid tuple"),
        ([{"id": 1, "text": "x"}], "expert: Field required"),
        ([{**SQL, "retries": 2}], "retries: Extra inputs are not permitted"),
        (["How many?"], "step at position 1: Input should be a valid dictionary"),
    ],
)
def test_each_fault_is_named(raw: object, fault: str) -> None:
    with pytest.raises(InvalidPlan) as caught:
        parse_plan(raw, EXPERTS)
    assert any(fault in named for named in caught.value.faults), caught.value.faults
    assert fault in str(caught.value)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(InvalidPlan) as caught:
        parse_plan([{**SQL, "expert": "poet"}, {**MATH, "text": ""}, {**SQL, "id": None}], EXPERTS)
    assert len(caught.value.faults) == 3
