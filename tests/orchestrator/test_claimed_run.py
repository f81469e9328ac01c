"""A run has one writer: the last one that claimed it, until the run is terminal."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from graphs.events import Answered, Planned, StepFinished, StepResult
from graphs.plan import Plan, Step
from orchestrator.answer_store import AnswerStore
from orchestrator.claimed_run import ClaimedRun
from orchestrator.errors import LeaseLostError, RunEndedError, RunNotFoundError
from orchestrator.events import RunFinished, RunInterrupted, RunStarted
from orchestrator.run import RunError, RunStatus, Scheduling, Timings, Usage
from orchestrator.run_queue import RunQueue
from orchestrator.run_store import RunStore
from orchestrator.service import Service
from orchestrator.settings import Settings
from tests.orchestrator.conditions import until
from tests.orchestrator.crash_matrix import crash_matrix
from tests.orchestrator.ledger_experts import executions
from tests.orchestrator.processes import line_with, process
from tests.orchestrator.records import a_run, claimed, kept
from tests.orchestrator.scripted_experts import A_STEP_FOR_A_PERSON as ASKING
from tests.orchestrator.scripted_experts import open_scripted_experts
from tests.orchestrator.waiting_runs import APPROVE, asked, ended, num_entries, until_interrupted

pytestmark = pytest.mark.usefixtures("server")

RESULT = StepResult(id=1, status="success", result="48")


@pytest.fixture
async def writer(runs: RunStore) -> ClaimedRun:
    return await claimed(runs, await kept(runs, a_run()))


def writes(writer: ClaimedRun) -> list[object]:
    """One of each kind, not awaited yet."""
    run_id = writer.run.id

    async def write_step() -> None:
        writer.hold_step(StepFinished(result=RESULT))
        await writer.write_held()

    return [
        writer.append(RunStarted(run_id=run_id, task="a task", worker="w1")),
        writer.append_plan(Planned(plan=Plan(steps=(Step(id=1, text="a", expert="x"),)))),
        write_step(),
        writer.append_answer(Answered(answer="48", source="joiner")),
        writer.commit("1.1.0.0:ab", RESULT),
        writer.hand_back(counts=False),
        writer.finish(RunFinished(run_id=run_id, status=RunStatus.SUCCESS)),
        writer.check(),
    ]


async def contents(redis: Redis, runs: RunStore, run_id: str) -> list[object]:
    return [await redis.dump(key) for key in runs.keys.of_run(run_id)]


async def test_the_end_is_written_at_once(writer: ClaimedRun, runs: RunStore, redis: Redis) -> None:
    await writer.commit("1.1.0.0:ab", RESULT)
    writer.hold_step(StepFinished(result=RESULT))
    await writer.write_held()
    final = RunFinished(
        run_id=writer.run.id,
        status=RunStatus.ERROR,
        error=RunError(type="no_answer", message="why", remedy="what"),
        usage=Usage(num_prompt_tokens=3),
        timings=Timings(steps={1: 0.5}, total=2.0),
    )
    await writer.finish(final)
    run = await runs.get(writer.run.id)
    assert (run.status, run.error, run.usage, run.timings) == (final.status, final.error, final.usage, final.timings)
    assert run.finished is not None
    kept = set(runs.keys.of_run(run.id)) - set(runs.keys.of_thread(run.id))  # no graph has left a checkpoint
    for key in kept:
        assert 0 < await redis.ttl(key) <= 30 * 24 * 3600


async def test_a_late_writer_is_refused_and_writes_nothing(writer: ClaimedRun, runs: RunStore, redis: Redis) -> None:
    await claimed(runs, writer.run, "w2")
    before = await contents(redis, runs, writer.run.id)
    for late in writes(writer):
        with pytest.raises(LeaseLostError) as caught:
            await late  # type: ignore[misc]
        assert (caught.value.run_id, caught.value.fence) == (writer.run.id, 1)
    assert await contents(redis, runs, writer.run.id) == before


async def test_terminal_is_final_for_its_own_writer_too(writer: ClaimedRun, runs: RunStore, redis: Redis) -> None:
    await writer.finish(RunFinished(run_id=writer.run.id, status=RunStatus.SUCCESS))
    before = await contents(redis, runs, writer.run.id)
    for late in writes(writer):
        with pytest.raises(RunEndedError):
            await late  # type: ignore[misc]
    assert await contents(redis, runs, writer.run.id) == before


async def test_a_run_that_is_gone_is_said_to_be(writer: ClaimedRun, runs: RunStore, redis: Redis) -> None:
    await runs.drop(writer.run.id)
    for late in writes(writer):
        with pytest.raises(RunNotFoundError):
            await late  # type: ignore[misc]
    assert await redis.keys() == []


async def test_a_call_that_is_sent_again_changes_nothing(
    writer: ClaimedRun, runs: RunStore, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client repeats a command when the connection breaks before the reply."""
    send = redis.execute_command

    async def twice(*command: object, **options: object) -> object:
        await send(*command, **options)
        return await send(*command, **options)

    monkeypatch.setattr(redis, "execute_command", twice)
    *all_but_the_end, end, check = writes(writer)
    for write in (*all_but_the_end, check):
        await write  # type: ignore[misc]
    assert await redis.xlen(runs.keys.events(writer.run.id)) == 4
    with pytest.raises(RunEndedError):
        await end  # type: ignore[misc]
    assert (await runs.get(writer.run.id)).status is RunStatus.SUCCESS


async def test_handing_back_uses_no_attempt_and_progress_gives_them_back(writer: ClaimedRun, runs: RunStore) -> None:
    await writer.hand_back(counts=False)
    run = await runs.get(writer.run.id)
    assert (run.status, run.worker, run.attempts, run.fence) == (RunStatus.PENDING, None, 0, 1)
    await claimed(runs, run)
    second = await claimed(runs, run)
    assert second.run.attempts == 2
    await second.commit("1.1.0.0:ab", RESULT)
    assert (await runs.get(run.id)).attempts == 0


# --- it waits for a person: whoever dies between question, answer and queue, it goes on ---


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
    outcomes = await crash_matrix(redis, tmp_path, every, "waiting")
    assert [outcome for outcome in outcomes if not outcome.is_right] == []
    assert sum(outcome.was_killed for outcome in outcomes) >= 0.7 * len(outcomes) > 3
