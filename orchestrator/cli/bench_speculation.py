"""The demo's tasks on the experts of the settings, their steps begun early and not: a part of `ccoe bench graph`."""

import random
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.table import Table

from graphs.benchmark.speculation_benchmark import SpeculationFigures, measure_speculation
from orchestrator.demo.database import make_database
from orchestrator.demo.tasks import draw_tasks
from orchestrator.expert_host import OpenExperts
from orchestrator.settings import read_settings
from orchestrator.tools import open_tools


async def demo_speculation(
    rounds: int, seed: int, open_experts: OpenExperts, tell: Callable[[str], None]
) -> SpeculationFigures:
    """Two draws of the demo's three tasks in each round. Raises what opening tools and experts raises."""
    with TemporaryDirectory(prefix="ccoe-bench-") as folder:
        database, chance = Path(folder) / "shop.sqlite", random.Random(seed)
        make_database(database, chance)
        draws = [[draw_tasks(database, chance) for _ in range(2)] for _ in range(rounds)]
        pairs = [(one.task, other.task) for first, second in draws for one, other in zip(first, second, strict=True)]
        settings = read_settings(databases={"shop": database}, database="shop")
        async with open_tools(settings, settings.read_tools()) as tools, open_experts(settings) as experts:
            return await measure_speculation(pairs, experts, tools, tell)


def speculation_table(figures: SpeculationFigures) -> Table:
    """A row for each moment of a run."""
    table = Table(f"seconds to, {figures.num_tasks} tasks", "begun early", "not", "ratio", box=None)
    for name, ratio in figures.ratios.items():
        on, off = getattr(figures.on, name), getattr(figures.off, name)
        table.add_row(name.replace("_", " "), f"{on:.2f}", f"{off:.2f}", f"{ratio:.2f}")
    return table
