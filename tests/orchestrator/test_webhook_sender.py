"""Deliveries to a real receiver. The clock is the test's, so that no wait is waited for."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from standardwebhooks import Webhook as Verifier

from orchestrator.agenda_worker import AgendaWorker
from orchestrator.delivery import Delivery
from orchestrator.delivery_store import DeliveryStore
from orchestrator.keys import Keys
from orchestrator.settings import read_settings
from orchestrator.webhook_sender import WebhookSender
from tests.orchestrator.conftest import free_port
from tests.orchestrator.receiver import Receiver, receiving
from tests.orchestrator.test_delivery import a_delivery
from tests.orchestrator.test_webhook import SECRET

RETRY = {"max_attempts": 4, "base_seconds": 60, "factor": 2, "jitter": 0, "max_seconds": 3600}


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    async with receiving() as opened:
        yield opened


class Sending:
    """The sender of one service with a clock of its own, which begins now: receivers look at timestamps."""

    def __init__(self, redis: Redis, **settings: Any) -> None:
        self.now = datetime.now(UTC)
        chosen = read_settings(**{"webhook_private": True, "webhook_retry": RETRY, **settings})
        self.deliveries = DeliveryStore(redis, Keys("default"), chosen)
        self.names: dict[str, Sequence[str]] = {}
        self._settings = chosen

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        if host in self.names:
            return self.names[host]
        if host == "127.0.0.1":
            return [host]
        raise OSError("unknown")

    def worker(self, answer_seconds: float = 15.0) -> AgendaWorker:
        sender = WebhookSender(
            self.deliveries,
            self._settings,
            clock=lambda: self.now,
            resolve=self.resolve,
            answer_seconds=answer_seconds,
        )
        return AgendaWorker(self.deliveries.agenda, sender.attend, max_at_once=16, clock=lambda: self.now)

    async def add(self, url: str, **changes: Any) -> Delivery:
        delivery = a_delivery(url).model_copy(update={"created": self.now, "next_attempt": self.now, **changes})
        await self.deliveries.agenda.add(delivery.id, delivery.stored(), self.now)
        return delivery

    async def look(self, answer_seconds: float = 15.0) -> Delivery | None:
        """One round; the delivery as it then is."""
        worker = self.worker(answer_seconds)
        await worker.look()
        await worker.settle()
        found = await self.deliveries.latest(1)
        return found[0] if found else None


@pytest.fixture
def sending(redis: Redis) -> Sending:
    return Sending(redis)


async def test_a_delivery_arrives_signed_and_is_gone(sending: Sending, receiver: Receiver) -> None:
    delivery = await sending.add(receiver.url)
    assert await sending.look() is None
    [message] = receiver.messages
    assert message.path == "POST /hook HTTP/1.1"
    assert message.headers["content-type"] == "application/json"
    assert (message.headers["webhook-id"], message.body) == (delivery.id, delivery.body)
    assert Verifier(SECRET).verify(message.body, message.headers) == {"type": "run_finished"}


async def test_it_is_tried_again_with_the_same_id_until_it_is_taken(sending: Sending, receiver: Receiver) -> None:
    receiver.statuses = [500, 404, 302]
    await sending.add(receiver.url)
    begun = sending.now
    for attempt, wait, error in ((1, 60, "500"), (2, 120, "404"), (3, 240, "302")):
        failed = await sending.look()
        assert failed is not None
        assert (failed.attempts, failed.error) == (attempt, f"it answered {error} Said")
        assert failed.next_attempt == sending.now + timedelta(seconds=wait)
        sending.now += timedelta(seconds=wait - 1)
        await sending.look()
        assert len(receiver.messages) == attempt
        sending.now += timedelta(seconds=1)
    assert await sending.look() is None
    assert len({(one.headers["webhook-id"], one.body) for one in receiver.messages}) == 1
    stamps = [int(one.headers["webhook-timestamp"]) - int(begun.timestamp()) for one in receiver.messages]
    assert stamps == [0, 60, 180, 420], "each attempt is signed anew"


async def test_after_the_last_attempt_it_is_a_dead_letter_which_may_be_retried(
    sending: Sending, receiver: Receiver
) -> None:
    receiver.statuses = [503] * 4
    delivery = await sending.add(receiver.url)
    for _ in range(4):
        await sending.look()
        sending.now += timedelta(hours=1)
    [dead] = await sending.deliveries.latest(10)
    assert (dead.attempts, dead.next_attempt, dead.given_up is not None) == (4, None, True)
    sending.now += timedelta(days=1)
    await sending.look()
    assert len(receiver.messages) == 4
    await sending.deliveries.retry(delivery.id, sending.now)
    assert await sending.look() is None
    assert len(receiver.messages) == 5


async def test_a_dead_letter_goes_when_its_run_would(redis: Redis, receiver: Receiver) -> None:
    sending = Sending(redis, webhook_retry={**RETRY, "max_attempts": 1}, run_ttl_seconds=3600)
    receiver.statuses = [500]
    await sending.add(receiver.url)
    assert (await sending.look()) is not None
    sending.now += timedelta(hours=1)
    assert await sending.look() is None
    assert len(receiver.messages) == 1


@pytest.mark.parametrize("status", [429, 503])
async def test_a_receiver_may_ask_for_time(sending: Sending, receiver: Receiver, status: int) -> None:
    receiver.statuses, receiver.extra = [status], "Retry-After: 900\r\n"
    await sending.add(receiver.url)
    failed = await sending.look()
    assert failed is not None and failed.next_attempt == sending.now + timedelta(seconds=900)


async def test_a_receiver_that_is_gone_is_not_asked_again(sending: Sending, receiver: Receiver) -> None:
    receiver.statuses = [410]
    await sending.add(receiver.url)
    dead = await sending.look()
    assert dead is not None and (dead.given_up, dead.error) == (sending.now, "it answered 410 Said")


async def test_a_receiver_that_hangs_holds_up_no_other(sending: Sending, receiver: Receiver) -> None:
    receiver.statuses = [0]
    await sending.add(receiver.url, id="hangs")
    worker = sending.worker(answer_seconds=60.0)
    await worker.look()
    async with asyncio.timeout(20):
        await receiver.came.wait()
    await sending.add(receiver.url, id="other")
    receiver.came.clear()
    await worker.look()
    async with asyncio.timeout(20):
        await receiver.came.wait()
    assert [one.headers["webhook-id"] for one in receiver.messages] == ["hangs", "other"]
    working = asyncio.create_task(worker.work())
    await asyncio.sleep(0)  # it has begun, so that its end is run
    working.cancel()
    await asyncio.wait({working})


async def test_no_answer_is_a_failed_attempt(sending: Sending, receiver: Receiver) -> None:
    receiver.statuses = [0]
    await sending.add(receiver.url)
    failed = await sending.look(answer_seconds=0.05)
    assert failed is not None and (failed.attempts, failed.error) == (1, "no answer in 0.05 s")


@pytest.mark.parametrize("host", ["127.0.0.1", "nobody.test", f"{'a' * 70}.test"])
async def test_nobody_there_is_a_failed_attempt(sending: Sending, host: str) -> None:
    await sending.add(f"http://{host}:{free_port()}/")
    failed = await sending.look()
    assert failed is not None and (failed.attempts, failed.given_up) == (1, None)
    assert failed.error


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["10.1.2.3"], ["93.184.215.14", "127.0.0.1"], ["::ffff:127.0.0.1"]]
)
async def test_a_name_with_an_address_that_is_not_public_is_not_asked(
    redis: Redis, receiver: Receiver, addresses: list[str]
) -> None:
    sending = Sending(redis, webhook_private=False)
    sending.names["inside.test"] = addresses
    await sending.add(f"http://inside.test:{receiver.port}/")
    dead = await sending.look()
    assert dead is not None and dead.given_up
    assert dead.error == "its address is not public; CCOE_WEBHOOK_PRIVATE=true allows any"
    assert receiver.messages == []


async def test_the_checked_address_is_the_one_that_is_asked(sending: Sending, receiver: Receiver) -> None:
    """The name goes into the header; it is looked up once."""
    sending.names["inside.test"] = ["127.0.0.1"]
    await sending.add(f"http://inside.test:{receiver.port}/x?y=1")
    assert await sending.look() is None
    assert receiver.messages[0].headers["host"] == f"inside.test:{receiver.port}"
    assert receiver.messages[0].path == "POST /x?y=1 HTTP/1.1"


async def test_a_redirect_is_not_followed(sending: Sending, receiver: Receiver) -> None:
    async with receiving() as other:
        receiver.statuses, receiver.extra = [307], f"Location: {other.url}\r\n"
        await sending.add(receiver.url)
        failed = await sending.look()
        assert failed is not None and failed.error == "it answered 307 Said"
        assert other.messages == []


async def test_the_services_secret_signs_where_there_is_no_other(redis: Redis, receiver: Receiver) -> None:
    for secret in (SECRET, None):
        sending = Sending(redis, webhook_secret=secret)
        delivery = await sending.add(
            receiver.url, webhook=a_delivery(receiver.url).webhook.model_copy(update={"secret": None})
        )
        left = await sending.look()
        if secret:
            Verifier(secret).verify(receiver.messages[0].body, receiver.messages[0].headers)
            assert left is None
        else:
            assert left is not None and (left.id, left.error) == (
                delivery.id,
                "nothing signs it: CCOE_WEBHOOK_SECRET is not set",
            )
    assert len(receiver.messages) == 1


async def test_two_services_deliver_once(redis: Redis, receiver: Receiver) -> None:
    sending = Sending(redis)
    for place in range(10):
        await sending.add(receiver.url, id=f"id{place}")
    await asyncio.gather(*(sending.look() for _ in range(3)))
    assert sorted(one.headers["webhook-id"] for one in receiver.messages) == [f"id{place}" for place in range(10)]


async def test_what_a_dead_service_was_delivering_is_delivered(sending: Sending, receiver: Receiver) -> None:
    """Perhaps for the second time: the receiver knows it by its id."""
    await sending.add(receiver.url)
    await sending.deliveries.agenda.claim(sending.now, sending.now + timedelta(seconds=60), 1)
    assert await sending.look() is not None
    sending.now += timedelta(seconds=60)
    assert await sending.look() is None
    assert len(receiver.messages) == 1
