"""From a task or a plan to an answer, with everything kept in Redis."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from langchain_core.runnables import RunnableConfig
from redis.asyncio import Redis

from graphs.errors import InvalidPlan, TaskError
from graphs.events import Planned, StepToken
from graphs.policies import StepPolicy
from orchestrator.embedded_valkey import EmbeddedValkey
from orchestrator.errors import (
    RedisUnavailableError,
    RunEndedError,
    RunNotFoundError,
    RunRefusedError,
    ServiceStoppingError,
)
from orchestrator.events import RunFinished, RunStarted, TraceEntry
from orchestrator.run import Run, RunStatus, Scheduling
from orchestrator.service import Service
from orchestrator.settings import Settings, read_settings
from tests.orchestrator.conditions import until
from tests.orchestrator.scripted_experts import (
    A_STEP_THAT_FAILS,
    A_STEP_THAT_WAITS,
    A_STEP_WITH_A_FAULT,
    TWO_STEPS,
    ScriptedExperts,
    open_scripted_experts,
)

pytestmark = pytest.mark.usefixtures("server")


async def ended(service: Service, run: Run) -> tuple[Run, list[TraceEntry]]:
    async with asyncio.timeout(20):
        entries = [entry async for entry in service.events(run.id)]
    return await service.runs.get(run.id), entries


async def until_waiting(service: Service, run: Run, step: int = 1) -> None:
    """The run's step has begun to write."""

    async def has_token() -> bool:
        events = [entry.event for entry in await service.traces.read(run.id)]
        return any(isinstance(event, StepToken) and event.step == step for event in events)

    await until(has_token, "the step writes")


async def test_a_plan_is_run_and_kept(service: Service) -> None:
    run, entries = await ended(service, await service.submit("how many patients?", TWO_STEPS))
    assert run.status is RunStatus.SUCCESS
    assert run.is_plan_given
    assert {k: (result.status, result.result) for k, result in run.steps.items()} == {
        1: ("success", "48"),
        2: ("success", "48 patients"),
    }
    assert run.answer is not None and "48 patients" in run.answer
    assert run.usage.num_prompt_tokens > 0
    assert set(run.timings.steps) == {1, 2}
    assert isinstance(entries[0].event, RunStarted)
    assert isinstance(entries[-1].event, RunFinished)
    assert entries[-1].event.usage == run.usage


async def test_a_runs_graph_leaves_its_checkpoints(service: Service, redis: Redis) -> None:
    """They live as long as the run's other keys do."""
    run, _ = await ended(service, await service.submit("how many patients?", TWO_STEPS))
    thread: RunnableConfig = {"configurable": {"thread_id": run.id}}
    newest, *earlier = [found async for found in service.checkpointer.alist(thread)]
    assert newest.checkpoint["channel_values"]["results"] == run.steps
    assert newest.checkpoint["channel_values"]["answer"].answer == run.answer
    assert len(earlier) == 4  # the input, the state with it, one for each step
    lifetimes = {await redis.pttl(key) for key in service.runs.keys.of_run(run.id)}
    assert min(lifetimes) > 0 and max(lifetimes) - min(lifetimes) < 1000


async def test_checkpoints_of_a_run_that_is_not_over_do_not_expire(
    service: Service, experts: ScriptedExperts, redis: Redis
) -> None:
    run = await service.submit("a task", A_STEP_THAT_WAITS)
    await until_waiting(service, run)
    assert await redis.ttl(service.runs.keys.of_thread(run.id)[0]) == -1
    experts.released.set()
    await ended(service, run)


async def test_a_task_alone_is_planned(service: Service) -> None:
    run, _ = await ended(service, await service.submit("say it is 7"))
    assert run.status is RunStatus.SUCCESS
    assert not run.is_plan_given
    assert run.plan is not None and len(run.plan.steps) == 1


async def test_a_plan_alone_is_its_own_task(service: Service) -> None:
    run, _ = await ended(service, await service.submit(None, {"steps": TWO_STEPS}))
    assert run.task == "say 48 say #1 patients"


async def test_a_run_without_any_result_is_an_error(service: Service) -> None:
    run, _ = await ended(service, await service.submit("a task", A_STEP_THAT_FAILS))
    assert run.status is RunStatus.ERROR
    assert run.error is not None and "it was told to fail" in run.error.message


async def test_a_required_step_that_runs_out_of_time_is_a_timeout_of_the_run(settings: Settings) -> None:
    own = settings.model_copy(update={"step_policy": StepPolicy(timeout=0.01, on_failure="fail")})
    async with Service.open(own, open_scripted_experts) as service:
        run, _ = await ended(service, await service.submit("a task", A_STEP_THAT_WAITS))
    assert run.status is RunStatus.TIMEOUT
    assert run.error is not None and run.error.type == "timeout" and "no result within 0.01 s" in run.error.message


async def test_a_fault_of_the_program_ends_the_run(service: Service) -> None:
    run, entries = await ended(service, await service.submit("a task", A_STEP_WITH_A_FAULT))
    assert run.status is RunStatus.ERROR
    assert run.error is not None and run.error.message == "ZeroDivisionError: it was told to crash"
    assert isinstance(entries[-1].event, RunFinished)


@pytest.mark.parametrize(
    ("task", "plan", "error"),
    [
        (None, None, RunRefusedError),
        ("", None, TaskError),
        ("x" * 30_000, None, TaskError),
        ("a task", [{"id": 1, "text": "a", "expert": "nobody"}], InvalidPlan),
        ("a task", [{"id": 1, "text": "#1", "expert": "math"}], InvalidPlan),
        ("a task", {"steps": TWO_STEPS, "rounds": 2}, InvalidPlan),
        ("a task", "nonsense", InvalidPlan),
    ],
)
async def test_bad_input_makes_no_run(service: Service, task: str | None, plan: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        await service.submit(task, plan)
    assert await service.runs.newest() == []


async def test_a_plan_with_too_many_steps(settings: Settings) -> None:
    async with Service.open(settings.model_copy(update={"max_steps": 1}), open_scripted_experts) as service:
        with pytest.raises(RunRefusedError, match="at most 1"):
            await service.submit("a task", TWO_STEPS)


async def test_cancel_stops_the_run(service: Service) -> None:
    run = await service.submit("a task", A_STEP_THAT_WAITS)
    await until_waiting(service, run)
    cancelled = await service.cancel(run.id)
    assert cancelled.status is RunStatus.CANCELLED
    _, entries = await ended(service, run)
    assert isinstance(entries[-1].event, RunFinished)
    with pytest.raises(RunEndedError):
        await service.cancel(run.id)
    with pytest.raises(RunNotFoundError):
        await service.cancel("01a2")


async def test_a_cancelled_run_is_stopped_wherever_it_was_cancelled(service: Service) -> None:
    """Another process has written the record; whoever waits here gets the terminal state, the engine is let go."""
    assert isinstance(service.experts, ScriptedExperts)
    run = await service.submit("a task", A_STEP_THAT_WAITS)
    await until_waiting(service, run)
    waiting = asyncio.create_task(service.wait(run.id))
    await service.runs.cancel(run.id, "by another process")
    async with asyncio.timeout(1):
        await service.experts.closed.wait()
    async with asyncio.timeout(5):
        assert (await waiting).status is RunStatus.CANCELLED


async def test_what_is_left_when_a_service_closes_goes_on_in_the_next(settings: Settings) -> None:
    async with Service.open(settings, open_scripted_experts) as service:
        steps = [{"id": 1, "text": "say 48", "expert": "math"}, {**A_STEP_THAT_WAITS[0], "id": 2, "depends_on": [1]}]
        run = await service.submit("a task", steps)
        await until_waiting(service, run, step=2)
        await service.stop_runs()
        with pytest.raises(ServiceStoppingError):
            await service.submit("another task")
        kept = await service.runs.get(run.id)
        assert (kept.status, kept.attempts, kept.worker) == (RunStatus.PENDING, 0, None)
    async with Service.open(settings, open_scripted_experts) as service:
        assert isinstance(service.experts, ScriptedExperts)
        service.experts.released.set()
        async with asyncio.timeout(10):
            kept = await service.wait(run.id)
        assert (kept.status, kept.worker, kept.fence) == (RunStatus.SUCCESS, service.worker_id, 2)
        assert set(kept.timings.steps) == {1, 2}  # what the first one has finished counts too


async def test_a_private_service_executes_its_own_runs_and_no_others(settings: Settings, service: Service) -> None:
    """Its tools are its own: nobody else could do what it was asked."""
    async with Service.open(settings, open_scripted_experts, is_private=True) as private:
        runs = [await private.submit("a task", TWO_STEPS) for _ in range(3)]
        for run in runs:
            ended = await private.wait(run.id)
            assert (ended.status, ended.worker, ended.max_attempts) == (RunStatus.SUCCESS, private.worker_id, 1)
        run = await service.submit("a task", TWO_STEPS)
        assert (await service.wait(run.id)).worker == service.worker_id
        thread = await service.threads.create()
        with pytest.raises(RunRefusedError, match="waits for no other"):
            await private.submit("a task", thread_id=thread.id)
        assert await service.threads.runs(thread.id, 10) == []


async def test_the_same_request_gets_the_same_run(service: Service) -> None:
    scheduling = Scheduling(idempotency_key="order 7")
    first = await service.submit("say 7", TWO_STEPS, scheduling)
    ended = await service.wait(first.id)
    assert await service.submit("say 7", TWO_STEPS, scheduling) == ended
    assert [run.id for run in await service.runs.newest()] == [first.id]
    for task, plan in (("say 8", TWO_STEPS), ("say 7", None), ("say 7", A_STEP_THAT_FAILS)):
        with pytest.raises(RunRefusedError, match=first.id):
            await service.submit(task, plan, scheduling)


async def test_a_plan_is_made_once(settings: Settings) -> None:
    """Whoever takes a run over goes by the plan that is kept, warnings and figures included."""
    async with Service.open(settings, open_scripted_experts) as service:
        run = await service.submit("wait")
        await until_waiting(service, run)
        planned = [entry.event for entry in await service.traces.read(run.id) if isinstance(entry.event, Planned)]
    async with Service.open(settings, open_scripted_experts) as service:
        assert isinstance(service.experts, ScriptedExperts)
        service.experts.released.set()
        kept, entries = await ended(service, run)
    assert kept.plan == planned[0].plan
    assert [entry.event for entry in entries if isinstance(entry.event, Planned)] == planned


async def test_the_trace_is_there_after_a_restart(settings: Settings) -> None:
    async with Service.open(settings, open_scripted_experts) as service:
        before = await ended(service, await service.submit("a task", TWO_STEPS))
    async with Service.open(settings, open_scripted_experts) as service:
        assert await ended(service, before[0]) == before


class RedisOfItsOwn:
    """A Valkey that a test may kill, apart from the one of the fixtures."""

    def __init__(self, data_dir: Path) -> None:
        self.valkey = EmbeddedValkey(data_dir)
        self._pid_file = data_dir / "valkey" / "valkey.pid"

    @property
    def settings(self) -> Settings:
        return read_settings(redis_url=f"unix://{self.valkey.socket}")

    def kill(self) -> None:
        os.kill(int(self._pid_file.read_text()), signal.SIGKILL)


@pytest.fixture
async def mortal(tmp_path: Path) -> AsyncIterator[RedisOfItsOwn]:
    own = RedisOfItsOwn(tmp_path / "mortal")
    async with own.valkey:
        yield own


async def test_redis_killed_midway(mortal: RedisOfItsOwn) -> None:
    """Whoever follows is told, health says so, and the service still closes."""
    async with asyncio.timeout(60), Service.open(mortal.settings, open_scripted_experts) as service:
        assert isinstance(service.experts, ScriptedExperts)
        run = await service.submit("a task", A_STEP_THAT_WAITS)
        await until_waiting(service, run)
        mortal.kill()
        service.experts.released.set()
        with pytest.raises(RedisUnavailableError):
            await ended(service, run)
        assert not (await service.health()).is_ready


async def test_a_run_that_redis_left_goes_on_when_it_is_back(mortal: RedisOfItsOwn, tmp_path: Path) -> None:
    async with asyncio.timeout(60), Service.open(mortal.settings, open_scripted_experts) as service:
        assert isinstance(service.experts, ScriptedExperts)
        run = await service.submit("a task", A_STEP_THAT_WAITS)
        await until_waiting(service, run)
        mortal.kill()
        service.experts.released.set()

        async def is_down() -> bool:
            return not (await service.health()).is_ready

        await until(is_down, "Redis is gone")
        async with EmbeddedValkey(tmp_path / "mortal"):

            async def is_ended() -> bool:
                return (await service.runs.get(run.id)).status.is_terminal

            await until(is_ended, "the run has ended", seconds=40)
            kept = await service.runs.get(run.id)
            assert (kept.status, kept.attempts <= 1) == (RunStatus.SUCCESS, True)
