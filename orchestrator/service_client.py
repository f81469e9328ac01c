"""HTTP to a running service, with its errors as ours."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Self, cast

import httpx

from orchestrator.data_directory import Announcement
from orchestrator.errors import RunRefusedError, ServeUnreachableError
from orchestrator.run import RunError
from orchestrator.settings import Settings

# a service that is loading its experts answers late
_TIMEOUT = httpx.Timeout(10.0, read=180.0)


class ServiceClient:
    """Requests to one service."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, running: Announcement) -> AsyncGenerator[Self]:
        """A client of a running service, with the key of the settings or else the token that it announced."""
        secret = settings.api_key.get_secret_value() if settings.api_key else running.token
        headers = {"Authorization": f"Bearer {secret}"}
        async with httpx.AsyncClient(base_url=running.url, headers=headers, timeout=_TIMEOUT) as http:
            yield cls(http)

    async def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The decoded answer. Raises RunRefusedError with the service's own reason, or ServeUnreachableError."""
        url = str(self._http.base_url)
        try:
            response = await self._http.request(method, path, json=body)
            content = cast(dict[str, Any], response.json())
        except httpx.HTTPError as error:
            raise ServeUnreachableError(url, str(error) or type(error).__name__) from error
        except ValueError as error:
            raise ServeUnreachableError(url, "what it says is not JSON") from error
        if response.is_error:
            failure = RunError.model_validate(content["error"])
            raise RunRefusedError(failure.message, failure.remedy)
        return content
