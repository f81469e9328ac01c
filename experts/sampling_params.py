"""How tokens are chosen."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Grammar(BaseModel):
    """What the output must match: a JSON Schema, a Lark grammar (llguidance's), a regular expression or a choice."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["json_schema", "lark", "regex", "choice"]
    value: Any
    """The schema (dict), the grammar or the expression (str), or the alternatives (sequence of str)."""


class SamplingParams(BaseModel):
    """Parameters of one generation. Temperature 0 is greedy; every other option is off unless it is set.

    From the model's logits to a token, in this order:

        grammar              what it does not allow cannot be drawn; log-probabilities are taken here
        min_tokens           nor can what would end a shorter answer, unless the grammar allows nothing else
        repetition_penalty   of tokens in prompt or answer: positive logits are divided by it, others multiplied
        frequency_penalty    subtracted from a token's logit once for each time the answer has it
        presence_penalty     subtracted once from the logits of all tokens that the answer has
        temperature          divides the logits
        min_p                leaves out what is less likely than this part of the likeliest token's probability
        top_k                leaves out all but the k likeliest of what is left
        top_p                leaves out all but the fewest of the likeliest whose probabilities reach this sum

    The draw depends on the seed, the position and which of the `n` answers it is, not on what else is running.

    An answer ends with an end-of-answer token or one of `stop_token_ids`, neither of them shown; before the first of
    the `stop` strings that is complete behind `min_tokens`; with its grammar; or after `max_tokens`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    n: int = Field(default=1, ge=1, le=16, description="answers to the one prompt")
    max_tokens: int = Field(default=256, ge=1)
    min_tokens: int = Field(default=0, ge=0, description="an answer's end and stop strings do not count before")
    temperature: float = Field(default=0.0, ge=0.0, le=10.0)
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    top_k: int = Field(default=0, ge=0, description="0 switches it off")
    min_p: float = Field(default=0.0, ge=0.0, le=1.0, description="0 switches it off")
    repetition_penalty: float = Field(default=1.0, ge=0.01, le=100.0, description="1 switches it off")
    presence_penalty: float = Field(default=0.0, ge=-2.0, le=2.0)
    frequency_penalty: float = Field(default=0.0, ge=-2.0, le=2.0)
    seed: int | None = None
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(), description="also with ignore_eos")
    ignore_eos: bool = Field(default=False, description="go on behind the end-of-answer token, up to max_tokens")
    top_logprobs: int = Field(default=0, ge=0, le=20, description="so many of the likeliest tokens at every draw")
    grammar: Grammar | None = None

    @property
    def has_penalties(self) -> bool:
        """What was said before changes what comes next."""
        return self.repetition_penalty != 1.0 or self.presence_penalty != 0.0 or self.frequency_penalty != 0.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if any(not text for text in self.stop):
            raise ValueError("stop strings must not be empty")
        if self.min_tokens > self.max_tokens:
            raise ValueError(f"min_tokens ({self.min_tokens}) must not exceed max_tokens ({self.max_tokens})")
        return self
