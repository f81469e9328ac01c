"""Waves of runs on one worker: all end, and its memory is looked at."""

from unittest.mock import Mock, call

import pytest
from redis.asyncio import Redis

from graphs.benchmark import random_plans
from orchestrator.benchmark import runs_at_once as module
from orchestrator.benchmark.run_tally import RunTally
from orchestrator.benchmark.runs_at_once import NUM_WAVES, RunsAtOnce, Wave, runs_at_once
from orchestrator.settings import Settings

TALLY = RunTally(2, 8, 1.0, 2, 2, 0, 0, 0)


async def test_every_wave_runs_at_once_and_ends(
    redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random_plans, "NUM_STEPS", (2, 3))
    monkeypatch.setattr(module, "_REST_SECONDS", 0)
    told = Mock()

    found = await runs_at_once(redis, settings, 5, 0, told)

    assert found.is_right and [wave.tally.num_runs for wave in found.waves] == [5] * NUM_WAVES
    assert all(1 < wave.tally.num_at_once <= 5 for wave in found.waves)
    assert all(wave.peak_megabytes > found.megabytes_before / 2 > 0 for wave in found.waves)
    what = "5 runs at once, wave 1"
    assert [one for one in told.call_args_list if one.args[0] == what] == [call(what, done, 5) for done in range(6)]
    moments = [moment for wave in found.waves for moment in (wave.began, wave.ended)]
    assert moments == sorted(moments) and found.samples[-1][0] >= moments[-1]


def test_growth_is_the_last_peak_beside_the_one_before() -> None:
    """What the first waves take is used again."""
    waves = tuple(Wave(at, at + 1, TALLY, peak, 90.0) for at, peak in ((0.0, 10.0), (1.0, 100.0), (2.0, 110.0)))
    assert RunsAtOnce(2, 80.0, waves, ()).peak_growth == 1.1
