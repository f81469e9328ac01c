"""What is to be delivered to webhooks, and what was given up: the dead letters."""

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from pydantic import ValidationError
from redis.asyncio import Redis

from orchestrator.agenda import Agenda, readable
from orchestrator.delivery import Delivery
from orchestrator.keys import Keys
from orchestrator.redis_connection import redis_errors
from orchestrator.run import RunStatus
from orchestrator.run_store import TOLD_PREFIX
from orchestrator.settings import Settings
from orchestrator.webhook import Webhook, WebhookEvent
from orchestrator.webhook_errors import DeliveryNotFoundError

_PAYLOAD = ("task", "status", "answer", "error", "usage", "timings")
_LOG = logging.getLogger(__name__)

# KEYS: the run. ARGV: field, value. A run that was dropped meanwhile stays so.
NOTE = "if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end"


class DeliveryStore:
    """The deliveries of one tenant. All methods raise RedisUnavailableError."""

    def __init__(self, redis: Redis, keys: Keys, settings: Settings) -> None:
        self.agenda = Agenda(redis, keys.webhooks)
        self._redis = redis
        self._keys = keys
        self._webhook = settings.webhook
        self._note = redis.register_script(NOTE)
        self._kept = timedelta(seconds=settings.run_ttl_seconds)

    async def announce(self, run_id: str) -> None:
        """Write what webhooks are to be told of a run as it stands; what was written already stays.

        The queue keeps the run's entry until this has returned, so that a crash leaves nothing untold.
        """
        names = ("webhook", "fence", "finished", *_PAYLOAD)
        async with redis_errors():
            found = cast(list[str | None], await self._redis.hmget(self._keys.run(run_id), names))
        record = {name: json.loads(text) for name, text in zip(names, found, strict=True) if text is not None}
        event = _event_of(record.get("status"))
        if event is None:
            return
        for kind, webhook in (("run", _own_webhook(run_id, record)), ("service", self._webhook)):
            if webhook and event in webhook.events:
                delivery = _delivery(f"{run_id}-{event}-{record['fence']}-{kind}", run_id, event, webhook, record)
                await self._add(delivery, f"{TOLD_PREFIX}{event}-{kind}", str(record["fence"]))

    async def _add(self, delivery: Delivery, note: str, fence: str) -> None:
        """Write a delivery, then note it in the run's record: it may be taken, and gone, when it is asked for again."""
        key = self._keys.run(delivery.run_id)
        async with redis_errors():
            if await self._redis.hget(key, note) == fence:
                return
        await self.agenda.add(delivery.id, delivery.stored(), delivery.next_attempt)
        async with redis_errors():
            await self._note(keys=[key], args=[note, fence])

    async def replace(self, record: str, delivery: Delivery) -> bool:
        """Put a delivery in the place of its record as it was. A given up one is kept as long as a run."""
        look_at = delivery.given_up + self._kept if delivery.given_up else delivery.next_attempt
        return await self.agenda.replace(delivery.id, record, delivery.stored(), look_at)

    async def latest(self, limit: int) -> list[Delivery]:
        """Given up ones first, the newest in front; then those that wait, the longest wait in front."""
        found = await self.agenda.latest(limit)
        return [delivery for record in found if (delivery := readable(Delivery, record))]

    async def retry(self, delivery_id: str, now: datetime) -> Delivery:
        """Have a delivery tried now, with all its attempts. Raises DeliveryNotFoundError."""
        while record := await self.agenda.get(delivery_id):
            delivery = Delivery.model_validate_json(record).renewed(now)
            if await self.replace(record, delivery):
                return delivery
        raise DeliveryNotFoundError(delivery_id)


def _event_of(status: str | None) -> WebhookEvent | None:
    """What there is to tell of a run with this status."""
    if status is None:
        return None
    if status == RunStatus.INTERRUPTED:
        return WebhookEvent.RUN_INTERRUPTED
    return WebhookEvent.RUN_FINISHED if RunStatus(status).is_terminal else None


def _own_webhook(run_id: str, record: dict[str, Any]) -> Webhook | None:
    try:
        return Webhook.model_validate(record["webhook"]) if record.get("webhook") else None
    except ValidationError as error:
        # the run has ended; it must not be held up by a record of another version
        _LOG.error("run %s has a webhook that this version cannot read: %s", run_id, error)
        return None


def _delivery(id: str, run_id: str, event: WebhookEvent, webhook: Webhook, record: dict[str, Any]) -> Delivery:
    now = datetime.now(UTC)
    data = {"run_id": run_id, **{name: record.get(name) for name in _PAYLOAD}}
    at = record.get("finished") or now.isoformat()
    body = json.dumps({"type": event, "timestamp": at, "data": data}, ensure_ascii=False)
    return Delivery(id=id, run_id=run_id, event=event, webhook=webhook, body=body, created=now, next_attempt=now)
