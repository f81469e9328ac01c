"""What a generation tells while it runs."""

from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one generation."""

    num_prompt_tokens: int
    num_output_tokens: int


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """New tokens of an answer and the text that became certain with them.

    The last event has a finish reason and the usage. A log-probability is taken after the grammar's mask; a token that
    the grammar leaves no choice about has 0.
    """

    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
