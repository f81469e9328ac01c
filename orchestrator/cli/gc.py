"""`ccoe gc`: what is left behind in Redis, and on request on the disk."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from orchestrator.cli.interruption import run_to_end
from orchestrator.keys import Keys
from orchestrator.leftovers import Leftover, Leftovers
from orchestrator.old_files import activations, old_versions
from orchestrator.redis_connection import redis_connection
from orchestrator.settings import Settings, read_settings

app = typer.Typer(add_completion=False)

_NUM_SHOWN = 3


@app.command()
def gc(
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; without this it is only shown.")] = False,
    experts: Annotated[bool, typer.Option("--experts", help="Versions that are not active too: no rollback.")] = False,
    caches: Annotated[bool, typer.Option("--activations", help="Boundary activations of trainings too.")] = False,
    step_cache: Annotated[bool, typer.Option("--step-cache", help="What later runs would find of steps too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show what is left behind, with its number and size, or remove it."""
    collecting = _collect(read_settings(), yes=yes, experts=experts, caches=caches, step_cache=step_cache)
    found = run_to_end(collecting)
    if as_json:
        fields = [{"what": each.what, "names": list(each.names), "bytes": each.num_bytes} for each in found]
        typer.echo(json.dumps({"removed": yes, "found": fields}, indent=2))
        return
    if not found:
        typer.echo("nothing is left behind")
        return
    table = Table("what", "number", "bytes", "such as", box=None)
    for each in found:
        table.add_row(each.what, f"{len(each.names):,}", f"{each.num_bytes:,}", ", ".join(each.names[:_NUM_SHOWN]))
    Console(highlight=False, soft_wrap=True).print(table)
    typer.echo("removed" if yes else "nothing was changed; `ccoe gc --yes` removes it")


async def _collect(settings: Settings, *, yes: bool, experts: bool, caches: bool, step_cache: bool) -> list[Leftover]:
    async with redis_connection(settings) as redis:
        leftovers = Leftovers(redis, Keys(settings.tenant), settings.run_ttl_seconds)
        found = await leftovers.find()
        found += [await leftovers.cached_steps()] if step_cache else []
        found += [old_versions(settings)] if experts else []
        found += [activations(settings)] if caches else []
        found = [leftover for leftover in found if leftover.names]
        if yes:
            for leftover in found:
                await leftover.remove()
    return found
