"""`ccoe index`: a folder's files for the search tool."""

import sqlite3
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from graphs.tools.documents import SUFFIXES
from graphs.tools.passage_index import PassageIndex, files_below
from orchestrator.errors import IndexFailedError
from orchestrator.settings import read_settings
from orchestrator.tools import load_embed

app = typer.Typer(add_completion=False)


@app.command()
def index(
    folder: Annotated[Path, typer.Argument(help="Its text, Markdown, HTML and PDF files are read.")],
    vectors: Annotated[
        bool, typer.Option("--vectors", help="By meaning too: a vector for each passage, slow.")
    ] = False,
) -> None:
    """Read a folder for the search tool; again, to bring it up to date. Files that have not changed are kept."""
    settings = read_settings()
    if not folder.is_dir():
        raise IndexFailedError(folder, "there is no such folder", "name a folder")
    folder = folder.resolve()
    console, outcomes, num_passages = Console(stderr=True), Counter[str](), 0
    found = PassageIndex(settings.index_path).update(folder, load_embed(settings) if vectors else None)
    try:
        for file in track(found, "reading", total=len(files_below(folder)), console=console):
            known = file.outcome in ("kept", "indexed", "removed")
            outcomes[file.outcome if known else "left out"] += 1
            num_passages += file.num_passages
            if not known:
                console.print(f"{file.name} is left out: {file.outcome}", highlight=False, markup=False)
    except (sqlite3.Error, OSError) as error:
        raise IndexFailedError(settings.index_path, str(error), "remove the file and index anew") from error
    if not outcomes:
        suffixes = ", ".join(sorted(SUFFIXES))
        raise IndexFailedError(folder, "there is nothing to read", f"name a folder with files of {suffixes}")
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    typer.echo(f"{folder}: {counts}; {num_passages} new passages")
