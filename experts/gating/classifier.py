"""The trained part of the gate: a linear classifier on a text's mean boundary activations. No torch.

One JSON file, `gate.json`: a card that says what it was made from, and a line of weights for each expert.
"""

import hashlib
import json
import math
import os
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from experts.errors import GateInvalid

GENERAL = "general"
_WEIGHTS = "weights"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GatedExpert(_Frozen):
    """An expert that the classifier knows."""

    name: str
    domain: str
    version: str
    """The one that was active when the gate was trained; the classifier knows the domain, in any version."""


class GateData(_Frozen):
    """Rows of one data set that a gate was trained on; the rows themselves are not in the file."""

    name: str
    expert: str
    source: str
    licence: str
    attribution: str = ""
    num_rows: int
    rows_hash: str
    """SHA-256 over the ids of the rows, sorted, one a line."""


class GateFigure(_Frozen):
    """Of the dev rows of one set: how many came to the right expert."""

    dataset: str
    expert: str
    """The right one; `general` for questions that no domain expert is for."""
    form: str
    """`text`: without the fixed words around it; `tables`: with the tables that a question is about."""
    num_rows: int
    num_right: int
    low: float
    """Lower end of the 95 % interval of the rate (Wilson)."""
    high: float
    chosen: dict[str, int]
    """Rows by the expert that they came to."""


class GateCombination(_Frozen):
    """A way to use rules and classifier, on train rows that the classifier had not seen."""

    name: str
    num_right: int
    """Of the domains' texts."""
    num_domain: int
    num_taken: int
    """Texts for `general` that came to a domain expert."""
    num_general: int


class GateCard(_Frozen):
    """Everything about a trained gate but its weights."""

    version: str = "unsaved"
    """Hash of backbone, split, weights, temperature and threshold."""
    backbone_hash: str
    num_shared_layers: int
    num_layers: int
    experts: tuple[GatedExpert, ...]
    temperature: float = Field(default=1.0, gt=0)
    threshold: float = Field(default=0.0, ge=0, le=1)
    """A domain expert with a lower score does not get the text."""
    training: dict[str, str | int | float] = Field(default_factory=dict)
    training_data: tuple[GateData, ...] = ()
    combinations: tuple[GateCombination, ...] = ()
    figures: tuple[GateFigure, ...] = ()


@dataclass(frozen=True, slots=True)
class Classifier:
    """Multinomial logistic regression over the experts of a card and `general`."""

    card: GateCard
    weights: Mapping[str, NDArray[np.float32]]
    """By expert, `general` among them: `[hidden + 1]`, the bias last."""

    def probabilities(self, mean: Sequence[float]) -> dict[str, float]:
        """Of every expert that it knows and of `general`, from mean activations `[hidden]`."""
        features = np.append(np.asarray(mean, np.float64), 1.0)
        logits = {name: float(row @ features) / self.card.temperature for name, row in self.weights.items()}
        highest = max(logits.values())
        exponents = {name: math.exp(logit - highest) for name, logit in logits.items()}
        total = sum(exponents.values())
        return {name: exponent / total for name, exponent in exponents.items()}

    def knows(self, name: str, domain: str) -> bool:
        """Whether it was trained with this expert."""
        return any((one.name, one.domain) == (name, domain) for one in self.card.experts)

    def check_backbone(self, path: Path, backbone_hash: str, split: tuple[int, int]) -> None:
        """Raise GateInvalid if it was trained on another backbone or another split (shared layers, all layers)."""
        made_for = (self.card.num_shared_layers, self.card.num_layers)
        if made_for != split:
            reason = (
                f"trained for {made_for[0]} of {made_for[1]} layers shared, this backbone has {split[0]} of {split[1]}"
            )
            raise GateInvalid(path, reason)
        if self.card.backbone_hash != backbone_hash:
            reason = f"trained on backbone {self.card.backbone_hash[:12]}, this one is {backbone_hash[:12]}"
            raise GateInvalid(path, reason)

    def save(self, path: Path) -> GateCard:
        """Write the file, whole or not at all; returns the card with the version of its content."""
        card = self.card.model_copy(update={"version": _version(self.card, self.weights)})
        rows = {name: b64encode(row.astype("<f4").tobytes()).decode() for name, row in self.weights.items()}
        document = {**card.model_dump(mode="json"), _WEIGHTS: rows}
        path.parent.mkdir(parents=True, exist_ok=True)
        staging = path.with_name(f".{path.name}-{os.getpid()}")
        staging.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        staging.replace(path)
        return card

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file. Raises GateInvalid naming what is wrong with it."""
        try:
            document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            rows: dict[str, str] = document.pop(_WEIGHTS)
            card = GateCard.model_validate(document)
            weights = {name: np.frombuffer(b64decode(row), "<f4") for name, row in rows.items()}
        except ValidationError as error:
            fault = error.errors()[0]
            raise GateInvalid(path, f"field {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from error
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise GateInvalid(path, f"cannot be read ({error!r})") from error
        if weights.keys() != {GENERAL, *(one.name for one in card.experts)}:
            raise GateInvalid(path, "its weights are not those of its experts and general")
        if (version := _version(card, weights)) != card.version:
            raise GateInvalid(path, f"content hash is {version}, the card says {card.version}; it was changed")
        return cls(card, weights)


def fitting_classifier(
    paths: Iterable[Path], backbone_hash: str, split: tuple[int, int]
) -> tuple[Classifier | None, str]:
    """The first of these files that fits the backbone, and why those before it do not."""
    remarks: list[str] = []
    for path in paths:
        try:
            classifier = Classifier.load(path)
            classifier.check_backbone(path, backbone_hash, split)
        except GateInvalid as error:
            remarks.append(str(error))
        else:
            return classifier, "; ".join(remarks)
    return None, "; ".join(remarks) or "no gate is trained for this backbone: ccoe gate train"


def _version(card: GateCard, weights: Mapping[str, NDArray[np.float32]]) -> str:
    digest = hashlib.sha256()
    of = (card.backbone_hash, card.num_shared_layers, card.num_layers, card.temperature, card.threshold)
    digest.update(repr((of, [(one.name, one.domain) for one in card.experts])).encode())
    for name in sorted(weights):
        digest.update(name.encode() + weights[name].astype("<f4").tobytes())
    return digest.hexdigest()[:12]
