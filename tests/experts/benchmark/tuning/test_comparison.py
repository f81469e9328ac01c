"""The table: what each case gains, and which part of full fine-tuning's gain that is."""

import pytest

from experts.benchmark.tuning.case import Case, Outcome
from experts.benchmark.tuning.comparison import lines


def outcome(right: int, of: int = 40) -> Outcome:
    return Outcome(scores={"rows": tuple([1.0] * right + [0.0] * (of - right))})


def test_gain_is_counted_from_general_and_as_a_part_of_full_fine_tunings() -> None:
    outcomes = {
        Case("law", "general"): outcome(10),
        Case("law", "low_rank"): outcome(28),
        Case("law", "all_weights"): outcome(30),
    }

    general, expert, whole = lines(outcomes)

    assert (general.score.value, general.score.difference, general.part_of_gain) == (0.25, None, None)
    assert expert.score.difference is not None
    assert expert.part_of_gain is not None
    assert expert.score.difference[0] == pytest.approx(0.45)
    assert expert.part_of_gain.value == pytest.approx(0.9)
    assert expert.part_of_gain.low < 0.9 <= expert.part_of_gain.high
    assert whole.part_of_gain is not None
    assert whole.part_of_gain.value == 1.0


def test_there_is_no_part_of_a_gain_that_may_be_chance_or_was_not_measured() -> None:
    alike = {
        Case("sql", "general"): outcome(10),
        Case("sql", "full"): outcome(30),
        Case("sql", "all_weights"): outcome(11),
    }
    alone = {Case("code", "general"): outcome(10), Case("code", "full"): outcome(30)}

    assert [line.part_of_gain for line in (*lines(alike), *lines(alone))] == [None] * 5
