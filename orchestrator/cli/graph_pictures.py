"""The pictures of `ccoe bench graph`. Imported only where matplotlib is installed."""

from collections.abc import Callable, Iterator
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from graphs.benchmark.dispatch_benchmark import GraphFigures
from orchestrator.benchmark.graph_sitting import GraphSitting
from orchestrator.benchmark.growing_thread import ThreadGrowth
from orchestrator.benchmark.runs_at_once import RunsAtOnce


def draw(sitting: GraphSitting, directory: Path) -> list[Path]:
    """A PNG for each part that was measured, in a directory that is made if there is none."""
    directory.mkdir(parents=True, exist_ok=True)
    drawn: list[Path] = []
    for name, fill in _pictures(sitting):
        figure = Figure(figsize=(7, 3.8), layout="constrained")
        axes = figure.subplots()
        fill(axes)
        axes.grid(alpha=0.3)
        axes.legend()
        drawn.append(directory / f"{name}.png")
        figure.savefig(drawn[-1], dpi=120)
    return drawn


def _pictures(sitting: GraphSitting) -> Iterator[tuple[str, Callable[[Axes], None]]]:
    graph, found = sitting.graph, sitting.with_redis
    yield "graph_makespan", lambda axes: _makespan(axes, graph)
    yield "graph_cost_per_step", lambda axes: _cost_per_step(axes, graph)
    if found:
        yield "runs_at_once", lambda axes: _runs_at_once(axes, found.runs_at_once)
        yield "growing_thread", lambda axes: _growing_thread(axes, found.growing_thread)


def _makespan(axes: Axes, graph: GraphFigures) -> None:
    shares = [100 * number / len(graph.times) for number in range(1, len(graph.times) + 1)]
    axes.plot(sorted(one.ours / one.critical_path for one in graph.times), shares, label="ccoe")
    axes.plot(sorted(one.plain / one.critical_path for one in graph.times), shares, "--", label="bare StateGraph")
    axes.set(xlabel="time / critical path", ylabel="% of the plans, at most", xlim=(1, None), ylim=(0, 100))


def _cost_per_step(axes: Axes, graph: GraphFigures) -> None:
    for costs, color, shape in ((graph.step_costs, "C0", "random plans"), (graph.chain_costs, "C1", "chains")):
        sizes = list(costs)
        axes.plot(sizes, [cost.elapsed for cost in costs.values()], "o-", color=color, label=shape)
        processor = [cost.processor for cost in costs.values()]
        axes.plot(sizes, processor, "s--", color=color, alpha=0.6, label=f"{shape}, of the processor")
    axes.set(xlabel="steps of the plan", ylabel="ms for each step", ylim=(0, None))


def _runs_at_once(axes: Axes, found: RunsAtOnce) -> None:
    axes.plot(*zip(*found.samples, strict=True), label="worker")
    for number, wave in enumerate(found.waves):
        label = f"{found.num_runs} runs" if number == 0 else None
        axes.axvspan(wave.began, wave.ended, color="0.5", alpha=0.15, label=label)
    axes.set(xlabel="s", ylabel="MB resident", ylim=(0, None))


def _growing_thread(axes: Axes, found: ThreadGrowth) -> None:
    supersteps = range(1, len(found.whole) + 1)
    axes.plot(supersteps, found.whole, "--", label="the whole state each time")
    axes.plot(supersteps, found.ordinary, label="here, in an ordinary channel")
    axes.plot(supersteps, found.deltas, label="here, in a DeltaChannel")
    axes.set(xlabel="superstep", ylabel="bytes that it adds", ylim=(0, None))
