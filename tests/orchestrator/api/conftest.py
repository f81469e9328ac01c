"""A client of the scripted service."""

from collections.abc import AsyncGenerator

import httpx
import pytest

from orchestrator.service import Service
from tests.orchestrator.http_service import http_client


@pytest.fixture
async def client(service: Service) -> AsyncGenerator[httpx.AsyncClient]:
    async with http_client(service) as opened:
        yield opened
