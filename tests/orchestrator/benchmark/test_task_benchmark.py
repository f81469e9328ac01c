"""Each task is answered in each way, and scored."""

import pytest

from graphs.benchmark.react_graph import ReactGraph
from orchestrator.benchmark.task_benchmark import WAYS, answers
from orchestrator.benchmark.task_set import CheckedTask, TaskSet
from tests.orchestrator.scripted_experts import open_scripted_experts


async def test_every_way_answers_every_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripted experts repeat what they are asked."""

    async def react(self: ReactGraph, task: str) -> str:
        return f"{sorted(self.tools)} {task}"

    monkeypatch.setattr(ReactGraph, "answer", react)
    found = [one async for one in answers(WAYS, open_scripted_experts, limit=2)]

    tasks = TaskSet.load().tasks[:2]
    assert [(one.task, one.way) for one in found] == [(task.text, way) for task in tasks for way in WAYS]
    assert found[3].answer.startswith("['calculator', 'search', 'sql']")
    assert "Birgit Aas" in found[0].answer
    assert found[0].seconds > 0


async def test_an_answer_is_scored_by_what_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = (CheckedTask("say 48", ("48",)), CheckedTask("say 47", ("48",)))
    chosen = TaskSet(TaskSet.load().schema, {"note.md": "A note."}, tasks)
    monkeypatch.setattr(TaskSet, "load", lambda: chosen)
    assert [one.is_right async for one in answers(["general"], open_scripted_experts)] == [True, False]
