"""Who asks the HTTP API, and whether they may.

| policy    | runs                             | changes of experts, their audit |
| --------- | -------------------------------- | ------------------------------- |
| `all`     | a key                            | a key                           |
| `experts` | open to callers on this machine  | a key                           |
| `none`    | open                             | open                            |
"""

import hmac
from collections.abc import Collection
from dataclasses import dataclass, field

from orchestrator.api_key import KeyPolicy, Scope
from orchestrator.api_key_store import ApiKeyStore
from orchestrator.key_errors import KeyInvalidError, KeyRequiredError, ScopeMissingError

LOCAL = "local"
"""Whoever reads the data directory: the command line beside the service."""
ANONYMOUS = "anonymous"
RESERVED_NAMES = (LOCAL, ANONYMOUS)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a key's name, or one of the reserved names."""

    name: str


@dataclass(frozen=True, slots=True)
class Auth:
    """Knows callers by their keys, or by the token that the service has written into its data directory."""

    keys: ApiKeyStore
    policy: KeyPolicy
    token: str = field(repr=False)

    async def caller(self, scopes: Collection[Scope], secret: str | None, *, is_local: bool) -> Caller:
        """Who asks for something that one of these scopes allows. Where no key is needed, none is looked at.

        Raises KeyRequiredError, KeyInvalidError, ScopeMissingError and RedisUnavailableError.
        """
        if self.policy == "none" or (self.policy == "experts" and Scope.RUNS in scopes and is_local):
            return Caller(ANONYMOUS)
        if secret is None:
            raise KeyRequiredError
        if hmac.compare_digest(secret.encode(), self.token.encode()):
            return Caller(LOCAL)
        key = await self.keys.find(secret)
        if key is None:
            raise KeyInvalidError
        if not set(scopes) & set(key.scopes):
            raise ScopeMissingError(key.name, " or ".join(scopes))
        return Caller(key.name)
