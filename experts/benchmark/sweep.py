"""Throughput and memory against the number of experts, as figures and as a picture."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from matplotlib.figure import Figure

from experts.benchmark.engine_benchmark import EngineBenchmark
from experts.config import EngineConfig, ExpertForm
from experts.source import load_backbone

NUMBERS = (1, 2, 5, 10, 20, 50)
FORMS: tuple[ExpertForm, ...] = get_args(ExpertForm)
EACH = "one model each"


@dataclass(frozen=True, slots=True)
class Point:
    """One number of experts in one form."""

    form: str
    num_experts: int
    tokens_per_second: float
    weight_bytes: int


def sweep(config: EngineConfig) -> Iterator[Point]:
    """Point after point. "One model each" is this engine, run for one expert after the other; its bytes are those of
    whole models."""
    for number in NUMBERS:
        for form in FORMS:
            with TemporaryDirectory(prefix="ccoe-sweep-") as folder:
                backbone = load_backbone(config.backbone)
                model_bytes = backbone.num_bytes
                benchmark = EngineBenchmark(backbone, replace(config, expert_form=form), Path(folder), number)
                yield Point(form, number, benchmark.mixed().tokens_per_second, benchmark.weight_bytes)
                if form == "merged":
                    yield Point(EACH, number, benchmark.one_by_one().tokens_per_second, number * model_bytes)


def draw(points: Sequence[Point], path: Path) -> None:
    """Two plots side by side, as PNG."""
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    speed, memory = figure.subplots(1, 2)
    for form, style in zip((*FORMS, EACH), ("o-", "s-", "^--"), strict=True):
        ours = [point for point in points if point.form == form]
        numbers = [point.num_experts for point in ours]
        speed.plot(numbers, [point.tokens_per_second for point in ours], style, label=form)
        memory.plot(numbers, [point.weight_bytes / 1e6 for point in ours], style, label=form)
    speed.set(ylabel="output tokens a second", ylim=(0, None))
    memory.set(ylabel="weights, MB", yscale="log")
    for axes in (speed, memory):
        axes.set(xlabel="experts", xscale="log")
        axes.set_xticks(NUMBERS, labels=[str(number) for number in NUMBERS])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)
