"""A step's expert: the planner's score of whole names, the gate as a prior, a threshold below which it is `general`."""

import math
import threading
from collections.abc import Mapping, Sequence

import pytest

from graphs.events import Planned
from graphs.expert_choice import GATE_WEIGHT, LEAST_GATE_SCORE, MIN_SHARE, ExpertChoice
from graphs.planner import Planner
from graphs.protocols import Prompt
from graphs.tools.calculator import Calculator
from tests.graphs.scripted_client import EventList, ScriptedClient

PROMPT = Prompt(task="Add both prices.", forced=('[{"id":1,"text":"', 'Add both prices.","expert":"'))
TEXT = "Add both prices."


class SpellingClient(ScriptedClient):
    """A planner that knows the probability of each character behind those before it: of whole names, their product."""

    def __init__(self, experts: Sequence[str], next_char: Mapping[str, Mapping[str, float]]) -> None:
        super().__init__(experts=experts)
        self.next_char = next_char
        self.scored: list[Sequence[str]] = []

    async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        self.scored.append(candidates)
        return [self._logprob(candidate) for candidate in candidates]

    def _logprob(self, text: str) -> float:
        steps = [self.next_char.get(text[:i], {}).get(text[i], 1.0) for i in range(len(text))]
        return sum(map(math.log, steps))


class EvenClient(ScriptedClient):
    """Its planner finds the experts as likely as it is told, all others alike."""

    def __init__(self, experts: Sequence[str], **likely: float) -> None:
        super().__init__(plan=[(TEXT, "math")], experts=experts)
        self.likely = likely

    async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        return [math.log(self.likely.get(candidate.removesuffix('"'), 0.01)) for candidate in candidates]


class FixedGate:
    """Says the same of every text, and remembers what it was asked."""

    def __init__(self, **scores: float) -> None:
        self.found = scores
        self.asked: list[str] = []

    async def scores(self, text: str) -> Mapping[str, float]:
        self.asked.append(text)
        return self.found


@pytest.mark.parametrize(
    ("wanted", "next_char"),
    [
        ("ma", {"ma": {'"': 0.8, "t": 0.2}, "mat": {'"': 0.5, "h": 0.5}}),
        ("mat", {"ma": {'"': 0.1, "t": 0.9}, "mat": {'"': 0.8, "h": 0.2}}),
        ("math", {"ma": {'"': 0.1, "t": 0.9}, "mat": {'"': 0.1, "h": 0.9}}),
    ],
)
async def test_names_that_begin_other_names_are_told_apart(
    wanted: str, next_char: Mapping[str, Mapping[str, float]]
) -> None:
    """At `ma` all three go on alike: only whole names with their closing quote have a probability of their own."""
    client = SpellingClient(["general", "ma", "mat", "math", "planner"], {**next_char, "": {"g": 0.1, "m": 0.9}})
    choice = await ExpertChoice(client, {}, min_share=0.0).choose(PROMPT, TEXT)
    assert choice.expert == wanted
    assert client.scored == [['general"', 'ma"', 'mat"', 'math"']], "one batch, and the planner itself is none of them"
    assert sum(choice.scores.values()) == pytest.approx(1)
    assert choice.scores["math"] == pytest.approx(0.9 * next_char["ma"]["t"] * next_char["mat"]["h"], rel=1e-6), (
        "the names' probabilities are 1 together already"
    )


async def test_the_gate_is_a_prior_with_its_weight() -> None:
    client = EvenClient(["general", "law", "math", "planner"], law=0.5, math=0.4)
    gate = FixedGate(general=0.1, law=0.1, math=0.8)
    choice = await ExpertChoice(client, {}, gate).choose(PROMPT, TEXT)
    assert gate.asked == [TEXT]
    assert (choice.planner_scores["law"] > choice.planner_scores["math"], choice.expert) == (True, "math")
    odds = choice.scores["math"] / choice.scores["law"]
    assert odds == pytest.approx(0.4 / 0.5 * 8**GATE_WEIGHT)
    assert choice.gate_scores == {"general": 0.1, "law": 0.1, "math": 0.8}


async def test_a_gate_that_can_say_nothing_changes_nothing() -> None:
    client = EvenClient(["general", "law", "math", "planner"], law=0.5, math=0.4)
    choice = await ExpertChoice(client, {}, FixedGate()).choose(PROMPT, TEXT)
    assert choice.scores == pytest.approx(choice.planner_scores)
    assert choice.gate_scores == {}


async def test_an_expert_that_the_gate_rules_out_can_still_be_chosen() -> None:
    client = EvenClient(["general", "law", "math", "planner"], law=0.999999)
    gate = FixedGate(general=0.0, law=0.0, math=1.0)
    choice = await ExpertChoice(client, {}, gate, gate_weight=0.5).choose(PROMPT, TEXT)
    assert choice.expert == "law"
    assert choice.scores["math"] / choice.scores["law"] == pytest.approx(0.01 / LEAST_GATE_SCORE**0.5, rel=0.01)


async def test_an_expert_pushed_after_training_is_scored_like_any_other() -> None:
    """To the gate it is a part of `general`, until a rule of its card fires."""
    client = EvenClient(["general", "math", "planner", "tax"], tax=0.6, general=0.3, math=0.1)
    silent, heard = FixedGate(general=0.6, math=0.4), FixedGate(general=0.3, math=0.2, tax=0.5)
    by_planner = await ExpertChoice(client, {}, silent, min_share=0.0).choose(PROMPT, TEXT)
    by_rule = await ExpertChoice(client, {}, heard, min_share=0.0).choose(PROMPT, TEXT)
    assert by_planner.expert == by_rule.expert == "tax"
    assert by_planner.scores["tax"] / by_planner.scores["general"] == pytest.approx(2)
    assert by_rule.scores["tax"] > by_planner.scores["tax"]


async def test_the_event_loop_does_not_wait_for_tools() -> None:
    threads: set[int] = set()

    class Reading(Calculator):
        def recognises(self, text: str) -> bool | None:
            threads.add(threading.get_ident())
            return True

    client = EvenClient(["general", "law", "math", "planner"], law=0.5, math=0.4)
    choice = await ExpertChoice(client, {"calculator": Reading()}).choose(PROMPT, TEXT)
    assert choice.expert == "math"
    assert threads and threading.get_ident() not in threads


@pytest.mark.parametrize(("likely", "expert"), [(MIN_SHARE + 0.01, "math"), (MIN_SHARE - 0.01, "general")])
async def test_below_the_threshold_a_step_goes_to_general(likely: float, expert: str) -> None:
    others = ["code", "general", "law", "medical", "sql"]
    rest = (1 - likely) / len(others)
    client = EvenClient([*others, "math", "planner"], math=likely, **dict.fromkeys(others, rest))
    choice = await ExpertChoice(client, {}).choose(PROMPT, TEXT)
    assert max(choice.scores, key=choice.scores.__getitem__) == "math"
    assert choice.expert == expert


class Knowing(Calculator):
    """Recognises every text."""

    def recognises(self, text: str) -> bool | None:
        return True


async def test_a_step_that_a_tool_recognises_does_not_go_to_general() -> None:
    client = EvenClient(["general", "law", "math", "planner"], general=0.9, law=0.05, math=0.001)
    choice = await ExpertChoice(client, {"calculator": Knowing()}).choose(PROMPT, TEXT)
    assert max(choice.scores, key=choice.scores.__getitem__) == "general"
    assert choice.expert == "math"


async def test_scores_and_choice_are_in_the_plan_and_in_its_event(sink: EventList) -> None:
    client = EvenClient(["general", "law", "math", "planner"], law=0.5, math=0.4)
    planned = await Planner(client, gate=FixedGate(general=0.1, law=0.1, math=0.8)).plan(TEXT, sink)
    (step,) = Planned.model_validate_json(planned.model_dump_json()).plan.steps
    assert step.expert == "math"
    assert max(step.planner_scores, key=step.planner_scores.__getitem__) == "law"
    assert step.gate_scores == {"general": 0.1, "law": 0.1, "math": 0.8}
    assert step.scores["math"] == max(step.scores.values())
