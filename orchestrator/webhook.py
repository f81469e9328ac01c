"""A webhook: who is told of a run, of what, and how they know that it was us (Standard Webhooks 1.0)."""

import base64
import binascii
import hashlib
import hmac
import secrets
from datetime import datetime
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Any

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FieldSerializationInfo, SecretStr, field_serializer

from graphs.policies import Backoff
from graphs.tools.http_request import is_public
from orchestrator.errors import RunRefusedError

REVEALED = {"reveals_secrets": True}
"""The context of a dump for Redis; every other one shows no secret."""
_PREFIX = "whsec_"
_NUM_SECRET_BYTES = range(24, 65)
_MASK = "**********"


class WebhookEvent(StrEnum):
    """What a webhook is told, named as the trace does."""

    RUN_FINISHED = "run_finished"
    RUN_INTERRUPTED = "run_interrupted"
    """The run waits for a person."""


def _checked_url(text: str) -> str:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ValueError(f"it is no URL ({error})") from error
    is_plain = text.isprintable() and " " not in text and not url.userinfo
    if url.scheme not in ("http", "https") or not url.host or not is_plain:
        raise ValueError("it must be an http or https URL without spaces, name and password")
    return text


def _checked_secret(secret: SecretStr) -> SecretStr:
    if len(key_of(secret)) not in _NUM_SECRET_BYTES:
        raise ValueError("it must be `whsec_` and the base64 of 24 to 64 bytes; `ccoe webhooks secret` makes one")
    return secret


WebhookUrl = Annotated[str, Field(max_length=2000), AfterValidator(_checked_url)]
WebhookSecret = Annotated[SecretStr, AfterValidator(_checked_secret)]


class Webhook(BaseModel):
    """Where to, of what, and the secret that signs it; without one the service's signs."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: WebhookUrl
    events: tuple[WebhookEvent, ...] = Field(default=tuple(WebhookEvent), min_length=1)
    secret: WebhookSecret | None = None

    @field_serializer("secret", when_used="json")
    def _masked(self, secret: SecretStr | None, info: FieldSerializationInfo) -> str | None:
        if secret is None:
            return None
        context: Any = info.context
        return secret.get_secret_value() if context == REVEALED else _MASK

    def check(self, *, has_default_secret: bool, allows_private: bool) -> None:
        """Raises RunRefusedError if nothing would sign it, or it names an address that is not public."""
        if self.secret is None and not has_default_secret:
            raise RunRefusedError("the webhook has no secret", "send one, made by `ccoe webhooks secret`")
        if not allows_private and not _may_be_public(httpx.URL(self.url).host):
            reason = f"the webhook's address {self.url!r} is not public"
            raise RunRefusedError(reason, "name a public one; CCOE_WEBHOOK_PRIVATE=true allows any")


class WebhookRetry(Backoff):
    """Attempts of a delivery. As they are, over some 15 hours."""

    max_attempts: int = Field(default=10, ge=1, le=20)
    base_seconds: float = Field(default=5.0, ge=1)
    factor: float = Field(default=4.0, ge=1)
    max_seconds: float = Field(default=6 * 3600.0, ge=1, le=24 * 3600)


def new_secret() -> str:
    """A secret that nobody has: `whsec_` and the base64 of 32 bytes."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: SecretStr) -> bytes:
    """The bytes that sign; none if it is no secret."""
    prefix, _, encoded = secret.get_secret_value().partition("_")
    try:
        return base64.b64decode(encoded, validate=True) if f"{prefix}_" == _PREFIX else b""
    except (binascii.Error, ValueError):
        return b""


def signed_headers(secret: SecretStr, id: str, at: datetime, body: str) -> dict[str, str]:
    """The three headers of the specification: HMAC-SHA256 over `id.timestamp.body`."""
    timestamp = str(int(at.timestamp()))
    digest = hmac.digest(key_of(secret), f"{id}.{timestamp}.{body}".encode(), hashlib.sha256)
    return {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def _may_be_public(host: str) -> bool:
    """A name may be; it is looked up when something is delivered."""
    try:
        ip_address(host)
    except ValueError:
        return True
    return is_public(host)
