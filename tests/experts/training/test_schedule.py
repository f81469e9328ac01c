"""Steps of batches: every row once an epoch, the same for the same seed, rates counted in steps."""

import pytest

from experts.training.activations import EncodedRow
from experts.training.schedule import Schedule

ROWS = [EncodedRow(tuple(range(n)), 1) for n in (5, 9, 3, 12, 7, 4, 8, 11, 6, 10, 13)]


@pytest.mark.parametrize("accumulate", [1, 2, 3])
def test_every_row_stands_once_in_every_epoch(accumulate: int) -> None:
    schedule = Schedule.draw(ROWS, 3, 24, accumulate, 0)
    for epoch in schedule.epochs:
        assert sorted(i for step in epoch for batch in step for i in batch) == list(range(len(ROWS)))
        assert all(len(step) == accumulate for step in epoch[:-1])
        assert all(len(batch) * max(ROWS[i].num_tokens for i in batch) <= 24 for step in epoch for batch in step)


def test_accumulating_changes_no_batch() -> None:
    single, double = Schedule.draw(ROWS, 2, 24, 1, 5), Schedule.draw(ROWS, 2, 24, 2, 5)

    def batches(schedule: Schedule) -> list[list[list[int]]]:
        return [[batch for step in epoch for batch in step] for epoch in schedule.epochs]

    assert batches(single) == batches(double)
    assert double.num_steps == sum(-(-len(epoch) // 2) for epoch in single.epochs) < single.num_steps


def test_the_rate_rises_then_falls_to_nearly_nothing() -> None:
    schedule = Schedule([[[[0]]] * 10])
    rates = [schedule.rate(0.2)(step) for step in range(10)]
    assert rates[:2] == [0.5, 1.0]
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert 0 < rates[-1] < 0.2
