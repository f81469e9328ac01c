"""The record of a run."""

from datetime import UTC, datetime

from orchestrator.run import RunStatus, Usage, new_run_id


def test_ids_sort_by_time() -> None:
    earlier, later = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert new_run_id(earlier) < new_run_id(later)
    assert new_run_id(earlier) != new_run_id(earlier)
    assert len(new_run_id()) == 22


def test_what_is_terminal() -> None:
    live = {status for status in RunStatus if not status.is_terminal}
    assert live == {RunStatus.PENDING, RunStatus.RUNNING, RunStatus.INTERRUPTED}


def test_usage_adds_up() -> None:
    assert Usage(num_prompt_tokens=1, num_output_tokens=2) + Usage(num_prompt_tokens=3) == Usage(
        num_prompt_tokens=4, num_output_tokens=2
    )
