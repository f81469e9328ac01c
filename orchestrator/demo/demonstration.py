"""Makes the database, runs the tasks, draws the plans, checks the answers."""

import argparse
import asyncio
import random
import secrets
import sys
from pathlib import Path

from rich.console import Console
from rich.panel import Panel

from graphs.mermaid import plan_flowchart
from orchestrator.cli.live import RunView, watch_live, watch_plain
from orchestrator.demo.database import make_database
from orchestrator.demo.tasks import DemoTask, draw_tasks
from orchestrator.expert_client import open_engine
from orchestrator.failure import KNOWN_ERRORS, failure_of
from orchestrator.run import Run, RunStatus
from orchestrator.service import Service
from orchestrator.settings import Settings, read_settings

FOLDER = Path(".demo")


def main() -> int:
    """Exit code 0 if every answer is right."""
    parser = argparse.ArgumentParser(prog="python -m orchestrator.demo", description=__doc__)
    parser.add_argument("--seed", type=int, help="repeat the demo of this seed")
    seed: int = parser.parse_args().seed or secrets.randbelow(10**6)
    console = Console()
    try:
        return asyncio.run(_demonstrate(seed, console))
    except KeyboardInterrupt:
        return 130
    except KNOWN_ERRORS as error:
        failure = failure_of(error)
        console.print(f"[red]{failure.message}[/red]\n{failure.remedy}")
        return 1


def demo_settings(folder: Path) -> tuple[Settings, Path]:
    """The embedded defaults with the sample database as the only one."""
    database = folder.resolve() / "shop.sqlite"
    own = {"data_dir": folder.resolve(), "databases": {"shop": database}, "database": "shop"}
    return read_settings(**own, step_cache_seconds=0), database


async def _demonstrate(seed: int, console: Console) -> int:
    settings, database = demo_settings(FOLDER)
    rng = random.Random(seed)
    make_database(database, rng)
    tasks = draw_tasks(database, rng)
    console.print(
        f"Seed {seed}; a sample database is in {FOLDER / database.name}. The first start fetches the backbone."
    )
    async with Service.open(settings, open_engine, is_private=True) as service:
        right = [await _answer(service, task, console) for task in tasks]
    console.print(f"{sum(right)} of {len(right)} answers right; repeat this run with `make demo SEED={seed}`")
    return 0 if all(right) else 1


async def _answer(service: Service, task: DemoTask, console: Console) -> bool:
    console.rule(task.title)
    run = await service.submit(task.task)
    await (watch_live if sys.stdout.isatty() else watch_plain)(RunView(run.task), service.events(run.id))
    run = await service.runs.get(run.id)
    is_right = run.status is RunStatus.SUCCESS and task.is_answered_by(run.answer or "")
    _draw(run, console)
    verdict = "[green]right[/green]" if is_right else "[red]wrong[/red]"
    console.print(f"Checked by plain Python and SQL: {verdict}; expected {', '.join(task.expected)}\n")
    return is_right


def _draw(run: Run, console: Console) -> None:
    if run.plan is not None:
        console.print(Panel(plan_flowchart(run.plan), title="the plan as Mermaid", border_style="dim"), highlight=False)
