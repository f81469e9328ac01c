"""A person at a terminal is asked right there."""

import asyncio
import json
import os
import pty
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.orchestrator.processes import ROOT, ccoe
from tests.orchestrator.scripted_experts import A_STEP_FOR_A_PERSON


class Terminal:
    """The other side of a process's terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._shown = ""

    async def until(self, text: str) -> str:
        """What is shown until the text is."""
        async with asyncio.timeout(60):
            while text not in self._shown:
                self._shown += (await asyncio.to_thread(os.read, self._descriptor, 1024)).decode()
        before, self._shown = self._shown.split(text, 1)
        return before

    def type(self, line: str) -> None:
        os.write(self._descriptor, f"{line}\n".encode())


@asynccontextmanager
async def asking(folder: Path, plan: object) -> AsyncGenerator[tuple[Terminal, asyncio.subprocess.Process]]:
    """`ccoe ask` in a terminal of its own."""
    (folder / "plan.json").write_text(json.dumps(plan))
    ours, theirs = pty.openpty()
    command = ["-m", "tests.orchestrator.scripted_ccoe", "ask", "a task", "--plan", str(folder / "plan.json")]
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, *command),
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(ours), running
    finally:
        if running.returncode is None:
            running.terminate()
            await running.wait()
        os.close(ours)


async def test_the_question_is_asked_and_the_run_goes_on(tmp_path: Path) -> None:
    question = {"choices": ["now", "later"], "assignee": "ana", "note": "by Friday"}
    plan = [A_STEP_FOR_A_PERSON[0], {**A_STEP_FOR_A_PERSON[1], "question": question}, A_STEP_FOR_A_PERSON[2]]
    async with asking(tmp_path, plan) as (terminal, running):
        await terminal.until("#2 asks a person: Pay 48? (by Friday; for ana)")
        await terminal.until("now, later, or reject [REASON]; nothing: later")
        terminal.type("never")
        await terminal.until("'never' is no choice; there are: now, later")
        terminal.type("now")
        assert "48 is now" in await terminal.until("success:")
        assert await running.wait() == 0


async def test_a_person_may_answer_later_or_elsewhere(tmp_path: Path) -> None:
    async with asking(tmp_path, A_STEP_FOR_A_PERSON) as (terminal, running):
        await terminal.until("nothing: later")
        terminal.type("")
        await terminal.until("ccoe runs answer ")
        assert await running.wait() == 3
    async with asking(tmp_path, A_STEP_FOR_A_PERSON) as (terminal, running):
        await terminal.until("nothing: later")
        assert (await ccoe("runs", "answer", "last", "2", "--reject", "--text", "too dear"))[0] == 0
        assert "rejected by local: too dear" in await terminal.until("error (")
        assert await running.wait() == 1
