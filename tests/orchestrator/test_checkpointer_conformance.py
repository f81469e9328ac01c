"""LangGraph's own conformance suite, on every server that we have: all of its tests, none left out."""

from collections.abc import AsyncGenerator

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import checkpointer_test, validate
from redis.asyncio import Redis

from graphs.state import STATE_CLASSES
from orchestrator.checkpoint_store import CheckpointStore
from orchestrator.checkpointer import Checkpointer
from orchestrator.keys import Keys

pytestmark = pytest.mark.usefixtures("server")


async def test_all_of_the_suite_passes(redis: Redis) -> None:
    @checkpointer_test(name="Checkpointer")
    async def checkpointer() -> AsyncGenerator[BaseCheckpointSaver[str]]:
        yield Checkpointer(CheckpointStore(redis, Keys("default"), 60), STATE_CLASSES)

    results = (await validate(checkpointer)).results.values()
    assert [failure for result in results for failure in result.failures] == []
    assert sum(result.tests_passed for result in results) == 81
    assert sum(result.tests_skipped for result in results) == 0
