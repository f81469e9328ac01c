"""`ccoe bench tasks`."""

import asyncio
import json
from collections import defaultdict
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from orchestrator.benchmark.task_benchmark import WAYS, Answer, answers
from orchestrator.benchmark.task_set import TaskSet
from orchestrator.cli.progress import progress_bars
from orchestrator.expert_host import OpenExperts

app = typer.Typer()


@app.command()
def tasks(
    context: typer.Context,
    way: Annotated[list[str] | None, typer.Option(help=f"One of {', '.join(WAYS)}; repeatable, all of them.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many tasks.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document, with every answer.")] = False,
) -> None:
    """Fifty tasks of several steps with checked answers: the service, one expert alone, and a ReAct loop."""
    ways = tuple(way or WAYS)
    if unknown := [name for name in ways if name not in WAYS]:
        raise typer.BadParameter(f"there is no way {unknown[0]!r}; choose of {', '.join(WAYS)}")
    console = Console(highlight=False, stderr=as_json)
    found = asyncio.run(_answered(ways, context.obj, limit, console))
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False))
        return
    _print(console, ways, found)


async def _answered(ways: tuple[str, ...], experts: OpenExperts, limit: int | None, console: Console) -> list[Answer]:
    total = len(TaskSet.load().tasks[:limit]) * len(ways)
    found: list[Answer] = []
    with progress_bars(console) as bars:
        bar = bars.add_task("answers", total=total, unit="answers", loss="")
        async for one in answers(ways, experts, limit):
            found.append(one)
            bars.update(bar, completed=len(found))
    return found


def _print(console: Console, ways: tuple[str, ...], found: list[Answer]) -> None:
    by_way: dict[str, list[Answer]] = defaultdict(list)
    for one in found:
        by_way[one.way].append(one)
    table = Table("way", "right", "of", "", "seconds each", box=None)
    for way in ways:
        of = by_way[way]
        right, seconds = sum(one.is_right for one in of), sum(one.seconds for one in of) / len(of)
        table.add_row(way, str(right), str(len(of)), f"{100 * right / len(of):.0f} %", f"{seconds:.1f}")
    console.print(table)
