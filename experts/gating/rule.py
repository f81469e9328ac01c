"""Rule-based gating: the keywords and patterns of experts' cards, looked for in a text."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from experts.card import ExpertCard


@dataclass(frozen=True, slots=True)
class FiredRule:
    """A rule of an expert's card that holds for a text."""

    expert: str
    kind: Literal["keyword", "pattern"]
    rule: str
    found: str
    """The words of the text that it holds for."""


def fired_rules(text: str, cards: Iterable[ExpertCard]) -> tuple[FiredRule, ...]:
    """Every rule that holds for a text: keywords as whole words, patterns as regular expressions, in any case."""
    return tuple(
        FiredRule(card.name, kind, rule, match[0])
        for card in cards
        for kind, rule, expression in _rules(card)
        if (match := re.search(expression, text, re.IGNORECASE))
    )


def _rules(card: ExpertCard) -> Iterable[tuple[Literal["keyword", "pattern"], str, str]]:
    for keyword in card.gate.keywords:
        yield "keyword", keyword, rf"(?<!\w){re.escape(keyword)}(?!\w)"
    for pattern in card.gate.patterns:
        yield "pattern", pattern, pattern
