"""What runs inside of a step: its events are the step's, and its results have keys of the step's own."""

import hashlib
import json
from dataclasses import dataclass

from graphs.events import (
    EventSink,
    GraphEvent,
    PartFinished,
    StepFinished,
    StepResult,
    StepStarted,
    StepToken,
    ToolCalled,
)
from graphs.plan import Plan
from graphs.protocols import StepKey, StepMemo


@dataclass(frozen=True, slots=True)
class PartSink:
    """Tells of a part of a step under the step's id. Words are left out: those of several parts would mix."""

    sink: EventSink
    step: int
    part: str
    plan: Plan | None = None
    """Of the sub-workflow whose steps are the part's."""

    async def emit(self, event: GraphEvent) -> None:
        """Keep the event as the step's."""
        match event:
            case StepStarted() | ToolCalled():
                await self.sink.emit(event.model_copy(update={"step": self.step}))
            case StepFinished(result=result):
                await self.sink.emit(PartFinished(step=self.step, part=self._named(result.id), result=result))
            case PartFinished(step=inner, part=part, result=result):
                name = f"{self._named(inner)}{'' if part.startswith('[') else '.'}{part}"
                await self.sink.emit(PartFinished(step=self.step, part=name, result=result))
            case StepToken():
                pass
            case _:
                await self.sink.emit(event)

    def _named(self, inner: int) -> str:
        name = str(self.plan.steps[inner - 1].name) if self.plan else ""
        return ".".join(part for part in (self.part, name) if part)


@dataclass(frozen=True, slots=True)
class PartMemo:
    """A StepMemo whose entries belong to an iteration of one step of the run."""

    memo: StepMemo
    step: int
    iteration: int
    part: str
    """A digest of what the part was given."""

    async def load(self, key: StepKey) -> StepResult | None:
        """A committed result."""
        return await self.memo.load(self._outer(key))

    async def commit(self, key: StepKey, result: StepResult) -> None:
        """Keep a result."""
        await self.memo.commit(self._outer(key), result)

    async def answered(self, key: StepKey) -> StepResult:
        """What a person says; nobody is asked in a part."""
        return await self.memo.answered(self._outer(key))

    def _outer(self, key: StepKey) -> StepKey:
        return StepKey(self.step, digest(self.part, key.step, key.iteration, key.digest), iteration=self.iteration)


def digest(*parts: object) -> str:
    """Of plain data."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
