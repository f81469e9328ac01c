"""A StepMemo of a test."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from graphs.asking import decided, key_of
from graphs.events import AnswerWanted, StepResult
from graphs.person import PersonAnswer
from graphs.plan import Plan
from graphs.protocols import StepKey


@dataclass
class Memory:
    """Keeps results in memory; a test answers as a person."""

    kept: dict[StepKey, StepResult] = field(default_factory=dict[StepKey, StepResult])
    _told: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def load(self, key: StepKey) -> StepResult | None:
        return self.kept.get(key)

    async def commit(self, key: StepKey, result: StepResult) -> None:
        await asyncio.sleep(0)
        await self._keep(key, result)

    async def answered(self, key: StepKey) -> StepResult:
        async with self._told:
            await self._told.wait_for(lambda: key in self.kept)
        return self.kept[key]

    async def answer(self, plan: Plan, wanted: AnswerWanted, answer: PersonAnswer, by: str = "ana") -> None:
        """What a person says to a question."""
        await self._keep(key_of(wanted), decided(plan.steps[wanted.step - 1], answer, by))

    async def approve(self, plan: Plan, questions: Sequence[AnswerWanted]) -> None:
        """Say yes to all of them."""
        for wanted in questions:
            await self.answer(plan, wanted, PersonAnswer(decision="approve", text="yes"))

    async def _keep(self, key: StepKey, result: StepResult) -> None:
        async with self._told:
            self.kept[key] = result
            self._told.notify_all()
