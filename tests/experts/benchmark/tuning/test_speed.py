"""Times of epochs as ratios, and the time to a loss that all have reached."""

import pytest

from experts.benchmark.tuning.speed import Course, TuningSpeed


def test_ratios_are_the_peers_time_to_ours() -> None:
    ours = Course(seconds=(6.0, 2.0, 2.0), losses=(1.0, 0.6, 0.5))
    peer = Course(seconds=(9.0, 8.0, 10.0), losses=(1.1, 0.7, 0.6))

    speed = TuningSpeed(1000, {"low_rank": ours, "lora": peer})

    assert speed.target_loss == 0.6
    assert speed.ratios() == {
        "low_rank, first epoch": 1.5,
        "low_rank, later epochs": 4.5,
        "low_rank, to loss 0.600": pytest.approx(27 / 8),
    }


def test_a_loss_that_is_not_reached_takes_no_time() -> None:
    assert Course((1.0, 1.0), (0.9, 0.8)).seconds_to(0.7) is None
