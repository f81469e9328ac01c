"""What a generation tells while it runs."""

from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["stop", "length"]
TopLogprobs = tuple[tuple[int, float], ...]
"""The likeliest tokens at one draw with their log-probabilities, in order; fewer where the grammar allows fewer."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one generation."""

    num_prompt_tokens: int
    num_output_tokens: int


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """New tokens of an answer and the text that became certain with them.

    The last event of an answer has a finish reason and the usage. A log-probability is taken after the grammar's mask;
    a token that the grammar leaves no choice about has 0. A token that ends the answer has one too, but is not shown.
    """

    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    top_logprobs: tuple[TopLogprobs, ...] = ()
    """By token, if they were asked for; those of a token that the grammar leaves no choice about are empty."""
    index: int = 0
    """Which of the answers to one prompt."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """What the shared layers make of a prompt's beginning, for who chooses the expert that goes on from it."""

    mean: tuple[float, ...]
    """Of the boundary activations over the task's tokens, `[hidden]`."""
    num_tokens: int
    """Of the beginning, the template's opening included."""
    num_reused_tokens: int
    """Found in the cache instead of computed."""
    num_reusable_tokens: int
    """In full blocks, which the chosen expert finds in the cache."""
