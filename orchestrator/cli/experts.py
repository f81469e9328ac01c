"""`ccoe experts`: which experts there are; push and pop."""

from pathlib import Path
from typing import Annotated, cast

import typer
from rich.console import Console
from rich.table import Table

from experts.registry import Registry
from graphs.protocols import ExpertProfile
from orchestrator.cli.interruption import run_to_end
from orchestrator.data_directory import running_service
from orchestrator.expert_host import OpenExperts
from orchestrator.service_client import ServiceClient
from orchestrator.settings import Settings, read_settings

app = typer.Typer(no_args_is_help=True, help="Show, push and pop experts.")


@app.command("list")
def list_experts() -> None:
    """The experts; `general`, the backbone's own upper layers, is always among them."""
    table = Table("expert", "version", "domain", "tool", "description", box=None)
    table.add_row("general", "", "general", "", "the backbone's own upper layers")
    for entry in Registry(read_settings().experts_dir).list():
        card = entry.card
        table.add_row(card.name, card.version[:12], card.domain, card.tool or "", card.description)
    Console(highlight=False).print(table)


@app.command()
def show(name: Annotated[str, typer.Argument(help="The expert's name.")]) -> None:
    """An expert's card, as JSON."""
    typer.echo(Registry(read_settings().experts_dir).get(name).card.model_dump_json(indent=2))


@app.command()
def push(
    context: typer.Context, directory: Annotated[Path, typer.Argument(help="Where its card and weights are.")]
) -> None:
    """Attach an expert, or a new version of one, here and in a running service."""
    name, version = run_to_end(_push(read_settings(), directory.resolve(), cast(OpenExperts, context.obj)))
    typer.echo(f"{name} is now version {version}")


@app.command()
def pop(name: Annotated[str, typer.Argument(help="The expert's name.")]) -> None:
    """Detach an expert, here and in a running service; its files stay."""
    run_to_end(_pop(read_settings(), name))
    typer.echo(f"{name} is detached")


async def _push(settings: Settings, directory: Path, open_experts: OpenExperts) -> tuple[str, str]:
    running = running_service(settings.data_dir)
    if running:
        async with ServiceClient.open(running.url) as client:
            pushed = await client.request("POST", "/api/experts", {"path": str(directory)})
            return str(pushed["name"]), str(pushed["version"])
    # the engine, because only the backbone can tell whether the weights fit it
    async with open_experts(settings) as experts:
        profile: ExpertProfile = await experts.push(directory)
        return profile.name, profile.version


async def _pop(settings: Settings, name: str) -> None:
    running = running_service(settings.data_dir)
    if running:
        async with ServiceClient.open(running.url) as client:
            await client.request("DELETE", f"/api/experts/{name}")
    else:
        Registry(settings.experts_dir).pop(name)
