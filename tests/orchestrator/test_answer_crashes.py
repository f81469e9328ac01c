"""Whoever dies between a question, its answer and the queue, the run goes on."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from orchestrator.answer_store import AnswerStore
from orchestrator.claimed_run import ClaimedRun
from orchestrator.events import RunInterrupted
from orchestrator.run import RunStatus, Scheduling
from orchestrator.run_queue import RunQueue
from orchestrator.run_store import RunStore
from orchestrator.service import Service
from orchestrator.settings import Settings
from tests.orchestrator.conditions import until
from tests.orchestrator.crash_matrix import crash_matrix
from tests.orchestrator.ledger_experts import executions
from tests.orchestrator.processes import line_with, process
from tests.orchestrator.records import a_run, kept
from tests.orchestrator.scripted_experts import A_STEP_FOR_A_PERSON as ASKING
from tests.orchestrator.scripted_experts import open_scripted_experts
from tests.orchestrator.waiting_runs import APPROVE, asked, ended, num_entries, until_interrupted

pytestmark = pytest.mark.usefixtures("server")


class DeadQueue:
    """Whoever answers dies before the run is in its lane again."""

    async def wake(self, run_id: str) -> None:
        raise ConnectionError("it was killed")


async def test_an_answer_is_not_lost_between_record_and_queue(settings: Settings, redis: Redis, runs: RunStore) -> None:
    async with Service.open(settings, open_scripted_experts) as service:
        run = await asked(service)
    dying = AnswerStore(redis, runs, DeadQueue())  # type: ignore[arg-type]
    with pytest.raises(ConnectionError):
        await dying.answer(run.id, 2, APPROVE, "ana")
    assert ((await runs.get(run.id)).status, await num_entries(redis, runs.keys)) == (RunStatus.PENDING, (0, 1))
    async with Service.open(settings, open_scripted_experts) as service:  # its first sweep finds it
        assert (await ended(service, run)).status is RunStatus.SUCCESS


async def test_an_answer_that_comes_while_the_run_is_set_aside(
    service: Service, answers: AnswerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record waits already, the entry is still in its lane."""
    set_aside = RunQueue.set_aside
    statuses: list[RunStatus] = []

    async def late(queue: RunQueue, lease: Any) -> None:
        if not statuses:
            statuses.append((await answers.answer(lease.run_id, 2, APPROVE, "ana")).status)
        await set_aside(queue, lease)

    monkeypatch.setattr(RunQueue, "set_aside", late)
    run = await ended(service, await service.submit("a task", ASKING))
    assert (statuses, run.status) == ([RunStatus.PENDING], RunStatus.SUCCESS)


async def test_an_answer_that_comes_when_nobody_listens_any_more(
    service: Service, answers: AnswerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graph has stopped, the record does not wait yet: then it need not."""
    interrupt = ClaimedRun.interrupt

    async def late(claimed: ClaimedRun, *arguments: Any) -> None:
        if claimed.run.fence == 1:
            assert (await answers.answer(claimed.run.id, 2, APPROVE, "ana")).status is RunStatus.RUNNING
        await interrupt(claimed, *arguments)

    monkeypatch.setattr(ClaimedRun, "interrupt", late)
    run = await ended(service, await service.submit("a task", ASKING))
    assert (run.status, run.fence) == (RunStatus.SUCCESS, 2)
    assert not any(isinstance(entry.event, RunInterrupted) for entry in await service.traces.read(run.id))


async def test_kill_9_of_the_worker_while_a_run_waits(
    runs: RunStore, queue: RunQueue, answers: AnswerStore, tmp_path: Path
) -> None:
    ledger, run = tmp_path / "ledger", await kept(runs, a_run("a task", is_plan_given=True, plan={"steps": ASKING}))
    await queue.put(run, Scheduling())
    async with process("ledger_worker", str(ledger), "0.01") as worker:
        await line_with("up", worker)
        await until_interrupted(runs, run)
        os.kill(worker.pid, signal.SIGKILL)
        await worker.wait()
    await answers.answer(run.id, 2, APPROVE, "ana")
    async with process("ledger_worker", str(ledger), "0.01") as worker:
        await line_with("up", worker)

        async def is_over() -> bool:
            return (await runs.get(run.id)).status.is_terminal

        await until(is_over, "another worker goes on")
    assert (await runs.get(run.id)).status is RunStatus.SUCCESS
    assert executions(ledger) == {"a task|say 48": 1, "a task|say 48 is approved": 1}


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
async def test_kill_9_at_any_command_before_a_run_waits(redis: Redis, tmp_path: Path, every: int) -> None:
    outcomes = await crash_matrix(redis, tmp_path, every, waits=True)
    assert [outcome for outcome in outcomes if not outcome.is_right] == []
    assert sum(outcome.was_killed for outcome in outcomes) >= 0.7 * len(outcomes) > 3
