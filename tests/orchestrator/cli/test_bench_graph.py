"""`ccoe bench graph`: plans run as a service runs them, many runs at once, and what is drawn of them."""

import json
from pathlib import Path
from unittest.mock import Mock

import pytest

from graphs.benchmark import dispatch_benchmark, random_plans
from orchestrator.benchmark import growing_thread, runs_at_once
from tests.orchestrator.cli.conftest import Terminal

SMALL = ("--plans", "3", "--at-once", "4")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans of a few steps, threads of a few supersteps."""
    monkeypatch.setattr(random_plans, "NUM_STEPS", (2, 4))
    monkeypatch.setattr(dispatch_benchmark, "SIZES", (2, 5))
    monkeypatch.setattr(dispatch_benchmark, "REPEATS", 2)
    monkeypatch.setattr(growing_thread, "NUM_STEPS", 10)
    monkeypatch.setattr(runs_at_once, "_REST_SECONDS", 0)


def test_each_step_of_every_run_is_executed_exactly_once(terminal: Terminal, tmp_path: Path) -> None:
    code, output, errors = terminal.ccoe("bench", "graph", *SMALL, "--plots", str(tmp_path / "plots"), "--json")

    assert code == 0, errors
    document = json.loads(output)
    # the first of all runs, the random plans, and both shapes in both sizes, twice
    assert (document["num_plans"], document["runs"]["num_runs"]) == (3, 1 + 3 + 2 * 2 * 2)
    assert document["is_right"]
    assert 1 <= document["makespan"]["p50"] <= document["makespan"]["p95"] <= document["makespan"]["max"]
    assert all(set(document[costs]) == {"2", "5"} for costs in ("step_costs", "chain_costs"))
    waves = document["runs_at_once"]["waves"]
    assert [wave["tally"]["num_successes"] for wave in waves] == [4] * runs_at_once.NUM_WAVES
    assert len(document["growing_thread"]["deltas"]) == 10
    drawn = {path.stem: path.read_bytes()[:4] for path in (tmp_path / "plots").iterdir()}
    names = ("graph_makespan", "graph_cost_per_step", "runs_at_once", "growing_thread")
    assert drawn == dict.fromkeys(names, b"\x89PNG")


def test_without_redis_only_the_dispatch_is_measured(terminal: Terminal, tmp_path: Path) -> None:
    code, output, errors = terminal.ccoe("bench", "graph", *SMALL, "--no-redis", "--plots", str(tmp_path), "--json")

    assert code == 0, errors
    document = json.loads(output)
    assert not document["has_redis"] and not {"runs", "runs_at_once", "growing_thread", "speculation"} & set(document)
    assert document["plain_makespan"]["p50"] >= 1
    assert {path.stem for path in tmp_path.glob("*.png")} == {"graph_makespan", "graph_cost_per_step"}


def test_the_figures_are_tables(terminal: Terminal) -> None:
    code, output, errors = terminal.ccoe("bench", "graph", *SMALL)

    assert code == 0, errors
    assert "StateGraph / critical path" in output and "12 runs" in output and "0 not exactly once" in output
    assert f"wave {runs_at_once.NUM_WAVES}" in output and "DeltaChannel" in output


def test_what_cannot_be_drawn_is_not_measured(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.cli.drawing.find_spec", Mock(return_value=None))

    code, output, _ = terminal.ccoe("bench", "graph", "--plots", "plots")

    assert code == 2
    assert output == "error: matplotlib draws the picture and is not installed: pip install 'ccoe[bench]'\n"
