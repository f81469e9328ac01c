"""Takes deliveries to their webhooks: signed, to an address that was checked, as often as the settings allow."""

import asyncio
import logging
import random
from collections.abc import Sequence
from functools import cached_property
from ssl import SSLContext

import httpx
from pydantic import SecretStr

from graphs.tools.http_request import Resolve, is_public, port_of, request_to, resolve
from orchestrator.agenda import Clock, readable, utc_now
from orchestrator.delivery import Delivery
from orchestrator.delivery_store import DeliveryStore
from orchestrator.settings import Settings
from orchestrator.webhook import signed_headers
from orchestrator.webhook_errors import DeliveryFailedError

_ANSWER_SECONDS = 15.0
_GONE = 410
_LOG = logging.getLogger(__name__)


class WebhookSender:
    """Attends to what is due in the store of deliveries."""

    def __init__(
        self,
        deliveries: DeliveryStore,
        settings: Settings,
        *,
        clock: Clock = utc_now,
        resolve: Resolve = resolve,
        answer_seconds: float = _ANSWER_SECONDS,
    ) -> None:
        self._deliveries = deliveries
        self._settings = settings
        self._clock = clock
        self._resolve = resolve
        self._answer_seconds = answer_seconds

    async def attend(self, id: str, record: str) -> None:
        """One attempt; the delivery goes if the receiver took it. Raises RedisUnavailableError."""
        delivery = readable(Delivery, record)
        if delivery is None:
            return
        if delivery.given_up:
            await self._deliveries.agenda.replace(id, record, None)
            return
        try:
            await self._deliver(delivery)
        except DeliveryFailedError as error:
            await self._deliveries.replace(record, self._failed(delivery, error))
        else:
            await self._deliveries.agenda.replace(id, record, None)

    def _failed(self, delivery: Delivery, error: DeliveryFailedError) -> Delivery:
        now, retry = self._clock(), self._settings.webhook_retry
        if error.is_final:
            delivery = delivery.ended(now, error.message)
        else:
            delivery = delivery.failed(now, error.message, retry, random.random(), error.wait_seconds)
        outcome = "given up" if delivery.given_up else f"tried again at {delivery.next_attempt:%H:%M:%S} UTC"
        _LOG.warning("webhook delivery %s failed and is %s: %s", delivery.id, outcome, error.message)
        return delivery

    async def _deliver(self, delivery: Delivery) -> None:
        """Raises DeliveryFailedError."""
        secret = delivery.webhook.secret or self._settings.webhook_secret
        if secret is None:
            raise DeliveryFailedError("nothing signs it: CCOE_WEBHOOK_SECRET is not set", is_final=True)
        url = httpx.URL(delivery.webhook.url)
        try:
            async with (
                asyncio.timeout(self._answer_seconds),
                httpx.AsyncClient(trust_env=False, timeout=None, verify=self._certificates) as client,
            ):
                response = await self._send(client, url, delivery, secret)
                await response.aclose()
        except TimeoutError as error:
            raise DeliveryFailedError(f"no answer in {self._answer_seconds:g} s") from error
        if not response.is_success:  # a redirect is not followed
            wait = response.headers.get("retry-after", "")
            raise DeliveryFailedError(
                f"it answered {response.status_code} {response.reason_phrase}".strip(),
                is_final=response.status_code == _GONE,
                wait_seconds=float(wait) if wait.isascii() and wait.isdigit() and len(wait) < 10 else 0.0,
            )

    async def _send(
        self, client: httpx.AsyncClient, url: httpx.URL, delivery: Delivery, secret: SecretStr
    ) -> httpx.Response:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "ccoe",
            **signed_headers(secret, delivery.id, self._clock(), delivery.body),
        }
        reason = "it has no address"
        for address in await self._addresses(url):
            request = request_to(address, client, "POST", url, headers=headers, content=delivery.body.encode())
            try:
                return await client.send(request, stream=True)
            except httpx.ConnectError as error:
                reason = str(error)
            except httpx.HTTPError as error:
                raise DeliveryFailedError(str(error) or type(error).__name__) from error
        raise DeliveryFailedError(reason)

    async def _addresses(self, url: httpx.URL) -> Sequence[str]:
        try:
            addresses = await self._resolve(url.raw_host.decode("ascii"), port_of(url))
        except (OSError, UnicodeError) as error:
            raise DeliveryFailedError(f"its name is not known ({error})") from error
        if not self._settings.webhook_private and not all(map(is_public, addresses)):
            reason = "its address is not public; CCOE_WEBHOOK_PRIVATE=true allows any"
            raise DeliveryFailedError(reason, is_final=True)
        return addresses

    @cached_property
    def _certificates(self) -> SSLContext:
        """Those that are trusted; read when they are first needed, as that takes a while."""
        return httpx.create_ssl_context(trust_env=False)
