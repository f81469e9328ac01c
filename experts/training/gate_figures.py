"""How often a gate is right, set by set, and how its two sources do alone and together."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from experts.gating.classifier import GENERAL, GateCombination, GateFigure
from experts.gating.gate import Choice, Gate
from experts.training.gate_texts import GateText

_Z = 1.959964
Means = Sequence[Sequence[float]]
"""Mean activations `[num_texts, hidden]`, in the texts' order."""


def set_figure(gate: Gate, texts: Sequence[GateText], means: Means) -> GateFigure:
    """The gate's figure on the texts of one set, which has one right expert."""
    first, chosen = texts[0], Counter(choice.expert for choice in _choices(gate, texts, means))
    low, high = wilson(chosen[first.expert], len(texts))
    return GateFigure(
        dataset=first.dataset,
        expert=first.expert,
        form=first.form,
        num_rows=len(texts),
        num_right=chosen[first.expert],
        low=round(low, 4),
        high=round(high, 4),
        chosen=dict(chosen.most_common()),
    )


def together(figures: Sequence[GateFigure], expert: str, name: str = "all") -> GateFigure:
    """Several sets as one."""
    chosen = Counter[str]()
    for figure in figures:
        chosen.update(figure.chosen)
    num_right, num_rows = sum(one.num_right for one in figures), sum(one.num_rows for one in figures)
    low, high = wilson(num_right, num_rows)
    changes = {"dataset": name, "expert": expert, "num_rows": num_rows, "num_right": num_right}
    return figures[0].model_copy(
        update={**changes, "low": round(low, 4), "high": round(high, 4), "chosen": dict(chosen.most_common())}
    )


def combinations(parts: Sequence[tuple[Gate, Sequence[GateText], Means]]) -> list[GateCombination]:
    """What each source alone, and each order of the two, makes of texts that a gate has not seen.

    For the experts that the classifier knows.
    """
    texts = [text for _, of, _ in parts for text in of]
    learned = [choice for gate, of, means in parts for choice in _choices(gate, of, means)]
    ruled = [choice for gate, of, means in parts for choice in _choices(replace(gate, classifier=None), of, means)]
    pairs = list(zip(learned, ruled, strict=True))
    ways = {
        "rules alone": [rule.expert for rule in ruled],
        "classifier alone": [one.expert for one in learned],
        "rules first": [rule.expert if rule.reason == "rule" else one.expert for one, rule in pairs],
        "rules below the threshold": [rule.expert if one.reason == "threshold" else one.expert for one, rule in pairs],
    }
    return [_combination(name, texts, chosen) for name, chosen in ways.items()]


def wilson(num_right: int, num_rows: int) -> tuple[float, float]:
    """95 % interval of a rate (Wilson 1927)."""
    rate, square = num_right / num_rows, _Z * _Z
    middle = (rate + square / (2 * num_rows)) / (1 + square / num_rows)
    spread = math.sqrt(rate * (1 - rate) / num_rows + square / (4 * num_rows**2)) * _Z / (1 + square / num_rows)
    return max(0.0, middle - spread), min(1.0, middle + spread)


def _choices(gate: Gate, texts: Sequence[GateText], means: Means) -> list[Choice]:
    return [gate.choose(one.text, mean) for one, mean in zip(texts, means, strict=True)]


def _combination(name: str, texts: Sequence[GateText], chosen: Sequence[str]) -> GateCombination:
    pairs = [(one.expert, expert) for one, expert in zip(texts, chosen, strict=True)]
    domain = [pair for pair in pairs if pair[0] != GENERAL]
    general = [expert for wanted, expert in pairs if wanted == GENERAL]
    return GateCombination(
        name=name,
        num_right=sum(wanted == expert for wanted, expert in domain),
        num_domain=len(domain),
        num_taken=sum(expert != GENERAL for expert in general),
        num_general=len(general),
    )
