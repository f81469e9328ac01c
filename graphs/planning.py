"""Who writes the plans of a run: the expert `planner`, or a model on another server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from graphs.budget import Meter
from graphs.events import EventSink, Planned
from graphs.limits import Limits
from graphs.plan import Plan
from graphs.planner import Planner
from graphs.protocols import ExpertClient, Gate, PlanMemo, PlanModel, Tool
from graphs.remote_planner import RemotePlanner
from graphs.state import Results
from graphs.turn import Turn


class PlanWriter(Protocol):
    """A planner, wherever it is."""

    async def plan(self, task: str, sink: EventSink) -> Planned:
        """A valid plan for the task. Raises GenerationError."""
        ...

    async def plan_again(self, task: str, sink: EventSink, before: Plan, results: Results) -> Planned | None:
        """The plan with another round of steps behind the finished ones; None if that brings nothing new.

        Raises GenerationError.
        """
        ...


@dataclass(frozen=True, slots=True)
class Planning:
    """How plans are written: by the expert `planner` with the gate as a prior, or by a remote model."""

    gate: Gate | None = None
    remote: PlanModel | None = None

    def writer(
        self,
        client: ExpertClient,
        tools: Mapping[str, Tool],
        limits: Limits,
        meter: Meter,
        memo: PlanMemo | None = None,
        turns: Sequence[Turn] = (),
    ) -> PlanWriter:
        """The planner of one run, which spends what the meter has and reads the earlier turns."""
        if self.remote:
            return RemotePlanner(self.remote, client, meter, limits.max_planned_steps, tuple(turns))
        return Planner(client, tools, limits.max_planned_steps, limits.max_plan_tokens, self.gate, memo, turns)
