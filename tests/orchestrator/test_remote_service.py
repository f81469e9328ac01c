"""A running service, reached over real HTTP as the command line reaches it."""

import os
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import pytest

from orchestrator.data_directory import Announcement
from orchestrator.remote_service import RemoteService
from orchestrator.run import Run, Scheduling
from orchestrator.run_request import RunRequest
from orchestrator.schedule import Schedule, ScheduleRequest
from orchestrator.service import Service
from orchestrator.settings import Settings
from orchestrator.webhook import Webhook
from tests.orchestrator.http_service import TOKEN, http_client
from tests.orchestrator.scripted_experts import A_STEP_THAT_FAILS
from tests.orchestrator.test_webhook import SECRET

HOOK = Webhook.model_validate({"url": "https://example.org/", "events": ["run_interrupted"], "secret": SECRET})
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
