"""What webhooks are to be told is written before the queue forgets the run."""

import json
import logging
from datetime import datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from orchestrator.delivery import Delivery
from orchestrator.delivery_store import DeliveryStore
from orchestrator.keys import Keys
from orchestrator.run import AT_ONCE, Run
from orchestrator.run_queue import RunQueue
from orchestrator.run_store import RunStore
from orchestrator.settings import Settings, read_settings
from orchestrator.webhook_errors import DeliveryNotFoundError
from tests.orchestrator.records import a_run, claimed, kept
from tests.orchestrator.test_delivery import NOW, a_delivery
from tests.orchestrator.test_webhook import SECRET

pytestmark = pytest.mark.usefixtures("server")

HOOK = {"url": "https://example.org/hook", "secret": SECRET}


def a_store(redis: Redis, settings: Settings) -> DeliveryStore:
    return DeliveryStore(redis, Keys(settings.tenant), settings)


@pytest.fixture
def deliveries(redis: Redis, settings: Settings) -> DeliveryStore:
    return a_store(redis, settings)


async def told(deliveries: DeliveryStore, run: Run) -> list[Delivery]:
    await deliveries.announce(run.id)
    return await deliveries.latest(10)


async def test_a_run_that_has_ended_is_told_once(runs: RunStore, deliveries: DeliveryStore) -> None:
    run = await kept(runs, a_run(webhook=HOOK))
    assert await told(deliveries, run) == [], "it waits"
    await claimed(runs, run)
    assert await told(deliveries, run) == [], "it is executed"
    await runs.cancel(run.id, "enough")
    found = await told(deliveries, run)
    assert found == await told(deliveries, run)
    assert (found[0].webhook, found[0].run_id, len(found)) == ((await runs.get(run.id)).webhook, run.id, 1)
    body = json.loads(found[0].body)
    assert (body["type"], body["data"]["run_id"], body["data"]["status"]) == ("run_finished", run.id, "cancelled")
    assert (body["data"]["error"]["message"], body["data"]["task"]) == ("enough", run.task)
    assert datetime.fromisoformat(body["timestamp"]) == (await runs.get(run.id)).finished
    assert SECRET not in found[0].body


async def test_what_was_taken_is_not_told_again(redis: Redis, runs: RunStore, settings: Settings) -> None:
    """Whoever cancels a run tells of it, and so does the worker that lets its entry go, some time after."""
    run = await kept(runs, a_run(webhook=HOOK))
    await runs.cancel(run.id, "enough")
    alone = a_store(redis, settings)
    [delivery] = await told(alone, run)
    await alone.agenda.replace(delivery.id, delivery.stored(), None)
    assert await told(alone, run) == []
    assert (await runs.get(run.id)).webhook == delivery.webhook
    both = a_store(redis, read_settings(webhook_url="https://example.org/all", webhook_secret=SECRET))
    assert [one.webhook.url for one in await told(both, run)] == ["https://example.org/all"]


async def test_nothing_is_noted_of_a_run_that_is_gone(
    redis: Redis, runs: RunStore, deliveries: DeliveryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await kept(runs, a_run(webhook=HOOK))
    await runs.cancel(run.id, "enough")

    async def add(*delivery: Any) -> None:
        await runs.drop(run.id)

    monkeypatch.setattr(deliveries.agenda, "add", add)
    await deliveries.announce(run.id)
    assert not await redis.exists(runs.keys.run(run.id))


async def test_a_run_that_waits_for_a_person(redis: Redis, runs: RunStore, deliveries: DeliveryStore) -> None:
    run = await kept(runs, a_run(webhook=HOOK))
    claim = await claimed(runs, run)
    await redis.hset(runs.keys.run(run.id), "status", '"interrupted"')
    found = await told(deliveries, claim.run)
    assert [(one.event, json.loads(one.body)["data"]["status"]) for one in found] == [
        ("run_interrupted", "interrupted")
    ]
    await runs.cancel(run.id, "enough")
    assert {one.event for one in await told(deliveries, claim.run)} == {"run_interrupted", "run_finished"}


@pytest.mark.parametrize(("events", "count"), [(["run_finished"], 1), (["run_interrupted"], 0)])
async def test_only_what_is_asked_for(runs: RunStore, deliveries: DeliveryStore, events: list[str], count: int) -> None:
    run = await kept(runs, a_run(webhook={**HOOK, "events": events}))
    await runs.cancel(run.id, "enough")
    assert len(await told(deliveries, run)) == count


async def test_the_services_webhook_is_told_of_every_run(redis: Redis, runs: RunStore) -> None:
    settings = read_settings(webhook_url="https://example.org/all", webhook_secret=SECRET)
    deliveries = a_store(redis, settings)
    for webhook, count in ((None, 1), (HOOK, 2)):
        run = await kept(runs, a_run(webhook=webhook))
        await runs.cancel(run.id, "enough")
        found = [one for one in await told(deliveries, run) if one.run_id == run.id]
        assert len({one.id for one in found}) == count
        assert {one.webhook.url for one in found} >= {"https://example.org/all"}
        assert all(one.webhook.secret is None for one in found if one.webhook.url.endswith("all"))


async def test_no_webhook_nothing_to_tell(runs: RunStore, deliveries: DeliveryStore) -> None:
    run = await kept(runs, a_run())
    await runs.cancel(run.id, "enough")
    assert await told(deliveries, run) == []
    await deliveries.announce("01a2")
    assert await deliveries.latest(10) == []


async def test_a_webhook_of_another_version_holds_up_no_run(
    redis: Redis, runs: RunStore, deliveries: DeliveryStore, caplog: pytest.LogCaptureFixture
) -> None:
    run = await kept(runs, a_run(webhook=HOOK))
    await runs.cancel(run.id, "enough")
    await redis.hset(runs.keys.run(run.id), "webhook", json.dumps({**HOOK, "colour": "red"}))
    with caplog.at_level(logging.ERROR):
        assert await told(deliveries, run) == []
    assert run.id in caplog.text
    assert SECRET not in caplog.text


async def test_the_queue_forgets_a_run_only_when_it_was_told(
    redis: Redis, runs: RunStore, deliveries: DeliveryStore, settings: Settings
) -> None:
    """The worker ends a run and dies; the next one finds the entry, and tells before it goes."""
    calls: list[str] = []

    async def dies(run_id: str) -> None:
        calls.append(run_id)
        raise ConnectionError

    dying = RunQueue(redis, runs.keys, "w1", settings.run_ttl_seconds, announce=dies)
    run = await kept(runs, a_run(webhook=HOOK))
    await dying.put(run, AT_ONCE)
    [lease] = await dying.take(1, [])
    await runs.cancel(run.id, "enough")
    with pytest.raises(ConnectionError):
        await dying.done(lease)
    assert (calls, await deliveries.latest(10)) == ([run.id], [])
    await dying.hand_back(lease)
    following = RunQueue(redis, runs.keys, "w2", settings.run_ttl_seconds, announce=deliveries.announce)
    [lease] = await following.take(1, [])
    await following.done(lease)
    assert [one.run_id for one in await deliveries.latest(10)] == [run.id]
    assert await following.take(1, []) == []


async def test_dead_letters_come_first_are_tried_again_and_go_with_their_runs(
    deliveries: DeliveryStore, settings: Settings
) -> None:
    waiting, dead = a_delivery(), a_delivery().model_copy(update={"id": "dead"}).ended(NOW, "410 Gone")
    for one in (waiting, dead.renewed(NOW)):
        await deliveries.agenda.add(one.id, one.stored(), NOW)
    assert await deliveries.replace(dead.renewed(NOW).stored(), dead)
    assert await deliveries.latest(10) == [dead, waiting]
    assert await deliveries.latest(1) == [dead]
    kept_for = timedelta(seconds=settings.run_ttl_seconds)

    async def due(at: Any) -> list[str]:
        return [id for id, _ in await deliveries.agenda.claim(at, at, 10)]

    assert await due(NOW + kept_for - timedelta(seconds=1)) == [waiting.id]
    assert set(await due(NOW + kept_for)) == {waiting.id, dead.id}
    again = await deliveries.retry(dead.id, NOW)
    assert (again.attempts, again.given_up) == (0, None)
    assert set(await due(NOW)) == {dead.id}
    with pytest.raises(DeliveryNotFoundError):
        await deliveries.retry("x", NOW)
