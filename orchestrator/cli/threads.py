"""`ccoe threads`: the conversations that Redis keeps. Needs Redis alone."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.cli.document import thread_document
from orchestrator.cli.interruption import run_to_end
from orchestrator.cli.live import printable
from orchestrator.cli.runs import Stores
from orchestrator.thread_store import ThreadStore

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Show and delete threads.")

ThreadId = Annotated[str, typer.Argument(help="The thread's id, or `last`.")]
_MANY = 1000


@app.command("list")
def list_threads(limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20) -> None:
    """The threads that were used last."""
    run_to_end(_list(limit))


@app.command()
def show(thread_id: ThreadId, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """One thread: what was asked and answered."""
    run_to_end(_show(thread_id, as_json))


@app.command()
def delete(thread_id: ThreadId) -> None:
    """Cancel a thread's open runs, and delete it with all of its runs."""
    run_to_end(_delete(thread_id))


async def _list(limit: int) -> None:
    table = Table("thread", "status", "used", "turns", "began with", box=None)
    async with Stores.open() as stores:
        for thread in await stores.threads.newest(limit):
            used = thread.updated.astimezone().strftime("%Y-%m-%d %H:%M:%S")
            title = Text(printable(thread.title), overflow="ellipsis", no_wrap=True)
            table.add_row(thread.id, thread.status, used, str(thread.num_turns), title)
    Console(highlight=False).print(table)


async def _show(thread_id: str, as_json: bool) -> None:
    async with Stores.open() as stores:
        threads = stores.threads
        thread = await threads.get(await resolved(threads, thread_id))
        turns = await threads.turns(thread.id, _MANY)
    if as_json:
        return typer.echo(thread_document(thread, turns))
    console = Console(highlight=False, soft_wrap=True)
    for turn in turns:
        console.print(Text(f"> {printable(turn.task)}", style="bold"))
        console.print(Text(printable(turn.answer)))
    console.print(Text(f"{thread.status}: {thread.num_turns} turns, thread {thread.id}", style="dim"))
    return None


async def _delete(thread_id: str) -> None:
    async with Stores.open() as stores:
        found = await resolved(stores.threads, thread_id)
        await stores.threads.delete(found, stores.cancel)
    typer.echo(f"thread {found} is deleted")


async def resolved(threads: ThreadStore, thread_id: str) -> str:
    """The id; `last` is the thread that was used last."""
    newest = await threads.newest(1) if thread_id == "last" else []
    return newest[0].id if newest else thread_id
