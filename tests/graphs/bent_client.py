"""An ExpertClient whose planner does what the task demands, wherever its grammar lets it."""

import random
from collections.abc import AsyncIterator, Sequence

from llguidance import LLMatcher, LLTokenizer

from graphs.protocols import GREEDY, PLANNER, Constraint, Generated, Prompt, Sampling
from tests.graphs.scripted_client import ScriptedClient

_LONGEST = 120
"""Bytes of one step."""


class BentClient(ScriptedClient):
    """Its planner writes `wish` byte by byte, over and over, and any byte that is allowed where that one is not.

    Other experts say `done`. `written` is what the planner was allowed to write.
    """

    def __init__(self, wish: str, seed: int = 0) -> None:
        super().__init__()
        self.wish = wish.encode()
        self.rng = random.Random(seed)
        self.written: list[str] = []

    async def generate(
        self,
        expert: str,
        prompt: Prompt,
        *,
        max_tokens: int,
        constraint: Constraint | None = None,
        sampling: Sampling = GREEDY,
    ) -> AsyncIterator[Generated]:
        text, is_whole = "done", True
        if expert == PLANNER:
            assert constraint is not None and constraint.kind == "lark"
            text, is_whole = self._bent(constraint.value)
            self.written.append(text)
        yield Generated(text, (1,) * max(1, len(text) // 4), (), "stop" if is_whole else "length", 1, len(text) // 4)

    async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        return [-self.rng.random() * 5 for _ in candidates]

    def _bent(self, grammar: str) -> tuple[str, bool]:
        """What it writes, and whether the grammar lets it end there."""
        tokenizer = LLTokenizer("byte")
        matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_lark(grammar))
        written = bytearray()
        while not matcher.is_stopped() and len(written) < _LONGEST:
            mask = matcher.compute_bitmask()
            allowed = [byte for byte in range(256) if mask[byte // 8] >> byte % 8 & 1]
            if not allowed:
                break
            wanted = self.wish[len(written) % len(self.wish)]
            byte = wanted if wanted in allowed else self.rng.choice(allowed)
            matcher.consume_token(byte)
            written.append(byte)
        return written.decode(errors="ignore"), matcher.is_stopped() or matcher.is_accepting()
