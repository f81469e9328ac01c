"""The demo's tasks are measured with early steps and without."""

from rich.console import Console

from graphs.benchmark.speculation_benchmark import Latency
from orchestrator.cli.bench_speculation import demo_speculation, speculation_table
from tests.orchestrator.scripted_experts import open_scripted_experts


async def test_every_round_runs_two_draws_of_three_tasks() -> None:
    told: list[str] = []
    figures = await demo_speculation(2, 0, open_scripted_experts, told.append)
    assert (figures.num_tasks, figures.num_planned_twice, len(told)) == (6, 0, 13)
    assert set(figures.ratios) == set(Latency.__slots__)
    console = Console(record=True, width=100)
    console.print(speculation_table(figures))
    assert [line.split()[0] for line in console.export_text().splitlines()] == [
        "seconds",
        "plan",
        "first",
        "first",
        "total",
    ]
