"""A run's questions to a person in the terminal: shown, asked right there, or with the command that answers them."""

import asyncio
import sys
from collections.abc import AsyncIterator

from rich.console import Console
from rich.text import Text

from graphs.person import PersonAnswer, PersonQuestion
from orchestrator.answer_errors import AlreadyAnsweredError, AnswerRefusedError
from orchestrator.answer_store import AnswerStore
from orchestrator.auth import LOCAL
from orchestrator.cli.live import printable
from orchestrator.events import RunInterrupted, TraceEntry
from orchestrator.question import Question
from orchestrator.run import Run, RunStatus
from orchestrator.run_store import RunStore

_LOOK_SECONDS = 1.0


def is_terminal() -> bool:
    """Whether somebody sits there who can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


async def until_interrupted(
    entries: AsyncIterator[TraceEntry], runs: RunStore, run_id: str
) -> AsyncIterator[TraceEntry]:
    """The entries until the run ends, or waits for a person now. What it waited for before is passed by."""
    async for entry in entries:
        yield entry
        if isinstance(entry.event, RunInterrupted):
            run = await runs.get(run_id)
            if run.status is RunStatus.INTERRUPTED and entry.id.startswith(f"{run.fence}-"):
                return


def question_lines(run: Run) -> list[str]:
    """Each open question, and how it is answered."""
    lines: list[str] = []
    for step, question in run.open_questions.items():
        command = f"ccoe runs answer {run.id} {step}"
        lines += [_question(step, question), f"   {command} {_options(question.wanted.question)}"]
    return lines


async def ask_here(answers: AnswerStore, runs: RunStore, run: Run) -> bool:
    """Ask the first open question. False: nobody wants to answer now."""
    console = Console(highlight=False, soft_wrap=True)
    step, question = next(iter(run.open_questions.items()))
    console.print(Text(_question(step, question), style="bold"))
    while True:
        console.print(Text(f"{_hint(question.wanted.question)}; nothing: later"))
        said = await _said_or_answered(runs, run.id)
        if said is None:
            return True
        if not said:
            return False
        try:
            await answers.answer(run.id, step, _parsed(said), LOCAL)
        except AlreadyAnsweredError as error:
            console.print(Text(printable(error.message)))
        except AnswerRefusedError as error:
            console.print(Text(printable(error.message)))
            continue
        return True


def _question(step: int, question: Question) -> str:
    asked = question.wanted.question
    notes = [asked.note, f"for {asked.assignee}" if asked.assignee else ""]
    noted = "; ".join(note for note in notes if note)
    return printable(f"#{step} asks a person: {question.wanted.text}" + (f" ({noted})" if noted else ""))


def _options(question: PersonQuestion) -> str:
    if question.choices:
        return f"--text CHOICE | --reject    CHOICE: {printable(', '.join(question.choices))}"
    return "--approve | --reject | --text ANSWER"


def _hint(question: PersonQuestion) -> str:
    said = printable(", ".join(question.choices)) or "approve [COMMENT], or an answer in words"
    return f"{said}, or reject [REASON]"


def _parsed(said: str) -> PersonAnswer:
    first, _, rest = said.partition(" ")
    match first.lower():
        case "approve":
            return PersonAnswer(decision="approve", text=rest.strip())
        case "reject":
            return PersonAnswer(decision="reject", text=rest.strip())
        case _:
            return PersonAnswer(decision="text", text=said)


async def _said_or_answered(runs: RunStore, run_id: str) -> str | None:
    """A line from the terminal; None if somebody else has answered, or cancelled the run, before it came."""
    reading = asyncio.create_task(_line())
    try:
        while not (await asyncio.wait({reading}, timeout=_LOOK_SECONDS))[0]:
            if not await runs.is_interrupted(run_id):
                return None
        return reading.result().strip()
    finally:
        reading.cancel()


async def _line() -> str:
    """A line of standard input. No thread reads it, as one could not be told to stop."""
    loop, line = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin, line.set)
    try:
        await line.wait()
        return sys.stdin.readline()
    finally:
        loop.remove_reader(sys.stdin)
