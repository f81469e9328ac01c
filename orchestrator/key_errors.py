"""Errors about the keys of the HTTP API.

ServiceError                   orchestrator/errors.py
├── KeyRequiredError           the request has no key and needs one
│   └── KeyInvalidError        its key is unknown or revoked
├── ScopeMissingError          its key is not made for this
├── KeyNameTakenError          there is a key of this name
├── KeyNotFoundError           no key has this name
└── UnprotectedError           other machines could reach the service, and nobody has a key
"""

from orchestrator.errors import ServiceError


class KeyRequiredError(ServiceError):
    """The request has no key and needs one."""

    status = 401
    type = "key_required"

    def __init__(self, message: str = "this needs a key") -> None:
        super().__init__(message, "send `Authorization: Bearer KEY`; on the service's machine: ccoe keys create NAME")


class KeyInvalidError(KeyRequiredError):
    """The request's key is unknown or revoked."""

    type = "key_invalid"

    def __init__(self) -> None:
        super().__init__("the key is unknown or revoked")


class ScopeMissingError(ServiceError):
    """The request's key is not made for this."""

    status = 403
    type = "scope_missing"

    def __init__(self, name: str, scope: str) -> None:
        super().__init__(
            f"the key {name!r} has not the scope {scope}", f"make one that has: ccoe keys create NAME --scope {scope}"
        )
        self.name = name
        self.scope = scope


class KeyNameTakenError(ServiceError):
    """There is a key of this name."""

    status = 409
    type = "key_name_taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a key {name!r}", f"choose another name, or end that one: ccoe keys revoke {name}")
        self.name = name


class KeyNotFoundError(ServiceError):
    """No key has this name."""

    status = 404
    type = "key_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no key {name!r}", "see ccoe keys list")
        self.name = name


class UnprotectedError(ServiceError):
    """Other machines could reach the service, and nobody has a key."""

    type = "unprotected"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"other machines can reach {host}, and there is no key yet",
            "make one: ccoe keys create NAME; or listen on 127.0.0.1; CCOE_REQUIRE_KEY=none leaves it to a proxy",
        )
        self.host = host
