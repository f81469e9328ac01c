"""The demo itself, on the real backbone with the shipped experts, an embedded Valkey and a real database."""

import asyncio
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.demo.database import make_database
from orchestrator.demo.demonstration import demo_settings
from orchestrator.demo.tasks import DemoTask, Draw, draw_tasks
from orchestrator.expert_client import open_engine
from orchestrator.run import Run, RunStatus
from orchestrator.service import Service
from tests.orchestrator.demo.paraphrases import PARAPHRASES, paraphrased

NUM_SEEDS = 20


async def answered(folder: Path, seeds: Sequence[int], tasks_of: str) -> list[tuple[DemoTask, Run]]:
    """The runs of each seed's tasks, one service for all of them."""
    settings, database = demo_settings(folder)
    found: list[tuple[DemoTask, Run]] = []
    make_database(database, random.Random(0))
    async with Service.open(settings, open_engine) as service:
        for seed in seeds:
            rng = random.Random(seed)
            if tasks_of == "demo":
                make_database(database, rng)
                tasks = draw_tasks(database, rng)
            else:
                tasks = (paraphrased(PARAPHRASES[seed], Draw.make(database, rng)),)
            for task in tasks:
                run = await service.submit(task.task)
                await service.wait(run.id)
                found.append((task, await service.runs.get(run.id)))
    return found


def is_right(task: DemoTask, run: Run) -> bool:
    return run.status is RunStatus.SUCCESS and task.is_answered_by(run.answer or "")


def report(found: Sequence[tuple[DemoTask, Run]]) -> str:
    return "\n".join(f"{task.task!r} -> {run.answer!r}, expected {task.expected}" for task, run in found)


def test_the_command_answers_and_checks_three_tasks(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-m", "orchestrator.demo", "--seed", "11"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "HOME": str(Path.home())},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 of 3 answers right" in done.stdout
    assert done.stdout.count("flowchart") == 3


def test_every_answer_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCOE_STEP_CACHE_SECONDS", "3600")
    assert demo_settings(tmp_path)[0].step_cache_seconds == 0


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_every_task_of_twenty_seeds_is_right(tmp_path: Path) -> None:
    found = asyncio.run(answered(tmp_path, range(100, 100 + NUM_SEEDS), "demo"))
    wrong = [one for one in found if not is_right(*one)]

    assert len(found) == 3 * NUM_SEEDS
    assert all(len({step.expert for step in run.plan.steps}) >= 2 for _, run in found if run.plan)
    assert not wrong, report(wrong)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_most_paraphrases_are_right(tmp_path: Path) -> None:
    found = asyncio.run(answered(tmp_path, range(len(PARAPHRASES)), "paraphrases"))
    wrong = [one for one in found if not is_right(*one)]

    print(f"{len(found) - len(wrong)} of {len(found)} paraphrases right")  # noqa: T201
    assert len(found) - len(wrong) >= 14, report(wrong)
