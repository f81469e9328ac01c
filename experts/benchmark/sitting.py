"""One sitting: the engine and its peers on the same requests, one after the other."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

from experts.benchmark import workload
from experts.benchmark.engine_benchmark import EngineBenchmark, HandOver
from experts.benchmark.memory_benchmark import Memory, measure_memory, shipped_bytes
from experts.benchmark.throughput import Throughput
from experts.benchmark.transformers_benchmark import TransformersBenchmark
from experts.config import EngineConfig, ExpertForm
from experts.source import load_backbone

FORMS: tuple[ExpertForm, ...] = get_args(ExpertForm)
Report = Callable[[str], None]
"""Is told what is measured next."""


@dataclass(slots=True)
class Sitting:
    """What was measured, and the ratios that count."""

    throughput: dict[str, Throughput] = field(default_factory=dict[str, Throughput])
    """By a short name, e.g. `merged mixed`."""
    hand_over: HandOver | None = None
    memory: dict[str, Memory] = field(default_factory=dict[str, Memory])
    """By form, five experts."""
    shipped_bytes: dict[str, int] = field(default_factory=dict[str, int])
    """By form, all built-in experts and `general`."""

    def ratios(self) -> dict[str, float]:
        """Ours to theirs, by what is compared; without a peer that was not measured."""
        pairs = [(f"{form} mixed", peer) for form in FORMS for peer in ("peft mixed", "transformers mixed")]
        pairs += [(f"{form} mixed", f"{form} one expert") for form in FORMS]
        pairs += [(f"{form} one stream{how}", "transformers one stream") for form in FORMS for how in ("", ", int4")]
        pairs += [("merged growing", peer) for peer in ("peft growing", "transformers growing")]
        found = self.throughput
        speed = {
            f"{ours} / {theirs}": found[ours].tokens_per_second / found[theirs].tokens_per_second
            for ours, theirs in pairs
            if ours in found and theirs in found
        }
        weights: dict[str, float] = {}
        for form, one in self.memory.items():
            models = workload.NUM_EXPERTS * one.model_bytes
            weights[f"{form} weights / five models"] = one.weight_bytes / models
            weights[f"{form} resident / five models"] = one.resident_bytes / models
        taken_over = {} if self.hand_over is None else {"prefix taken over / fresh prefill": self.hand_over.ratio}
        return {**speed, **taken_over, **weights}

    def document(self) -> dict[str, Any]:
        """All of it, for JSON."""
        throughput = {
            name: {**asdict(one), "tokens_per_second": one.tokens_per_second} for name, one in self.throughput.items()
        }
        return {**asdict(self), "throughput": throughput, "ratios": self.ratios()}


def take(config: EngineConfig, report: Report) -> Sitting:
    """Measure everything. PEFT is left out where it is not installed."""
    sitting = Sitting()
    with TemporaryDirectory(prefix="ccoe-bench-") as folder:
        for name, run in _ours(config, Path(folder), sitting):
            report(f"engine, {name}")
            sitting.throughput[name] = run()
        for name, run in _peers(config):
            report(name)
            sitting.throughput[name] = run()
    for form in FORMS:
        report(f"memory, {form}")
        formed = replace(config, expert_form=form)
        sitting.memory[form] = measure_memory(formed, workload.NUM_EXPERTS)
        sitting.shipped_bytes[form] = shipped_bytes(formed)
    return sitting


def _ours(config: EngineConfig, folder: Path, sitting: Sitting) -> Iterator[tuple[str, Callable[[], Throughput]]]:
    for form in FORMS:
        formed = replace(config, expert_form=form)
        benchmark = EngineBenchmark(load_backbone(config.backbone), formed, folder / form, workload.NUM_EXPERTS)
        yield f"{form} mixed", benchmark.mixed
        yield f"{form} one expert", benchmark.one_expert
        yield f"{form} one stream", benchmark.one_stream
        if form == "merged":
            yield f"{form} growing", benchmark.hand_off
            sitting.hand_over = benchmark.hand_over()
        formed = replace(formed, decode_weights="int4")
        benchmark = EngineBenchmark(load_backbone(config.backbone), formed, folder / f"{form}-int4", 1)
        yield f"{form} one stream, int4", benchmark.one_stream


def _peers(config: EngineConfig) -> Iterator[tuple[str, Callable[[], Throughput]]]:
    backbone = load_backbone(config.backbone)
    one = TransformersBenchmark("transformers, one model", backbone.model, backbone.tokenizer)
    yield "transformers mixed", one.mixed
    yield "transformers one stream", one.one_stream
    yield "transformers growing", one.hand_off
    if find_spec("peft") is not None:
        adapters = import_module("experts.benchmark.peft_benchmark").peft_benchmark(load_backbone(config.backbone))
        yield "peft mixed", adapters.mixed
        yield "peft growing", adapters.hand_off
