"""Cards and a classifier of two features, for tests of the gate."""

from collections.abc import Sequence

import numpy as np

from experts.card import ExpertCard, GateRules
from experts.gating.classifier import GENERAL, Classifier, GateCard, GatedExpert

BACKBONE = "b" * 64


def make_card(name: str, keywords: Sequence[str] = (), patterns: Sequence[str] = (), domain: str = "") -> ExpertCard:
    return ExpertCard(
        name=name,
        domain=domain or name,
        description=f"knows {name}",
        version=f"{name}-1",
        backbone_hash=BACKBONE,
        num_shared_layers=2,
        num_layers=4,
        form="full",
        gate=GateRules(keywords=tuple(keywords), patterns=tuple(patterns)),
    )


def make_classifier(threshold: float = 0.0, temperature: float = 1.0) -> Classifier:
    """The first feature speaks for law, the second for math; `general` has the logit 0."""
    experts = tuple(GatedExpert(name=name, domain=name, version=f"{name}-1") for name in ("law", "math"))
    card = GateCard(
        backbone_hash=BACKBONE,
        num_shared_layers=2,
        num_layers=4,
        experts=experts,
        temperature=temperature,
        threshold=threshold,
    )
    rows = {"law": [1.0, 0.0, -1.0], "math": [0.0, 1.0, -1.0], GENERAL: [0.0, 0.0, 0.0]}
    return Classifier(card, {name: np.array(row, np.float32) for name, row in rows.items()})
