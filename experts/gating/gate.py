"""Text to expert, with scores and the rule that fired."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from experts.card import ExpertCard
from experts.gating.classifier import GENERAL, Classifier
from experts.gating.rule import FiredRule, fired_rules

Reason = Literal["rule", "classifier", "threshold", "nothing"]
"""Why: a rule of an expert that the classifier does not know fired; the classifier's best; its best is below the
threshold; there is no classifier and no rule fired."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The expert for a text, and why."""

    expert: str
    reason: Reason
    scores: dict[str, float]
    """By expert, `general` among them, the highest first; together 1."""
    fired: tuple[FiredRule, ...]
    threshold: float | None
    remark: str
    """Why there is no classifier, or not the one that was trained last; empty if all is well."""

    @property
    def rule(self) -> FiredRule | None:
        """A rule of the chosen expert that holds for the text."""
        return next((rule for rule in self.fired if rule.expert == self.expert), None)


@dataclass(frozen=True, slots=True)
class Gate:
    """The experts that are attached, by their cards, and the classifier if there is one for their backbone.

    An expert that the classifier knows is chosen by it alone; the others by their rules, which go first, because
    nothing else can reach them. What the classifier gives to an expert that is detached goes to `general`.
    """

    cards: Sequence[ExpertCard]
    classifier: Classifier | None
    remark: str = ""

    def choose(self, text: str, mean: Sequence[float]) -> Choice:
        """The expert for a text and the mean of its boundary activations, `[hidden]`."""
        fired = fired_rules(text, self.cards)
        scores, known = self._classified(mean)
        counts = Counter(rule.expert for rule in fired if rule.expert not in known)
        expert, reason = self._best(scores, counts)
        # each of these rules counts as much as all that the classifier says
        weights = {**scores, **counts}
        together = 1 + counts.total()
        ordered = sorted(weights, key=lambda name: (-weights[name], name))
        threshold = None if self.classifier is None else self.classifier.card.threshold
        shares = {name: weights[name] / together for name in ordered}
        return Choice(expert, reason, shares, fired, threshold, self.remark)

    def _classified(self, mean: Sequence[float]) -> tuple[dict[str, float], set[str]]:
        """The classifier's scores of `general` and the attached experts that it knows, and these experts."""
        if self.classifier is None:
            return {GENERAL: 1.0}, set()
        known = {card.name for card in self.cards if self.classifier.knows(card.name, card.domain)}
        found = self.classifier.probabilities(mean)
        scores = {name: found[name] for name in known}
        return {**scores, GENERAL: 1.0 - sum(scores.values())}, known

    def _best(self, scores: dict[str, float], counts: Counter[str]) -> tuple[str, Reason]:
        if counts:
            return min(counts, key=lambda name: (-counts[name], name)), "rule"
        if self.classifier is None:
            return GENERAL, "nothing"
        best = max(scores, key=lambda name: scores[name])
        if best != GENERAL and scores[best] < self.classifier.card.threshold:
            return GENERAL, "threshold"
        return best, "classifier"
