"""A delivery is tried again, then given up."""

from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from orchestrator.delivery import Delivery
from orchestrator.webhook import Webhook, WebhookEvent, WebhookRetry
from tests.orchestrator.test_webhook import SECRET

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RETRY = WebhookRetry(max_attempts=3, base_seconds=10, factor=2, jitter=0.5, max_seconds=60)


def a_delivery(url: str = "https://example.org/hook") -> Delivery:
    return Delivery(
        id="01a2-run_finished-1-run",
        run_id="01a2",
        event=WebhookEvent.RUN_FINISHED,
        webhook=Webhook(url=url, secret=SecretStr(SECRET)),
        body='{"type": "run_finished"}',
        created=NOW,
        next_attempt=NOW,
    )


def test_waits_grow_and_end() -> None:
    first = a_delivery().failed(NOW, "503", RETRY, chance=0.0, wait_seconds=0)
    assert (first.attempts, first.next_attempt, first.error) == (1, NOW + timedelta(seconds=10), "503")
    second = first.failed(NOW, "504", RETRY, chance=0.5, wait_seconds=0)
    assert (second.attempts, second.next_attempt) == (2, NOW + timedelta(seconds=15))
    third = second.failed(NOW, "505", RETRY, chance=0.0, wait_seconds=0)
    assert (third.attempts, third.next_attempt, third.given_up, third.error) == (3, None, NOW, "505")
    again = third.renewed(NOW + timedelta(days=1))
    assert (again.attempts, again.next_attempt, again.given_up) == (0, NOW + timedelta(days=1), None)


def test_a_receiver_may_ask_for_a_longer_wait_within_bounds() -> None:
    for asked, waited in ((0, 10), (30, 30), (10**8, 60)):
        failed = a_delivery().failed(NOW, "429", RETRY, chance=0.0, wait_seconds=asked)
        assert failed.next_attempt == NOW + timedelta(seconds=waited)


def test_only_redis_sees_the_secret() -> None:
    delivery = a_delivery()
    assert SECRET not in delivery.model_dump_json() + repr(delivery)
    assert Delivery.model_validate_json(delivery.stored()) == delivery
