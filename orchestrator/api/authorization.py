"""Callers are known by their keys before a body is read; what no rule opens needs a key."""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from orchestrator.api.error_body import error_response
from orchestrator.api_key import Scope
from orchestrator.auth import Auth
from orchestrator.errors import ServiceError

_OPEN = frozenset({"/healthz", "/docs", "/openapi.json"})


class Authorization:
    """ASGI middleware: puts the caller into the request's state, or answers with the error."""

    def __init__(self, app: ASGIApp, auth: Auth) -> None:
        self._app = app
        self._auth = auth

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        """Pass on what may pass."""
        if connection["type"] != "http" or connection["path"] in _OPEN:
            return await self._app(connection, receive, send)
        request = Request(connection)
        scopes = needed_scopes(request.method, connection["path"])
        try:
            request.state.caller = await self._auth.caller(scopes, _secret(request), is_local=_is_local(request))
        except ServiceError as error:
            return await error_response(error)(connection, receive, send)
        return await self._app(connection, receive, send)


def needed_scopes(method: str, path: str) -> Collection[Scope]:
    """The scopes any of which allows a request."""
    if path == "/api/experts" and method == "GET":
        return Scope.RUNS, Scope.EXPERTS
    return (Scope.EXPERTS if f"{path}/".startswith("/api/experts/") else Scope.RUNS,)


def _secret(request: Request) -> str | None:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


def _is_local(request: Request) -> bool:
    """Whether the request names this machine as such: no page of another site, no name bound to it anew, no proxy's."""
    named = (f"//{request.headers.get('Host', '')}", request.headers.get("Origin"))
    return all(_is_loopback(name) for name in named if name is not None)


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
