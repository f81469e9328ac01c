"""`ccoe experts`: which experts there are, and changes of them, here and in a running service."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from experts.exchange.hub import HubName, download_expert, upload_expert
from experts.registry import Entry, Registry
from orchestrator.audit_file import AuditFile
from orchestrator.cli.interruption import run_to_end
from orchestrator.data_directory import running_service
from orchestrator.expert_audit import ExpertAudit, ExpertChange
from orchestrator.expert_host import OpenExperts
from orchestrator.keys import Keys
from orchestrator.redis_connection import redis_connection
from orchestrator.service_client import ServiceClient
from orchestrator.settings import Settings, read_settings
from orchestrator.stored_experts import StoredExperts

_WITH_TORCH = {
    "diff": ("expert_difference", "What differs between two experts or versions."),
    "export": ("expert_exchange", "Write an expert as a model of transformers, or as a PEFT adapter."),
    "import": ("expert_exchange", "Make an expert of a PEFT adapter."),
}
"""Commands whose module is loaded when they are used, and their line in the overview."""


class _Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(dict.fromkeys([*super().list_commands(ctx), *_WITH_TORCH]))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _WITH_TORCH or cmd_name in self.commands:
            return super().get_command(ctx, cmd_name)
        return get_group(import_module(f"orchestrator.cli.{_WITH_TORCH[cmd_name][0]}").app).commands[cmd_name]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The overview loads no module."""
        self.commands.update({name: TyperCommand(name, help=text) for name, (_, text) in _WITH_TORCH.items()})
        super().format_help(ctx, formatter)


app = typer.Typer(cls=_Commands, no_args_is_help=True, add_completion=False, help="Show, change and exchange experts.")
NAMED = "The expert's name, and @ a version if not the active one."


def entry_of(registry: Registry, text: str) -> Entry:
    """The expert that `name` or `name@version` means. Raises UnknownExpert."""
    name, _, version = text.partition("@")
    return registry.get(name, version or None)


@app.command("list")
def list_experts(
    every: Annotated[bool, typer.Option("--all", help="Every version that is kept, popped experts too.")] = False,
) -> None:
    """The experts; `general`, the backbone's own upper layers, is always among them."""
    registry = Registry(read_settings().experts_dir)
    states = ("state",) if every else ()
    table = Table("expert", "version", *states, "domain", "tool", "description", box=None)
    table.add_row("general", "", *(("active",) if every else ()), "general", "", "the backbone's own upper layers")
    for entry in _every_version(registry) if every else registry.list():
        card, state = entry.card, (registry.state_of(entry),) if every else ()
        table.add_row(card.name, card.version[:12], *state, card.domain, card.tool or "", card.description)
    Console(highlight=False).print(table)


@app.command()
def show(name: Annotated[str, typer.Argument(help=NAMED, metavar="NAME[@VERSION]")]) -> None:
    """An expert's card, as JSON."""
    typer.echo(entry_of(Registry(read_settings().experts_dir), name).card.model_dump_json(indent=2))


@app.command()
def push(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(help="A directory with its card and weights, or owner/name[@revision] on Hugging Face.")
    ],
) -> None:
    """Attach an expert, or a new version of one, here and in a running service."""
    directory, settings = Path(source), read_settings()
    if not directory.exists() and (repository := HubName.parse(source)):
        directory = download_expert(repository)
    name, version = run_to_end(_push(settings, directory.resolve(), cast(OpenExperts, context.obj)))
    typer.echo(f"{name} is now version {version}")


@app.command()
def pop(name: Annotated[str, typer.Argument(help="The expert's name.")]) -> None:
    """Detach an expert, here and in a running service; its files stay."""
    run_to_end(_pop(read_settings(), name))
    typer.echo(f"{name} is detached")


@app.command()
def rollback(
    name: Annotated[str, typer.Argument(help="The expert's name.")],
    to: Annotated[str | None, typer.Option(help="The version; without it, the one before the last change.")] = None,
) -> None:
    """Make an earlier version active, here and in a running service; runs that go on keep theirs."""
    typer.echo(f"{name} is now version {run_to_end(_roll_back(read_settings(), name, to))}")


@app.command()
def audit(limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50) -> None:
    """Who changed experts, in a service or on this disk, the newest first."""
    table = Table("time", "by", "action", "expert", "version", "before", box=None)
    for change in run_to_end(_audit(read_settings(), limit)):
        at = change.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(at, change.by or "", change.action, change.name, change.version, change.previous or "")
    Console(highlight=False).print(table)


@app.command()
def upload(
    name: Annotated[str, typer.Argument(help=NAMED, metavar="NAME[@VERSION]")],
    repository: Annotated[str, typer.Argument(help="On Hugging Face: owner/name[@branch].")],
    private: Annotated[bool, typer.Option("--private", help="If the repository has to be made.")] = False,
) -> None:
    """Put an expert's card and weights into a Hugging Face repository."""
    directory = entry_of(Registry(read_settings().experts_dir), name).directory
    assert directory is not None  # the general expert is not in this index
    target = HubName.parse(repository)
    if target is None:
        raise typer.BadParameter(f"{repository!r} is not owner/name[@branch]")
    typer.echo(f"{name} is at {upload_expert(directory, target, private=private)}")


def _every_version(registry: Registry) -> Sequence[Entry]:
    return [entry for name in registry.names() for entry in registry.versions(name)]


async def _push(settings: Settings, directory: Path, open_experts: OpenExperts) -> tuple[str, str]:
    running = running_service(settings.data_dir)
    if running:
        async with ServiceClient.open(settings, running) as client:
            pushed = await client.request("POST", "/api/experts", {"path": str(directory)})
            return str(pushed["name"]), str(pushed["version"])
    return await StoredExperts(settings).push(directory, open_experts)


async def _pop(settings: Settings, name: str) -> None:
    running = running_service(settings.data_dir)
    if running:
        async with ServiceClient.open(settings, running) as client:
            await client.request("DELETE", f"/api/experts/{name}")
    else:
        StoredExperts(settings).pop(name)


async def _roll_back(settings: Settings, name: str, version: str | None) -> str:
    running = running_service(settings.data_dir)
    if not running:
        return StoredExperts(settings).rollback(name, version)
    async with ServiceClient.open(settings, running) as client:
        rolled_back = await client.request("POST", f"/api/experts/{name}/rollback", {"version": version})
        return str(rolled_back["version"])


async def _audit(settings: Settings, limit: int) -> list[ExpertChange]:
    async with redis_connection(settings) as redis:
        changes = await ExpertAudit(redis, Keys(settings.tenant)).newest(limit)
    changes += AuditFile(settings.experts_dir).newest(limit)
    return sorted(changes, key=lambda change: change.at, reverse=True)[:limit]
