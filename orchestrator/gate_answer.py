"""What the gate says of a text: of the API, and of the command line."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from experts.engine.events import Pooled
from experts.gating.gate import Choice, Reason


class RuleThatFired(BaseModel):
    """A rule of an expert's card, and the words of the text that it holds for."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    expert: str
    kind: Literal["keyword", "pattern"]
    rule: str
    found: str


class GateAnswer(BaseModel):
    """The expert for a text, why, and what of the work for it is kept for that expert."""

    model_config = ConfigDict(frozen=True)

    expert: str
    reason: Reason
    rule: RuleThatFired | None
    """Of the chosen expert; it decided if the reason is `rule`."""
    scores: dict[str, float]
    """By expert, the highest first; together 1."""
    threshold: float | None
    """Of the classifier; None without one."""
    fired: list[RuleThatFired]
    """Of all experts."""
    remark: str
    """Why there is no classifier, or not the one that was trained last; empty if all is well."""
    num_prompt_tokens: int
    """That every expert's prompt for this text begins with."""
    num_reused_tokens: int
    """Of these, found in the engine's cache."""
    num_reusable_tokens: int
    """Of these, in full blocks, which the expert finds in the cache."""

    @classmethod
    def of(cls, choice: Choice, pooled: Pooled) -> Self:
        """A choice, and what the engine computed for it."""
        rule = None if choice.rule is None else RuleThatFired.model_validate(choice.rule)
        return cls(
            expert=choice.expert,
            reason=choice.reason,
            rule=rule,
            scores={name: round(score, 6) for name, score in choice.scores.items()},
            threshold=choice.threshold,
            fired=[RuleThatFired.model_validate(one) for one in choice.fired],
            remark=choice.remark,
            num_prompt_tokens=pooled.num_tokens,
            num_reused_tokens=pooled.num_reused_tokens,
            num_reusable_tokens=pooled.num_reusable_tokens,
        )
