"""Callers beyond the engine's capacity, who leave, and experts that come and go: nothing is left behind."""

from pathlib import Path

import pytest

from experts.backbone import Backbone
from experts.benchmark.soak import Soak, SoakReport
from experts.checkpoint import save_expert
from experts.config import SchedulerConfig
from experts.engine.async_engine import AsyncEngine
from tests.experts.conftest import engine_config, low_rank_expert


@pytest.mark.parametrize("seconds", [6.0, pytest.param(120.0, marks=pytest.mark.slow)])
async def test_nothing_is_left_behind(
    seconds: float, model_directory: Path, backbone: Backbone, tmp_path: Path
) -> None:
    save_expert(low_rank_expert(backbone, "law"), tmp_path / "law")
    limits = SchedulerConfig(max_running=6, max_step_tokens=64, max_chunk_tokens=32)
    config = engine_config(
        model_directory, tmp_path / "experts", scheduler=limits, max_sequences=10, cache_bytes=400_000, expert_bytes=1
    )
    engine = await AsyncEngine.start(config)

    report = await Soak(engine, tmp_path / "law", seconds, max_words=20).run(config.max_sequences)

    inner = engine._engine  # pyright: ignore[reportPrivateUsage]
    await engine.metrics()  # what was asked before it has been done
    inner.scheduler.check_integrity()
    assert (engine.num_sequences, inner.num_sequences) == (0, 0)
    await engine.close()
    assert min(report.num_answers, report.num_left, report.num_busy, report.num_exchanges) > 0
    if seconds > 60:
        assert report.slope < 2, "MB a minute"


def test_the_slope_is_that_of_the_last_two_thirds() -> None:
    warming = [(float(second), 100.0 + 50 * second) for second in range(10)]
    steady = [(float(second), 600.0 + 0.5 * second) for second in range(10, 30)]

    assert SoakReport(samples=warming + steady).slope == pytest.approx(30.0)
