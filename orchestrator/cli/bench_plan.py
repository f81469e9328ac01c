"""`ccoe bench plan`: plans of tasks that mean trouble."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated, cast

import typer
from rich.console import Console

from graphs.benchmark.hostile_tasks import hostile_tasks
from graphs.benchmark.plan_benchmark import COLUMNS, PlanFigures, measure
from graphs.planner import Planner
from graphs.protocols import ExpertProfile
from orchestrator.cli.interruption import run_to_end
from orchestrator.cli.plain_progress import plain_progress
from orchestrator.cli.sheet import Sheet
from orchestrator.expert_host import OpenExperts
from orchestrator.gate_prior import GatePrior
from orchestrator.settings import Settings, read_settings
from orchestrator.tools import open_tools

app = typer.Typer()


@app.command()
def plan(
    context: typer.Context,
    tasks: Annotated[int, typer.Option(min=1, help="How many.")] = 1000,
    first: Annotated[int, typer.Option(min=0, help="The number of the first one, to go on in another sitting.")] = 0,
    at_once: Annotated[int, typer.Option(min=1, max=32, help="Tasks that are planned at the same time.")] = 16,
    seed: Annotated[int, typer.Option(help="Other tasks for another one.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Plan varied and hostile tasks, and count invalid plans, refused tasks, and what had to be mended."""
    console = Console(highlight=False, stderr=as_json)
    chosen = hostile_tasks(first + tasks, seed)[first:]

    async def measured() -> PlanFigures:
        async with _planner(read_settings(), cast(OpenExperts, context.obj)) as (planner, experts):
            with plain_progress(console, "planning", len(chosen)) as advance:
                return await measure(planner, experts, chosen, at_once, advance, first)

    figures = run_to_end(measured())
    if as_json:
        return typer.echo(json.dumps(asdict(figures), indent=2))
    rows = [[kind, *(str(counts[what]) for what in COLUMNS)] for kind, counts in figures.counts.items()]
    rows.append(["all", *(str(figures.total(what)) for what in COLUMNS)])
    console.print(Sheet(("kind of task", *COLUMNS), rows).table())
    for note in (*figures.invalid, *figures.refused):
        console.print(note, markup=False)
    return console.print(f"{figures.total('invalid')} of {figures.num_tasks} plans invalid, {figures.seconds:,.0f} s")


@asynccontextmanager
async def _planner(
    settings: Settings, open_experts: OpenExperts
) -> AsyncGenerator[tuple[Planner, Sequence[ExpertProfile]]]:
    """The planner that a service would use, and the experts that it may name."""
    async with open_tools(settings, settings.read_tools()) as tools, open_experts(settings) as experts:
        yield Planner(experts, tools, gate=GatePrior(experts)), experts.profiles()
