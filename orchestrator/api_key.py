"""A key of the HTTP API: a secret that is shown once, and the record of it, which holds a hash."""

import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict

KeyPolicy = Literal["all", "experts", "none"]
"""What a key is needed for."""

KEY_NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,47}$"
_SECRET = re.compile(r"ccoe_(?P<name>[a-z0-9][a-z0-9_-]{0,47})_[0-9a-f]{64}")


class Scope(StrEnum):
    """What a key is for."""

    RUNS = "runs"
    """Start, read and cancel runs."""
    EXPERTS = "experts"
    """Push, pop and roll back experts; read their audit."""


class ApiKey(BaseModel):
    """What is kept of a key. 256 random bits need no slow hash."""

    model_config = ConfigDict(frozen=True)

    name: str
    tenant: str
    scopes: tuple[Scope, ...]
    sha256: str
    created: AwareDatetime

    @classmethod
    def issue(cls, name: str, tenant: str, scopes: tuple[Scope, ...]) -> tuple[Self, str]:
        """A new key and its secret, `ccoe_<name>_<64 hexadecimal digits>`."""
        secret = f"ccoe_{name}_{secrets.token_hex(32)}"
        key = cls(name=name, tenant=tenant, scopes=scopes, sha256=_digest(secret), created=datetime.now(UTC))
        return key, secret

    def opens_with(self, secret: str) -> bool:
        """Whether this is the key's secret, in a time that does not tell how much of it is right."""
        return hmac.compare_digest(self.sha256, _digest(secret))


def key_name_in(secret: str) -> str | None:
    """The name of the key that a secret says it belongs to; None if it is no secret of a key."""
    match = _SECRET.fullmatch(secret)
    return match["name"] if match else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
