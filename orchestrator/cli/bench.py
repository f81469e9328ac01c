"""`ccoe bench`: measure on this machine, in one sitting."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from experts.benchmark.engine_benchmark import EngineBenchmark, HandOver, Throughput
from experts.benchmark.transformers_benchmark import TransformersBenchmark
from experts.config import EngineConfig
from experts.engine.model_pool import ModelPool
from experts.registry import Registry
from experts.source import load_backbone
from orchestrator.cli.eval import backbone_config
from orchestrator.settings import read_settings

app = typer.Typer()
EXPERTS = ("math", "code", "sql", "law", "medical")


@app.callback()
def bench() -> None:
    """Measure on this machine, everything in one sitting, so that ratios can be compared."""


@app.command()
def engine(as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False) -> None:
    """The engine with the five built-in domain experts, and transformers with a single model, on the same requests."""
    backbone = backbone_config(read_settings())
    console = Console(highlight=False, stderr=as_json)
    with console.status("transformers, one model"):
        peer = TransformersBenchmark(load_backbone(backbone))
        peers = [peer.mixed(), peer.one_stream()]
    pool = ModelPool(load_backbone(backbone), Registry(None))
    benchmark = EngineBenchmark(pool, EngineConfig(backbone), EXPERTS)
    found: list[Throughput] = []
    for name, run in (
        ("five experts", benchmark.mixed),
        ("one expert", benchmark.one_expert),
        ("one stream", benchmark.one_stream),
    ):
        with console.status(f"engine, {name}"):
            found.append(run())
    with console.status("engine, a prefix handed over"):
        hand_over = benchmark.hand_over()
    if as_json:
        print(_document([*peers, *found], hand_over))  # noqa: T201 - the document is the output
        return
    console.print(_table([*peers, *found]))
    console.print(
        f"a prefix of {hand_over.num_tokens} tokens taken over: {hand_over.taken_over_seconds:.3f} s, "
        f"{hand_over.ratio:.2f} of its fresh prefill; reused: {hand_over.reused_backbone_tokens} tokens of the shared "
        f"layers, {hand_over.reused_upper_tokens} of the expert's own"
    )


def _document(found: list[Throughput], hand_over: HandOver) -> str:
    throughputs = [{**asdict(one), "tokens_per_second": one.tokens_per_second} for one in found]
    return json.dumps(
        {"throughput": throughputs, "hand_over": {**asdict(hand_over), "ratio": hand_over.ratio}}, indent=2
    )


def _table(found: list[Throughput]) -> Table:
    table = Table("what", "output tokens", "seconds", "tokens a second", box=None)
    for one in found:
        table.add_row(one.name, str(one.num_output_tokens), f"{one.seconds:.1f}", f"{one.tokens_per_second:.1f}")
    return table
