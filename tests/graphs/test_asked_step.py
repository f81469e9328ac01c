"""What a step depends on makes its key in the cache, and what is found under it is not asked for again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from graphs.asked_step import AskedStep
from graphs.budget import Budget, Meter
from graphs.errors import BudgetExhausted
from graphs.events import StepResult
from graphs.limits import Limits
from graphs.plan import Plan, Step
from graphs.policies import Quorum, StepPolicy
from graphs.protocols import GREEDY, ExpertProfile, Prompt, Sampling, StepInput
from graphs.run import run_task
from graphs.step_runner import StepRunner
from graphs.tools.calculator import Calculator
from graphs.tools.passage_index import PassageIndex
from graphs.tools.search import SearchTool
from graphs.turn import Turn
from tests.graphs.scripted_client import EventList, ScriptedClient
from tests.graphs.timed_planner import PlanEvents, TimedPlanner
from tests.graphs.virtual_time import run_virtually
from tests.graphs.workflows.written import PromptedExperts, run, workflow

STEP = Step(id=2, text="Double #1", expert="math", depends_on=(1,))
PROMPT = Prompt("A task.", (StepInput(1, "How many?", "24", (7,)),), "Double 24", turns=(Turn(task="Hi", answer="Ho"),))
PROFILE = ExpertProfile("math", "v1", "math", "numbers", "calculator", 64, "b1")
ASKED = AskedStep(STEP, "Double 24", PROMPT, PROFILE, Calculator())


class Newer(Calculator):
    version = "3"


class Sending(Calculator):
    has_effects = True


def of_prompt(**changes: object) -> AskedStep:
    return replace(ASKED, prompt=replace(PROMPT, **changes))  # type: ignore[arg-type]


def of_profile(**changes: object) -> AskedStep:
    return replace(ASKED, profile=replace(PROFILE, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [
        of_profile(backbone="b2"),
        of_profile(name="general"),
        of_profile(version="v2"),
        of_profile(max_tokens=65),
        of_prompt(task="Another task."),
        of_prompt(inputs=()),
        of_prompt(inputs=(StepInput(1, "How many?", "24", (2, 4)),)),
        of_prompt(step="Double 24!"),
        of_prompt(context="Tables: stock"),
        of_prompt(turns=()),
        of_prompt(turns=(Turn(task="Hi", answer="Hello"),)),
        replace(ASKED, text="Double  24"),
        replace(ASKED, step=STEP.model_copy(update={"choices": ("yes", "no")})),
        replace(ASKED, tool=None),
        replace(ASKED, tool=Newer()),
    ],
)
def test_what_a_result_depends_on_is_in_its_key(other: AskedStep) -> None:
    assert other.cache_key(GREEDY) not in (None, ASKED.cache_key(GREEDY))


def test_every_draw_has_its_key() -> None:
    draws = [GREEDY, Sampling(0.7, seed=1), Sampling(0.7, seed=2), Sampling(0.8, seed=1)]
    assert len({ASKED.cache_key(sampling) for sampling in draws}) == len(draws)


def test_what_nobody_reads_is_not_in_the_key() -> None:
    same = of_prompt(priority=9, turns=(Turn(run_id="01a2", task="Hi", answer="Ho"),))
    moved = replace(ASKED, step=STEP.model_copy(update={"id": 5, "scores": {"math": 0.9}}), sample=1)
    assert same.cache_key(GREEDY) == moved.cache_key(GREEDY) == ASKED.cache_key(GREEDY)


def test_what_may_come_out_otherwise_has_no_key(tmp_path: Path) -> None:
    """A remote expert, a tool that reads what may change, and one that changes something."""
    search = SearchTool(PassageIndex(tmp_path / "passages.sqlite"))
    for other in (of_profile(backbone=None), replace(ASKED, tool=search), replace(ASKED, tool=Sending())):
        assert other.cache_key(GREEDY) is None


class Local(ScriptedClient):
    """Its experts have a backbone."""

    version = "v1"

    def profiles(self) -> Sequence[ExpertProfile]:
        return [replace(profile, backbone="b1", version=self.version) for profile in super().profiles()]


@dataclass
class Cache:
    """A StepCache."""

    entries: dict[str, StepResult] = field(default_factory=dict[str, StepResult])

    async def load(self, key: str) -> StepResult | None:
        return self.entries.get(key)

    async def keep(self, key: str, result: StepResult) -> None:
        self.entries[key] = result


DOUBLE = Step(id=1, text="Double 24.", expert="math")
SAYS: dict[str, dict[str, str]] = {
    "math": {"Double 24.": "24 * 2"},
    "general": {"Name a bird.": "Wren"},
    "law": {"Name a bird.": "Owl"},
}


async def ran(
    client: ScriptedClient, cache: Cache, step: Step = DOUBLE, meter: Meter | None = None
) -> tuple[StepResult, EventList, list[StepResult]]:
    """The result, what was told, and what was committed."""
    sink, committed = EventList(), list[StepResult]()

    async def commit(result: StepResult) -> None:
        committed.append(result)

    tools = {"calculator": Calculator()}
    runner = StepRunner("A task.", Plan(steps=(step,)), client, tools, sink, meter=meter, cache=cache)
    return await runner.run(step, {}, commit), sink, committed


async def test_a_second_run_finds_the_result_and_spends_nothing() -> None:
    client, cache, meter = Local(answers=SAYS), Cache(), Meter(Budget(steps=1, tokens=1, tool_calls=1))
    first, _, _ = await ran(client, cache)
    assert (first.result, first.is_cached) == ("48", False) and first.num_prompt_tokens > 0
    found, sink, committed = await ran(client, cache, meter=meter)
    spared = {"is_cached": True, "num_prompt_tokens": 0, "num_output_tokens": 0, "seconds": found.seconds}
    assert found == first.model_copy(update=spared)
    assert committed == [found], "the run does not need the cache to go on"
    assert [event.type for event in sink.events] == ["step_finished"], "nobody was asked, nothing called"
    assert (meter.spent.steps, meter.spent.tokens, meter.spent.tool_calls) == (1, 0, 0)
    assert len(client.prompts) == 1


async def test_a_new_version_of_the_expert_is_asked() -> None:
    client, cache = Local(answers=SAYS), Cache()
    await ran(client, cache)
    client.version = "v2"
    found, _, _ = await ran(client, cache)
    assert not found.is_cached and len(client.prompts) == 2


async def test_what_a_version_that_was_pushed_meanwhile_may_have_said_is_not_kept() -> None:
    class Pushing(Local):
        def write(self) -> None:
            self.version = "v2"

    client, cache = Pushing(answers=SAYS), Cache()
    client.prompts = Noticing(client.write)
    assert (await ran(client, cache))[0].status == "success"
    assert cache.entries == {}


class Noticing(list[tuple[str, Prompt]]):
    """Does something when an expert is asked."""

    def __init__(self, notice: Callable[[], None]) -> None:
        self._notice = notice

    def append(self, asked: tuple[str, Prompt]) -> None:
        self._notice()


async def test_failures_and_answers_of_remote_experts_are_not_kept() -> None:
    cache = Cache()
    assert (await ran(Local(), cache))[0].status == "error"
    assert (await ran(ScriptedClient(answers=SAYS), cache))[0].status == "success"
    assert cache.entries == {}


async def test_a_call_in_doubt_that_was_the_last_to_be_paid_is_not_kept() -> None:
    cache, doubtful = Cache(), {"math": {"Double 24.": "24 + 24"}}
    meter = Meter(Budget(tool_calls=1))
    found, _, _ = await ran(Local(answers=doubtful), cache, meter=meter)
    assert found.status == "success" and found.warnings and cache.entries == {}


async def test_a_step_from_the_cache_is_a_step_of_the_budget() -> None:
    client, cache, meter = Local(answers=SAYS), Cache(), Meter(Budget(steps=1))
    await ran(client, cache, meter=meter)
    with pytest.raises(BudgetExhausted):
        await ran(client, cache, meter=meter)


async def test_samples_have_entries_of_their_own_and_all_of_them_make_a_cached_result() -> None:
    policy = StepPolicy(quorum=Quorum(samples=3, experts=("general", "law")))
    step = Step(id=1, text="Name a bird.", expert="general", policy=policy)
    client, cache = Local(answers=SAYS), Cache()
    assert (await ran(client, cache, step))[0].result == "Wren"
    assert len(cache.entries) == 3
    found, _, _ = await ran(client, cache, step)
    assert (found.result, found.is_cached, found.num_prompt_tokens, len(client.prompts)) == ("Wren", True, 0, 3)
    cache.entries.popitem()
    found, _, _ = await ran(client, cache, step)
    assert (found.is_cached, found.num_prompt_tokens) == (False, 10), "one of them was asked again"
    assert found.warnings == ()


def test_a_step_that_begins_early_is_taken_from_the_cache_too() -> None:
    class LocalPlanner(TimedPlanner):
        def profiles(self) -> Sequence[ExpertProfile]:
            return [replace(profile, backbone="b1") for profile in super().profiles()]

    cache = Cache()
    for num_asked in (1, 0):
        experts, sink = LocalPlanner({}, drafts=[[("Name a bird.", "law")]]), PlanEvents()
        early, task = Limits(speculate=True), "Name a bird."
        outcome = run_virtually(run_task(task, client=experts, tools={}, sink=sink, limits=early, cache=cache))
        assert (outcome.results[0].result, experts.asked["law", ""]) == ("yes", num_asked)
        assert outcome.results[0].is_cached == (num_asked == 0)
        assert (1, 1) in sink.begun


async def test_a_workflow_prompts_each_item_once(tmp_path: Path) -> None:
    flow = workflow(
        tmp_path,
        """
        name: letters
        steps:
          each:
            for_each: [a, b]
            expert: law
            prompt: Say {{ item }}
        """,
    )

    class LocalExperts(PromptedExperts):
        def profiles(self) -> Sequence[ExpertProfile]:
            return [replace(profile, backbone="b1") for profile in super().profiles()]

    client, cache = LocalExperts(), Cache()
    first = await run(flow, client=client, cache=cache)
    again = await run(flow, client=client, cache=cache)
    assert [outcome.results[0].is_cached for outcome in (first, again)] == [False, True]
    assert again.results[0].result == first.results[0].result
    assert (again.usage.num_prompt_tokens, client.asked) == (0, ["Say a", "Say b"])
