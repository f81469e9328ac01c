"""How long an epoch takes: experts, whose shared layers run once, and LoRA on all layers, on the same rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from experts.benchmark.tuning.case import recipe_of, training_rows
from experts.benchmark.tuning.method import LEARNING_RATES, Method, tune
from experts.config import BackboneConfig
from experts.source import load_backbone
from experts.training.encoding import encode
from experts.training.trainer import TrainerConfig

Report = Callable[[str, int, int], None]
"""Is told the method, and how many tokens of how many are done."""
_PEER: Method = "lora"
_COMPARED: tuple[Method, ...] = ("low_rank", "full", _PEER)


@dataclass(frozen=True, slots=True)
class Course:
    """The epochs of one training."""

    seconds: tuple[float, ...]
    losses: tuple[float, ...]
    """Mean over the epoch's steps."""

    @property
    def later_seconds(self) -> float:
        """Of an epoch from the second on, on average."""
        return sum(self.seconds[1:]) / (len(self.seconds) - 1)

    def seconds_to(self, loss: float) -> float | None:
        """Until the end of the first epoch whose mean loss is as low; None if none is."""
        for epoch, reached in enumerate(self.losses, 1):
            if reached <= loss:
                return sum(self.seconds[:epoch])
        return None


@dataclass(frozen=True, slots=True)
class TuningSpeed:
    """One sitting."""

    num_tokens: int
    """Of one epoch."""
    courses: Mapping[Method, Course]

    @property
    def target_loss(self) -> float:
        """The lowest that all of them reached."""
        return max(min(course.losses) for course in self.courses.values())

    def ratios(self) -> dict[str, float]:
        """The peer's time to ours."""
        peer = self.courses[_PEER]
        found: dict[str, float] = {}
        for method, own in self.courses.items():
            if method == _PEER:
                continue
            found[f"{method}, first epoch"] = peer.seconds[0] / own.seconds[0]
            found[f"{method}, later epochs"] = peer.later_seconds / own.later_seconds
            own_time, peer_time = own.seconds_to(self.target_loss), peer.seconds_to(self.target_loss)
            if own_time and peer_time:
                found[f"{method}, to loss {self.target_loss:.3f}"] = peer_time / own_time
        return found


def measure_speed(
    config: BackboneConfig,
    data: Path,
    domain: str,
    num_tokens: int,
    epochs: int,
    report: Callable[[str, int, int], None],
) -> TuningSpeed:
    """Train one after the other in this process. Raises DatasetError and BackboneError."""
    recipe, courses = recipe_of(domain), dict[Method, Course]()
    size = 0
    for method in _COMPARED:
        backbone = load_backbone(config)
        rows = training_rows(backbone, data, recipe, num_tokens, seed=0)
        encoded = [encode(backbone, row, recipe.suffix) for part in rows.values() for row in part]
        size = sum(row.num_tokens for row in encoded)
        form = "full" if method == "full" else "low_rank"
        how = TrainerConfig(form, epochs=epochs, learning_rate=LEARNING_RATES[method])
        tuned = tune(method, backbone, encoded, how, lambda done, total, of=method: report(of, done, total))
        courses[method] = Course(tuple(tuned.epoch_seconds), tuple(tuned.epoch_losses))
    return TuningSpeed(size, courses)
