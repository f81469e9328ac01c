"""How far apart the weights of two experts are."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from experts.card import LowRank
from experts.expert import Expert


@dataclass(frozen=True, slots=True)
class WeightDifference:
    """Frobenius norms over all tensors: of the difference, and of what the first expert changes of the backbone."""

    difference: float
    change: float

    @property
    def relative(self) -> float:
        """The difference as a part of the first expert's change; 0 is the same, unrelated ones are near 1.4."""
        if self.change:
            return self.difference / self.change
        return math.inf if self.difference else 0.0


def weight_difference(first: Expert, second: Expert, base: Mapping[str, Tensor] | None = None) -> WeightDifference:
    """Compare two experts of one backbone.

    `base` is the backbone's own upper tensors, `layers.<i>.<name>`; two low-rank experts do without.
    """
    difference = change = 0.0
    for name in sorted(_weight_names(first) | _weight_names(second)):
        changes = [_change(expert, name, base) for expert in (first, second)]
        difference += _squared(_minus(*changes))
        change += _squared(changes[0])
    return WeightDifference(math.sqrt(difference), math.sqrt(change))


def needs_base(first: Expert, second: Expert) -> bool:
    """Whether the backbone's own tensors are needed to compare the two."""
    return any(expert.card.low_rank is None for expert in (first, second))


def _weight_names(expert: Expert) -> set[str]:
    if expert.card.low_rank is None:
        return set(expert.tensors)
    return {f"{name.rpartition('.')[0]}.weight" for name in expert.tensors}


def _change(expert: Expert, name: str, base: Mapping[str, Tensor] | None) -> Tensor | None:
    """What the expert adds to one of the backbone's tensors, in float32; None is nothing."""
    if expert.card.low_rank is not None:
        return _delta(expert.tensors, name.removesuffix(".weight"), expert.card.low_rank)
    assert base is not None
    return expert.tensors[name].float() - base[name].float() if name in expert.tensors else None


def _delta(tensors: Mapping[str, Tensor], projection: str, low_rank: LowRank) -> Tensor | None:
    if f"{projection}.lora_A" not in tensors:
        return None
    down, up = (tensors[f"{projection}.lora_{part}"].float() for part in "AB")  # [rank, in], [out, rank]
    return low_rank.alpha / low_rank.rank * (up @ down)


def _minus(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    if first is None or second is None:
        return second if first is None else first
    return first - second


def _squared(tensor: Tensor | None) -> float:
    return 0.0 if tensor is None else float(tensor.double().square().sum())
