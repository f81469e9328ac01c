"""Processes of a test: `ccoe` and users of Valkey, each stopped at the end if it is still there."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@asynccontextmanager
async def process(module: str, *arguments: str) -> AsyncGenerator[Process]:
    """`python -m tests.orchestrator.<module>`, with pipes, in a session of its own."""
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"tests.orchestrator.{module}",
        *arguments,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"},
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
    )
    try:
        yield started
    finally:
        # asked first: a killed one leaves its Valkey behind
        with suppress(ProcessLookupError):
            started.terminate()
        try:
            await asyncio.wait_for(started.communicate(), 15)
        except TimeoutError:
            started.kill()
            await started.communicate()


async def line_with(text: str, running: Process) -> str:
    """The next line of its output that contains the text; fails with the rest of it if none comes."""
    assert running.stdout is not None
    seen: list[str] = []
    async with asyncio.timeout(30):
        while line := (await running.stdout.readline()).decode():
            seen.append(line)
            if text in line:
                return line
    assert running.stderr is not None
    errors = (await running.stderr.read()).decode()
    raise AssertionError(f"no line with {text!r} in {seen}; errors: {errors}")


async def ccoe(*arguments: str) -> tuple[int, str, str]:
    """Run the command to its end: exit code, output, errors."""
    async with process("scripted_ccoe", *arguments) as running:
        async with asyncio.timeout(30):
            output, errors = await running.communicate()
        assert running.returncode is not None
        return running.returncode, output.decode(), errors.decode()
