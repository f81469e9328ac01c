"""Experts that write one call after another."""

from collections.abc import AsyncIterator, Sequence

from graphs.protocols import GREEDY, Constraint, ExpertProfile, Generated, Prompt, Sampling
from tests.graphs.scripted_client import ScriptedClient


class WaveringClient(ScriptedClient):
    """Leaves out 12 when greedy, and has it when sampled."""

    async def generate(
        self,
        expert: str,
        prompt: Prompt,
        *,
        max_tokens: int,
        constraint: Constraint | None = None,
        sampling: Sampling = GREEDY,
    ) -> AsyncIterator[Generated]:
        call = "24 + 24" if sampling == GREEDY else "24 * 12"
        yield Generated(call, (1,), (-0.1,), "stop", 10, 1)


class QueryingClient(WaveringClient):
    """Writes one query after another."""

    def __init__(self, *queries: str, logprob: float = -0.1) -> None:
        super().__init__()
        self.queries, self.is_free, self.logprob = list(queries), list[bool](), logprob

    def profiles(self) -> Sequence[ExpertProfile]:
        return [ExpertProfile("sql", "1", "", "", tool="sql")]

    async def generate(
        self,
        expert: str,
        prompt: Prompt,
        *,
        max_tokens: int,
        constraint: Constraint | None = None,
        sampling: Sampling = GREEDY,
    ) -> AsyncIterator[Generated]:
        self.is_free.append(constraint is None)
        yield Generated(self.queries.pop(0), (1,), (self.logprob,), "stop", 10, 1)
