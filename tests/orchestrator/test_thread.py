"""A conversation on the real backbone with the shipped experts and gate."""

import pytest

from graphs.events import Planned, PlanToken
from orchestrator.expert_client import open_engine
from orchestrator.service import Service
from orchestrator.settings import read_settings


async def test_a_follow_up_computes_with_the_last_result_and_nobody_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CCOE_CACHE_DIR")  # the converted backbone of this machine
    async with Service.open(read_settings(), open_engine) as service:
        thread = await service.threads.create()
        answers: list[str | None] = []
        for task in ("What is 24 times 12?", "Multiply that by 3", "thanks, that helps"):
            run = await service.submit(task, thread_id=thread.id)
            events = [entry.event async for entry in service.events(run.id)]
            [planned] = [event for event in events if isinstance(event, Planned)]
            assert planned.source == "gate"
            assert not any(isinstance(event, PlanToken) for event in events)
            answers.append((await service.wait(run.id)).answer)
    assert answers[:2] == ["288", "864"]
    assert answers[2]
