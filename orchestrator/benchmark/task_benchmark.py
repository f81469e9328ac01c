"""The built-in tasks, answered in four ways by the same experts on the same backbone.

| way       | who answers                                                                       |
| --------- | --------------------------------------------------------------------------------- |
| `ccoe`    | the planner splits the task, domain experts answer the steps                      |
| `general` | the general expert, asked once                                                    |
| `gate`    | the one expert that the gate chooses, with its tool                               |
| `react`   | the general expert in a ReAct loop with the tools                                 |
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from graphs.benchmark.react_graph import ReactGraph
from graphs.protocols import GENERAL
from orchestrator.benchmark.task_set import CheckedTask, TaskSet
from orchestrator.expert_host import OpenExperts
from orchestrator.service import Service

WAYS = ("ccoe", "general", "gate", "react")
_Answering = Callable[[str], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one way made of one task."""

    task: str
    way: str
    answer: str
    is_right: bool
    seconds: float


async def answers(ways: Sequence[str], open_experts: OpenExperts, limit: int | None = None) -> AsyncIterator[Answer]:
    """Every task in every way, one after the other, as each is answered."""
    chosen = TaskSet.load()
    with TemporaryDirectory(prefix="ccoe-tasks-") as folder:
        settings = chosen.prepare(Path(folder))
        async with Service.open(settings, open_experts, is_private=True) as service:
            by_name = _ways(service)
            for task in chosen.tasks[:limit]:
                for way in ways:
                    yield await _answer(task, way, by_name[way])


async def _answer(task: CheckedTask, way: str, answering: _Answering) -> Answer:
    started = time.perf_counter()
    answer = await answering(task.text)
    return Answer(task.text, way, answer, task.is_answered_by(answer), time.perf_counter() - started)


def _ways(service: Service) -> dict[str, _Answering]:
    async def planned(task: str, plan: object = None) -> str:
        run = await service.submit(task, plan)
        return (await service.wait(run.id)).answer or ""

    async def asked(task: str, expert: str) -> str:
        return await planned(task, [{"id": 1, "text": task, "expert": expert}])

    async def general(task: str) -> str:
        return await asked(task, GENERAL)

    async def gated(task: str) -> str:
        return await asked(task, (await service.gate(task)).expert)

    react = ReactGraph(service.experts, {name: service.tools[name] for name in ("calculator", "sql", "search")})
    return {"ccoe": planned, "general": general, "gate": gated, "react": react.answer}
