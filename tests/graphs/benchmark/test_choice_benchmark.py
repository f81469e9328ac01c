"""The choice of experts is measured where a plan names them, and the gate's weight fitted to what is right."""

from collections.abc import Mapping, Sequence

import pytest

from graphs.benchmark.choice_benchmark import Judged, choices, fitted_gate_weight, fitted_min_share, num_right
from graphs.expert_choice import Choice, ExpertChoice
from graphs.protocols import Prompt
from tests.graphs.scripted_client import ScriptedClient

STEPS = [("How many books did Omar borrow?", "sql"), ("#1: Multiply that by 12.", "math")]


def judged(planner: Mapping[str, float], gate: Mapping[str, float], expert: str) -> Judged:
    return Judged(Choice("general", {}, dict(planner), dict(gate)), expert)


async def test_every_step_is_scored_behind_the_right_beginning_of_its_plan() -> None:
    done: list[None] = []
    asked: list[str] = []

    class Client(ScriptedClient):
        async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
            asked.append("".join(prompt.forced))
            return await super().score(expert, prompt, candidates)

    found = await choices(ExpertChoice(Client(STEPS), {}), [("a task", STEPS)], lambda: done.append(None))
    assert [(one.choice.expert, one.expert) for one in found] == [("sql", "sql"), ("math", "math")]
    first = '[{"id":1,"text":"How many books did Omar borrow?","expert":"'
    assert asked == [first, first + 'sql"},{"id":2,"text":"#1: Multiply that by 12.","expert":"']
    assert len(done) == 1


@pytest.mark.parametrize(("gate_is_right", "weight"), [(True, 2.0), (False, 0.0)])
def test_the_gate_weighs_as_much_as_it_is_right(gate_is_right: bool, weight: float) -> None:
    right = "law" if gate_is_right else "math"
    one = judged({"law": 0.3, "math": 0.6, "general": 0.1}, {"law": 0.9, "math": 0.05, "general": 0.05}, right)
    assert fitted_gate_weight([one] * 5) == weight
    assert num_right([one], weight, 0.0) == 1


def test_the_threshold_sends_what_is_unsure_to_general_if_that_is_right_more_often() -> None:
    sure = judged({"law": 0.9, "math": 0.05, "general": 0.05}, {}, "law")
    unsure = judged({"law": 0.4, "math": 0.35, "general": 0.25}, {}, "general")
    assert fitted_min_share([sure, unsure], 0.0) == pytest.approx(0.45)
    assert [num_right([sure, unsure], 0.0, least) for least in (0.0, 0.45, 0.95)] == [1, 2, 1]
