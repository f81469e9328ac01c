"""How tokens are chosen."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Grammar(BaseModel):
    """What the output must match: a JSON Schema, a Lark grammar (llguidance's), a regular expression or a choice."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["json_schema", "lark", "regex", "choice"]
    value: Any
    """The schema (dict), the grammar or the expression (str), or the alternatives (sequence of str)."""


class SamplingParams(BaseModel):
    """Parameters of one generation. Temperature 0 is greedy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_tokens: int = Field(default=256, ge=1)
    temperature: float = Field(default=0.0, ge=0.0, le=10.0)
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    top_k: int = Field(default=0, ge=0, description="0 switches it off")
    seed: int | None = None
    stop: tuple[str, ...] = ()
    ignore_eos: bool = Field(default=False, description="go on behind the end-of-answer token, up to max_tokens")
    grammar: Grammar | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if any(not text for text in self.stop):
            raise ValueError("stop strings must not be empty")
        return self
