"""Plans of many hostile tasks, many at once, each judged by a check that shares no code with the planner."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from graphs.benchmark.hostile_tasks import HostileTask
from graphs.benchmark.plan_check import plan_faults
from graphs.benchmark.simulated_experts import NoSink
from graphs.errors import GraphError
from graphs.events import Planned
from graphs.planning import PlanWriter
from graphs.protocols import PLANNER, ExpertProfile
from graphs.run import check_task

_SIGNS = {"repaired": "is left out: ", "fallback": "the task is one step", "truncated": "may be unfinished"}
"""What a plan's warnings say of what was mended in it."""


@dataclass(frozen=True, slots=True)
class PlanFigures:
    """What became of the tasks; each list names the number of a task, its kind and what happened."""

    num_tasks: int
    seconds: float
    counts: Mapping[str, Mapping[str, int]]
    """By kind of task: tasks, invalid and refused ones, plans repaired, as one step, cut off, drafted again."""
    invalid: Sequence[str] = field(default_factory=list[str])
    refused: Sequence[str] = field(default_factory=list[str])
    mended: Sequence[str] = field(default_factory=list[str])

    def total(self, what: str) -> int:
        """Of all kinds."""
        return sum(counts[what] for counts in self.counts.values())


COLUMNS = ("tasks", "invalid", "refused", *_SIGNS, "drafted again")


async def measure(
    planner: PlanWriter,
    experts: Sequence[ExpertProfile],
    tasks: Sequence[HostileTask],
    at_once: int,
    on_done: Callable[[], None],
    first: int = 0,
) -> PlanFigures:
    """Plan every task; `first` is the number of the first one. Errors that no caller expects are not caught."""
    known = {profile.name for profile in experts} - {PLANNER}
    counts = {task.kind: Counter(dict.fromkeys(COLUMNS, 0)) for task in tasks}
    notes: dict[str, list[str]] = {"invalid": [], "refused": [], "mended": []}
    gate, started = asyncio.Semaphore(at_once), time.perf_counter()

    async def plan(number: int, task: HostileTask) -> None:
        async with gate:
            found = await _plan(planner, task, known)
        counts[task.kind].update(["tasks", *found])
        for what, reason in found.items():
            if reason:
                kind = what if what in notes else "mended"
                notes[kind].append(f"{number} ({task.kind}): {what}: {reason}")
        on_done()

    async with asyncio.TaskGroup() as group:
        for number, task in enumerate(tasks, first):
            group.create_task(plan(number, task))
    plain = {kind: dict(of_kind) for kind, of_kind in counts.items()}
    return PlanFigures(len(tasks), time.perf_counter() - started, plain, **notes)


async def _plan(planner: PlanWriter, task: HostileTask, known: set[str]) -> dict[str, str]:
    """What happened to a task, with reasons."""
    try:
        check_task(task.text, len(task.text))
        planned = await planner.plan(task.text, NoSink())
    except GraphError as error:
        return {"refused": str(error)}
    return judged(planned, task.text, known)


def judged(planned: Planned, task: str, known: set[str]) -> dict[str, str]:
    """What happened on the way to a plan, with reasons, and whether it is valid."""
    warnings = planned.warnings
    found = {what: next((one for one in warnings if sign in one), "") for what, sign in _SIGNS.items()}
    found = {what: warning for what, warning in found.items() if warning}
    if faults := plan_faults(json.dumps(planned.plan.model_dump(mode="json")), task, known):
        found["invalid"] = "; ".join(faults)
    if planned.num_drafts > 1:
        found["drafted again"] = ""
    return found
