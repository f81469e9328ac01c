"""Runs that wait for a person."""

import asyncio
from typing import Any

from redis.asyncio import Redis

from graphs.person import PersonAnswer
from orchestrator.keys import Keys
from orchestrator.run import Run
from orchestrator.run_store import RunStore
from orchestrator.service import Service
from tests.orchestrator.conditions import until
from tests.orchestrator.scripted_experts import A_STEP_FOR_A_PERSON

APPROVE, REJECT = PersonAnswer(decision="approve"), PersonAnswer(decision="reject", text="too dear")


async def until_interrupted(runs: RunStore, run: Run) -> Run:
    async def is_interrupted() -> bool:
        return await runs.is_interrupted(run.id)

    await until(is_interrupted, "the run waits for a person")
    return await runs.get(run.id)


async def asked(service: Service, plan: object = A_STEP_FOR_A_PERSON, **options: Any) -> Run:
    return await until_interrupted(service.runs, await service.submit("a task", plan, **options))


async def ended(service: Service, run: Run) -> Run:
    async with asyncio.timeout(20):
        return await service.wait(run.id)


async def num_entries(redis: Redis, keys: Keys) -> tuple[int, int]:
    """In the lanes, and set aside."""
    return sum([await redis.xlen(lane) for lane in keys.lanes]), await redis.hlen(keys.aside)
