"""`ccoe bench graph`: what running plans costs beside what their experts take."""

import json
from collections.abc import Iterator
from dataclasses import asdict, astuple
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from orchestrator.benchmark.graph_sitting import Extent, GraphSitting, RedisFigures, take, take_without_redis
from orchestrator.cli.bench_speculation import demo_speculation, speculation_table
from orchestrator.cli.drawing import check_matplotlib
from orchestrator.cli.interruption import run_to_end
from orchestrator.cli.plain_progress import phase_progress

app = typer.Typer()
_SHOWN = (10, 50, 100, 200)
"""Supersteps of the growing thread; a document has them all."""


@app.command()
def graph(
    context: typer.Context,
    plans: Annotated[int, typer.Option(min=2, help="How many random plans.")] = 200,
    plans_at_once: Annotated[int, typer.Option(min=1, help="Of them at the same time; many disturb each other.")] = 4,
    at_once: Annotated[int, typer.Option(min=1, help="Runs at once on one worker.")] = 500,
    seed: Annotated[int, typer.Option(help="Other plans for another one.")] = 0,
    redis: Annotated[bool, typer.Option(help="Run them as the service does, or measure only the dispatch.")] = True,
    plots: Annotated[Path | None, typer.Option(help="Draw what was measured into this directory, as PNG.")] = None,
    demo: Annotated[
        int, typer.Option(min=0, help="Rounds of the demo's tasks on the experts, begun early or not.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Random plans on experts that only take their time: makespan against the critical path, cost of a step, memory.

    Every run goes through queue, trace, memo and checkpoints in an embedded Valkey that keeps each write.
    """
    console = Console(highlight=False, stderr=as_json)
    if plots:
        check_matplotlib(console)
    with phase_progress(console) as on_progress:
        measure = take if redis else take_without_redis
        sitting = run_to_end(measure(Extent(plans, plans_at_once, at_once, seed), on_progress))
    with console.status("the demo's tasks") as status:
        early = run_to_end(demo_speculation(demo, seed, context.obj, status.update)) if demo else None
    drawn = import_module("orchestrator.cli.graph_pictures").draw(sitting, plots) if plots else []
    if as_json:
        speculation = {"speculation": {**asdict(early), "ratios": early.ratios}} if early else {}
        typer.echo(json.dumps({**sitting.document(), **speculation}, indent=2))
        return
    for table in (*_tables(sitting), *([speculation_table(early)] if early else ())):
        console.print(table)
    for path in drawn:
        console.print(f"drawn in {path}")


def _tables(sitting: GraphSitting) -> Iterator[Table | str]:
    figures = sitting.graph
    ratios = Table(f"{sitting.extent.num_plans} plans", "p50", "p95", "max", box=None)
    titles = ("makespan / critical path", "bare StateGraph / critical path", "bare StateGraph / makespan")
    for title, ratio in zip(titles, figures.ratios.values(), strict=True):
        ratios.add_row(title, *(f"{value:.3f}" for value in astuple(ratio)))
    yield ratios
    for shape, found in (("random plans", figures.step_costs), ("each step needs the one before", figures.chain_costs)):
        costs = Table(f"{shape}: steps that take no time", "ms for each", "of the processor", box=None)
        for num_steps, cost in found.items():
            costs.add_row(str(num_steps), f"{cost.elapsed:.2f}", f"{cost.processor:.2f}")
        yield costs
    if sitting.with_redis:
        yield from _with_redis(sitting.with_redis)


def _with_redis(found: RedisFigures) -> Iterator[Table | str]:
    runs = found.runs
    yield f"{runs.num_runs:,} runs of {runs.num_steps:,} steps; {runs.num_wrong} not exactly once"
    crowd = found.runs_at_once
    heads = ("at once", "not exactly once", "seconds", "steps a second", "MB at most", "MB after")
    waves = Table(f"{crowd.num_runs:,} runs on one worker", *heads, box=None)
    waves.add_row("before", "", "", "", "", "", f"{crowd.megabytes_before:.0f}")
    for number, wave in enumerate(crowd.waves, 1):
        tally, seconds = wave.tally, wave.ended - wave.began
        cells = (str(tally.num_at_once), str(tally.num_wrong), f"{seconds:.1f}", f"{tally.num_steps / seconds:,.0f}")
        waves.add_row(f"wave {number}", *cells, f"{wave.peak_megabytes:.0f}", f"{wave.megabytes_after:.0f}")
    yield waves
    thread = found.growing_thread
    growth = Table("bytes a superstep adds", "the whole state", "ordinary channel", "DeltaChannel", box=None)
    shown = zip(thread.whole, thread.ordinary, thread.deltas, strict=True)
    for number, sizes in enumerate(shown, 1):
        if number in _SHOWN:
            growth.add_row(str(number), *(f"{size:,}" for size in sizes))
    yield growth
