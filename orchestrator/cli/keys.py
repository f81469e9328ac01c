"""`ccoe keys`: who may use the HTTP API. Needs Redis alone; a running service sees a change at once."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from orchestrator.api_key import KEY_NAME_PATTERN, ApiKey, Scope
from orchestrator.api_key_store import ApiKeyStore
from orchestrator.auth import RESERVED_NAMES
from orchestrator.cli.interruption import run_to_end
from orchestrator.keys import Keys
from orchestrator.redis_connection import redis_connection
from orchestrator.settings import read_settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Create, list and revoke keys of the HTTP API.")

KeyName = Annotated[str, typer.Argument(help="The key's name, as the audit of experts shows it.")]


@app.command()
def create(
    name: KeyName,
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="`runs` (without any), or `experts`: push, pop, roll back; may be repeated."),
    ] = None,
) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    if name in RESERVED_NAMES or not re.fullmatch(KEY_NAME_PATTERN, name):
        reason = f"a name is lower-case letters, digits, - and _, at most 48, and not {' or '.join(RESERVED_NAMES)}"
        raise typer.BadParameter(f"{name!r} cannot be used: {reason}")
    scopes: tuple[Scope, ...] = tuple(dict.fromkeys(scope)) if scope else (Scope.RUNS,)
    # the key alone on the standard output, so that a program can take it
    typer.echo(run_to_end(_create(name, scopes)))
    typer.echo(f"{name} may use: {', '.join(scopes)}. Send it as `Authorization: Bearer …`; keep it now.", err=True)


@app.command("list")
def list_keys() -> None:
    """The keys, without their secrets."""
    table = Table("key", "scopes", "created", box=None)
    for key in run_to_end(_list()):
        table.add_row(key.name, ", ".join(key.scopes), f"{key.created.astimezone():%Y-%m-%d %H:%M:%S}")
    Console(highlight=False).print(table)


@app.command()
def revoke(name: KeyName) -> None:
    """End a key; from the next request on it opens nothing."""
    run_to_end(_revoke(name))
    typer.echo(f"{name} is revoked")


@asynccontextmanager
async def _store() -> AsyncGenerator[ApiKeyStore]:
    settings = read_settings()
    async with redis_connection(settings) as redis:
        yield ApiKeyStore(redis, Keys(settings.tenant))


async def _create(name: str, scopes: tuple[Scope, ...]) -> str:
    async with _store() as store:
        return await store.create(name, scopes)


async def _list() -> list[ApiKey]:
    async with _store() as store:
        return await store.list()


async def _revoke(name: str) -> None:
    async with _store() as store:
        await store.revoke(name)
