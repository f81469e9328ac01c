"""`ccoe bench`: measure on this machine, in one sitting."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from experts.benchmark.engine_benchmark import EngineBenchmark, HandOver, Throughput
from experts.benchmark.transformers_benchmark import TransformersBenchmark
from experts.config import EngineConfig
from experts.source import load_backbone
from orchestrator.cli.eval import backbone_config
from orchestrator.settings import Settings, read_settings

app = typer.Typer()


@app.callback()
def bench() -> None:
    """Measure on this machine, everything in one sitting, so that figures can be compared."""


@app.command()
def engine(as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False) -> None:
    """The engine with five experts of random weights, and transformers with a single model, on the same requests."""
    console = Console(highlight=False, stderr=as_json)
    with TemporaryDirectory(prefix="ccoe-bench-") as folder, console.status("loading") as status:
        found: list[Throughput] = []
        benchmark = EngineBenchmark(load_backbone(backbone_config(read_settings())), EngineConfig(), Path(folder))
        for name, run in _workloads(read_settings(), benchmark):
            status.update(name)
            found.append(run())
        status.update("a prefix handed over")
        hand_over = benchmark.hand_over()
    if as_json:
        typer.echo(_document(found, hand_over))
        return
    console.print(_table(found))
    console.print(
        f"A prefix of {hand_over.num_tokens} tokens taken over in {hand_over.taken_over_seconds:.3f} s, "
        f"{hand_over.ratio:.2f} of its fresh prefill; reused were {hand_over.reused_backbone_tokens} tokens of the "
        f"shared layers and {hand_over.reused_upper_tokens} of the expert's own."
    )


def _workloads(settings: Settings, benchmark: EngineBenchmark) -> Iterator[tuple[str, Callable[[], Throughput]]]:
    yield "engine, five experts", benchmark.mixed
    yield "engine, one expert", benchmark.one_expert
    yield "engine, one stream", benchmark.one_stream
    peer = TransformersBenchmark(load_backbone(backbone_config(settings)))
    yield "transformers, one model", peer.mixed
    yield "transformers, one stream", peer.one_stream


def _document(found: list[Throughput], hand_over: HandOver) -> str:
    throughputs = [{**asdict(one), "tokens_per_second": one.tokens_per_second} for one in found]
    handed_over = {**asdict(hand_over), "ratio": hand_over.ratio}
    return json.dumps({"throughput": throughputs, "hand_over": handed_over}, indent=2)


def _table(found: list[Throughput]) -> Table:
    table = Table("what", "output tokens", "seconds", "tokens a second", box=None)
    for one in found:
        table.add_row(one.name, str(one.num_output_tokens), f"{one.seconds:.1f}", f"{one.tokens_per_second:.1f}")
    return table
