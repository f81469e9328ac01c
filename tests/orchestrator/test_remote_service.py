"""A running service, reached over real HTTP as the command line reaches it."""

import asyncio
import os
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import pytest

from graphs.events import StepToken
from orchestrator.data_directory import Announcement
from orchestrator.errors import RunEndedError
from orchestrator.events import RunFinished
from orchestrator.remote_service import RemoteService
from orchestrator.run import Run, RunStatus, Scheduling
from orchestrator.run_queue import RunQueue
from orchestrator.run_request import RunRequest
from orchestrator.schedule import Schedule, ScheduleRequest
from orchestrator.service import Service
from orchestrator.settings import Settings
from orchestrator.webhook import Webhook
from tests.orchestrator.conditions import until
from tests.orchestrator.http_service import TOKEN, http_client
from tests.orchestrator.scripted_experts import (
    A_STEP_FOR_A_PERSON,
    A_STEP_THAT_FAILS,
    A_STEP_THAT_WAITS,
    ScriptedExperts,
)
from tests.orchestrator.test_webhook import SECRET

HOOK = Webhook.model_validate({"url": "https://example.org/", "events": ["run_interrupted"], "secret": SECRET})
TOLD_OF_ENDS = Webhook.model_validate({**HOOK.model_dump(), "events": ["run_finished"]})
REQUEST = RunRequest(plan=A_STEP_THAT_FAILS, webhook=HOOK)


@pytest.fixture
async def remote(service: Service, settings: Settings) -> AsyncGenerator[RemoteService]:
    async with http_client(service) as client:
        running = Announcement(pid=os.getpid(), url=str(client.base_url).rstrip("/"), token=TOKEN)
        async with RemoteService.open(settings, running) as opened:
            yield opened


async def test_runs_with_a_webhook_of_their_own_have_its_secret(service: Service, remote: RemoteService) -> None:
    """Over HTTP it is masked, and no record has a masked one."""
    first = await service.wait((await service.start(REQUEST.model_copy(update={"idempotency_key": "order 7"}))).id)
    asked = ScheduleRequest(name="daily", request=REQUEST, cron="0 0 * * *")
    schedule = Schedule.create(asked, "default", datetime.now(UTC))
    await service.schedules.add(schedule)
    runs: list[Run] = [
        await remote.submit(None, A_STEP_THAT_FAILS, Scheduling(idempotency_key="order 7")),
        await remote.resume(first.id),
        await remote.fork(first.id, 1, {"text": "say 48"}),
        await remote.run_schedule(schedule.id),
    ]
    assert [run.webhook for run in runs] == [HOOK] * 4
    assert runs[0].id == first.id
    for run in runs:
        await service.wait(run.id)


async def test_a_cancelled_run_stops_its_experts_within_a_second(
    service: Service, remote: RemoteService, experts: ScriptedExperts
) -> None:
    """Whoever waits for it sees nothing but its end."""
    run = await remote.submit(None, A_STEP_THAT_WAITS)
    waiting = asyncio.create_task(service.wait(run.id))
    async for entry in remote.events(run.id):
        if isinstance(entry.event, StepToken):
            break
    async with asyncio.timeout(1):
        cancelled = await remote.cancel(run.id, "enough")
        await experts.closed.wait()
        assert await waiting == cancelled
    assert (cancelled.status, cancelled.error and cancelled.error.message) == (RunStatus.CANCELLED, "enough")
    *_, last = [entry.event async for entry in remote.events(run.id)]
    assert isinstance(last, RunFinished) and last.status is RunStatus.CANCELLED
    with pytest.raises(RunEndedError):
        await remote.cancel(run.id)


async def test_a_cancelled_run_that_waits_for_its_time_is_told_at_once(service: Service, remote: RemoteService) -> None:
    later = Scheduling(delay_seconds=3600)
    run = await service.submit("a task", A_STEP_THAT_FAILS, later, webhook=TOLD_OF_ENDS)
    await remote.cancel(run.id)
    assert [one.run_id for one in await service.deliveries.latest(10)] == [run.id]


async def test_a_cancelled_run_that_waits_for_a_person_is_told_at_once_and_leaves_nothing_aside(
    service: Service, remote: RemoteService, queue: RunQueue
) -> None:
    run = await service.submit("a task", A_STEP_FOR_A_PERSON, webhook=TOLD_OF_ENDS)

    async def is_aside() -> bool:
        return run.id in await queue.aside()

    await until(is_aside, "the run waits for a person")
    await remote.cancel(run.id)
    assert [one.run_id for one in await service.deliveries.latest(10)] == [run.id]
    assert not await is_aside()
