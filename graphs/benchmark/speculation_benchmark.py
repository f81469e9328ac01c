"""Time to the first step and to the first words of the answer, with steps begun early and without."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from graphs.events import Answered, AnswerToken, GraphEvent, Planned, SpeculationStarted, StepStarted
from graphs.limits import Limits
from graphs.protocols import ExpertClient, Tool
from graphs.run import run_task


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from a run's beginning on."""

    plan: float
    first_step: float
    """Until an expert is asked for the first step."""
    first_answer: float
    """Until the first token of the answer, or the whole one if it is assembled."""
    total: float


@dataclass(frozen=True, slots=True)
class SpeculationFigures:
    """Medians over the tasks."""

    num_tasks: int
    num_planned_twice: int
    """Of all runs: a draft had faults."""
    on: Latency
    off: Latency

    @property
    def ratios(self) -> dict[str, float]:
        """On to off; below 1 it is a gain."""
        return {name: getattr(self.on, name) / getattr(self.off, name) for name in Latency.__slots__}


async def measure_speculation(
    pairs: Sequence[tuple[str, str]],
    client: ExpertClient,
    tools: Mapping[str, Tool],
    tell: Callable[[str], None],
) -> SpeculationFigures:
    """The tasks of a pair are alike, so that none finds its own prompts in the engine's cache.

    Whether the first or the second one has its steps begun early alternates, and so does who goes first.
    """
    tell("a first run")
    await _latency(pairs[0][0], client, tools, Limits())
    found: dict[bool, list[_Clock]] = {True: [], False: []}
    for number, pair in enumerate(pairs):
        for position, task in enumerate(pair):
            speculate = (number + position) % 2 == 0
            tell(f"task {number + 1} of {len(pairs)}")
            found[speculate].append(await _latency(task, client, tools, Limits(speculate=speculate)))
    num_planned_twice = sum(clock.num_drafts > 1 for clocks in found.values() for clock in clocks)
    return SpeculationFigures(len(pairs), num_planned_twice, _medians(found[True]), _medians(found[False]))


@dataclass(slots=True)
class _Clock:
    """A sink that notes when things happen."""

    began: float = field(default_factory=time.perf_counter)
    seen: dict[str, float] = field(default_factory=dict[str, float])
    num_drafts: int = 0

    async def emit(self, event: GraphEvent) -> None:
        match event:
            case Planned():
                self._note("plan")
                self.num_drafts = event.num_drafts
            case StepStarted() | SpeculationStarted():
                self._note("first_step")
            case AnswerToken():
                self._note("first_answer")
            case Answered():
                self._note("first_answer")
                self._note("total")
            case _:
                pass

    def _note(self, name: str) -> None:
        self.seen.setdefault(name, time.perf_counter() - self.began)


async def _latency(task: str, client: ExpertClient, tools: Mapping[str, Tool], limits: Limits) -> _Clock:
    clock = _Clock()
    await run_task(task, client=client, tools=tools, sink=clock, limits=limits)
    return clock


def _medians(clocks: Sequence[_Clock]) -> Latency:
    return Latency(**{name: statistics.median(clock.seen[name] for clock in clocks) for name in Latency.__slots__})
