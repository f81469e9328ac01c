"""`ccoe bench`: measure on this machine, in one sitting."""

import asyncio
import json
from dataclasses import asdict, astuple
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from experts.benchmark import workload
from experts.config import EngineConfig, SchedulerConfig
from orchestrator.cli import bench_choice, bench_graph, bench_plan, bench_tasks, bench_tuning
from orchestrator.cli.drawing import check_matplotlib
from orchestrator.cli.eval import backbone_config
from orchestrator.settings import read_settings

app = typer.Typer(add_completion=False)
app.add_typer(bench_choice.app)
app.add_typer(bench_graph.app)
app.add_typer(bench_plan.app)
app.add_typer(bench_tuning.app)
app.add_typer(bench_tasks.app)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]


@app.callback()
def bench() -> None:
    """Measure on this machine, everything in one sitting, so that figures can be compared."""


@app.command()
def engine(as_json: AsJson = False) -> None:
    """The engine with five experts of random weights, transformers and PEFT, on the same requests."""
    console = Console(highlight=False, stderr=as_json)
    with console.status("loading") as status:
        sitting = import_module("experts.benchmark.sitting").take(_config(), status.update)
    if as_json:
        typer.echo(json.dumps(sitting.document(), indent=2))
        return
    _print(console, sitting)
    if find_spec("peft") is None:
        console.print("PEFT is not installed and was left out: pip install 'ccoe[bench]'", markup=False)


@app.command()
def sweep(
    picture: Annotated[Path, typer.Argument(help="Where to write the picture, as PNG.")], as_json: AsJson = False
) -> None:
    """Throughput and memory against the number of experts, drawn as a picture."""
    console = Console(highlight=False, stderr=as_json)
    check_matplotlib(console)
    module = import_module("experts.benchmark.sweep")
    points: list[Any] = []
    with console.status("loading") as status:
        for point in module.sweep(_config()):
            points.append(point)
            status.update(f"{point.num_experts} experts, {point.form}")
    module.draw(points, picture)
    if as_json:
        typer.echo(json.dumps([asdict(point) for point in points], indent=2))
        return
    table = Table("experts", "form", "output tokens a second", "MB of weights", box=None)
    for point in points:
        megabytes = f"{point.weight_bytes / 1e6:,.0f}"
        table.add_row(str(point.num_experts), point.form, f"{point.tokens_per_second:.1f}", megabytes)
    console.print(table)
    console.print(f"drawn in {picture}")


@app.command()
def soak(minutes: Annotated[float, typer.Option(min=0.05, help="How long.")] = 30.0, as_json: AsJson = False) -> None:
    """Twice as many callers as the engine takes, who leave when they like, while an expert comes and goes."""
    console = Console(highlight=False, stderr=as_json)
    report = asyncio.run(_soak(console, minutes))
    if as_json:
        typer.echo(json.dumps({**asdict(report), "slope": report.slope}, indent=2))
        return
    console.print(
        f"{report.num_answers} answers, {report.num_left} callers left, {report.num_busy} refusals as busy, "
        f"{report.num_detached} calls to an expert that was gone, {report.num_exchanges} exchanges of an expert, "
        f"{report.num_tokens} tokens"
    )
    console.print(
        f"memory {report.samples[0][1]:.0f} MB at the start, {report.samples[-1][1]:.0f} MB at the end; "
        f"slope over the last two thirds {report.slope:+.2f} MB a minute"
    )


@app.command()
def runs(
    num_runs: Annotated[int, typer.Option("--runs", min=2, help="In the queue.")] = 1000,
    num_events: Annotated[int, typer.Option("--events", min=1000, help="Pieces of text.")] = 200_000,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Processes at most, from one on.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Events into a trace, and one queue served by several workers: steps a second, each run exactly once."""
    console = Console(highlight=False, stderr=as_json)
    module = import_module("orchestrator.benchmark.sitting")
    with console.status("starting") as status:
        sitting = asyncio.run(module.take(num_runs, num_events, workers, status.update))
    if as_json:
        queues = [{**asdict(queue), "is_right": queue.is_right} for queue in sitting.queue]
        document = {
            "events": asdict(sitting.events),
            "http": asdict(sitting.http),
            "queue": queues,
            "speedup": sitting.speedup,
        }
        typer.echo(json.dumps(document, indent=2))
        return
    table = Table("into one trace, by one worker", "a second", box=None)
    for name, figure in zip(("pieces of text", "entries of text", "results"), astuple(sitting.events), strict=True):
        table.add_row(name, f"{figure:,.0f}")
    console.print(table)
    told = f"{sitting.http.milliseconds_alone:.1f} ms alone; {sitting.http.num_at_once} at once"
    console.print(f"a run of five empty steps over HTTP: {told} {sitting.http.steps_per_second:,.0f} steps a second")
    table = Table(f"{num_runs:,} runs", "steps a second", "seconds", "not exactly once", box=None)
    for queue in sitting.queue:
        wrong = num_runs - queue.num_successes + queue.num_claimed_again + queue.num_done_again
        told = (f"{queue.steps_per_second:,.1f}", f"{queue.seconds:.1f}", str(wrong))
        table.add_row(f"{queue.num_workers} workers", *told)
    console.print(table)
    console.print(f"{sitting.queue[-1].num_workers} workers beside one: {sitting.speedup:.2f} times")


async def _soak(console: Console, minutes: float) -> Any:
    """Experts of random weights, one of them exchanged; limits that the callers exceed."""
    module, experts = import_module("experts.benchmark.soak"), import_module("experts.benchmark.random_experts")
    limits = SchedulerConfig(max_running=16)
    config = EngineConfig(backbone_config(read_settings()), with_builtin=False, scheduler=limits, max_sequences=24)
    with TemporaryDirectory(prefix="ccoe-soak-") as folder, console.status(f"running for {minutes:g} minutes"):
        backbone = import_module("experts.source").load_backbone(config.backbone)
        exchanged, *others = experts.make_entries(backbone, workload.NUM_EXPERTS, Path(folder))
        running = await import_module("experts.engine.async_engine").AsyncEngine.start(config)
        try:
            for entry in others:
                await running.push(entry.directory)
            max_words = min(100, backbone.max_context // 12)
            return await module.Soak(running, exchanged.directory, 60 * minutes, max_words).run(config.max_sequences)
        finally:
            await running.close()


def _config() -> EngineConfig:
    return EngineConfig(backbone_config(read_settings()))


def _print(console: Console, sitting: Any) -> None:
    table = Table("what", "output tokens", "seconds", "tokens a second", box=None)
    for one in sitting.throughput.values():
        table.add_row(one.name, f"{one.num_output_tokens:,}", f"{one.seconds:.1f}", f"{one.tokens_per_second:.1f}")
    console.print(table)
    memory = Table("five experts", "MB of weights", "MB resident", "MB with the built-in experts", box=None)
    for form, one in sitting.memory.items():
        sizes = (one.weight_bytes, one.resident_bytes, sitting.shipped_bytes[form])
        memory.add_row(form, *(f"{size / 1e6:.1f}" for size in sizes))
    console.print(memory)
    found = sitting.hand_over
    console.print(
        f"A prefix of {found.num_tokens} tokens taken over in {found.taken_over_seconds:.3f} s: "
        f"{found.reused_backbone_tokens} tokens of the shared layers were reused, "
        f"{found.reused_upper_tokens} of the expert's own."
    )
    ratios = Table("ratio", "", box=None)
    for name, ratio in sitting.ratios().items():
        ratios.add_row(name, f"{ratio:.3f}")
    console.print(ratios)
