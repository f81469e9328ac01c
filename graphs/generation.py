"""A whole generation, collected from the stream of an expert."""

import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

from graphs.errors import GenerationError
from graphs.protocols import GREEDY, Constraint, ExpertClient, Prompt, Sampling

Listener = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Generation:
    """What an expert wrote, with its tokens, their log-probabilities and the usage."""

    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: str
    num_prompt_tokens: int
    num_output_tokens: int

    @property
    def is_whole(self) -> bool:
        """Whether the expert came to an end by itself."""
        return self.finish_reason != "length"

    @property
    def confidence(self) -> float:
        """exp of the mean log-probability; 1 if nothing was written."""
        return math.exp(sum(self.logprobs) / len(self.logprobs)) if self.logprobs else 1.0


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of an expert."""

    expert: str
    prompt: Prompt
    max_tokens: int
    constraint: Constraint | None = None
    sampling: Sampling = GREEDY


async def ask(client: ExpertClient, question: Question, listen: Listener) -> Generation:
    """Stream an answer, telling `listen` each piece of text, and return it whole.

    Raises GenerationError if the expert fails or its stream breaks off.
    """
    stream = client.generate(
        question.expert,
        question.prompt,
        max_tokens=question.max_tokens,
        constraint=question.constraint,
        sampling=question.sampling,
    )
    pieces: list[str] = []
    token_ids: list[int] = []
    logprobs: list[float] = []
    try:
        async for piece in stream:
            pieces.append(piece.text)
            token_ids += piece.token_ids
            logprobs += piece.logprobs
            if piece.text:
                await listen(piece.text)
            if piece.finish_reason is not None:
                return Generation(
                    "".join(pieces),
                    tuple(token_ids),
                    tuple(logprobs),
                    piece.finish_reason,
                    piece.num_prompt_tokens,
                    piece.num_output_tokens,
                )
    finally:
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()
    raise GenerationError(question.expert, "the stream ended without a finish reason")
