"""What a run may spend, and what it has spent."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from graphs.errors import BudgetExhausted
from graphs.protocols import GREEDY, Constraint, ExpertClient, ExpertProfile, Generated, Prompt, Sampling


class Budget(BaseModel):
    """Hard limits of one run; None is no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: int | None = Field(default=None, ge=1)
    """Of prompts and outputs, planner and joiner included."""
    seconds: float | None = Field(default=None, gt=0)
    """From the start of the planning."""
    steps: int | None = Field(default=None, ge=1)
    """Steps that are started; skipped ones and attempts of the same step do not count."""
    tool_calls: int | None = Field(default=None, ge=1)

    def capped(self, by: "Budget") -> "Budget":
        """The lower one of both in every respect."""
        limits = [self.model_dump(exclude_none=True), by.model_dump(exclude_none=True)]
        return Budget(**{name: min(one[name] for one in limits if name in one) for name in {**limits[0], **limits[1]}})


class Spent(BaseModel):
    """What a run has spent before it was interrupted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: int = 0
    seconds: float = 0.0
    """Counted where they are limited. The time that the run waited for a person is not in it."""
    steps: int = 0
    tool_calls: int = 0


NOTHING = Spent()


class Meter:
    """Counts what one run spends. Raises BudgetExhausted before more is spent than is left.

    Made inside of the event loop: the seconds go on now.
    """

    def __init__(self, budget: Budget, spent: Spent = NOTHING) -> None:
        self._budget = budget
        self._tokens, self._steps, self._tool_calls = spent.tokens, spent.steps, spent.tool_calls
        self._begun = None if budget.seconds is None else asyncio.get_running_loop().time() - spent.seconds
        self.exhausted: BudgetExhausted | None = None
        """The first refusal."""

    @property
    def spent(self) -> Spent:
        """So far."""
        seconds = 0.0 if self._begun is None else asyncio.get_running_loop().time() - self._begun
        return Spent(tokens=self._tokens, seconds=seconds, steps=self._steps, tool_calls=self._tool_calls)

    @property
    def limits_tool_calls(self) -> bool:
        """Whether calls are to be spared."""
        return self._budget.tool_calls is not None

    def start_step(self) -> None:
        """Count a step that is about to run."""
        self._check("steps", self._budget.steps, self._steps)
        self._steps += 1

    def call_tool(self) -> None:
        """Count a call that is about to be made."""
        self._check("tool calls", self._budget.tool_calls, self._tool_calls)
        self._tool_calls += 1

    def check_tokens(self) -> None:
        """Whether another token may be written."""
        self._check("tokens", self._budget.tokens, self._tokens)

    def count_tokens(self, number: int) -> None:
        """Count tokens that are there now."""
        self._tokens += number

    @asynccontextmanager
    async def in_time(self) -> AsyncGenerator[None]:
        """What is inside ends with BudgetExhausted when the run's seconds are over."""
        begun, limit = self._begun, self._budget.seconds
        scope = asyncio.timeout_at(None if begun is None or limit is None else begun + limit)
        try:
            async with scope:
                yield
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise self._refusal("seconds", self._budget.seconds) from error

    def _check(self, what: str, limit: float | None, spent: int) -> None:
        if limit is not None and spent >= limit:
            raise self._refusal(what, limit)

    def _refusal(self, what: str, limit: float | None) -> BudgetExhausted:
        refusal = BudgetExhausted(what, limit)
        self.exhausted = self.exhausted or refusal
        return refusal


@dataclass(frozen=True, slots=True)
class MeteredClient:
    """An ExpertClient whose tokens are counted as they are written."""

    client: ExpertClient
    meter: Meter

    def profiles(self) -> Sequence[ExpertProfile]:
        """Those of the client."""
        return self.client.profiles()

    async def generate(
        self,
        expert: str,
        prompt: Prompt,
        *,
        max_tokens: int,
        constraint: Constraint | None = None,
        sampling: Sampling = GREEDY,
    ) -> AsyncIterator[Generated]:
        """Stream the expert's answer. Raises GenerationError, and BudgetExhausted once no token is left."""
        self.meter.check_tokens()
        stream = self.client.generate(expert, prompt, max_tokens=max_tokens, constraint=constraint, sampling=sampling)
        try:
            async for piece in stream:
                is_last = piece.finish_reason is not None
                self.meter.count_tokens(len(piece.token_ids) + (piece.num_prompt_tokens if is_last else 0))
                yield piece
                if not is_last:
                    self.meter.check_tokens()
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()

    async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        """The client's scores; nothing is written, so nothing is counted."""
        return await self.client.score(expert, prompt, candidates)
