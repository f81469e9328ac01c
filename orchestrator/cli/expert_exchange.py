"""`ccoe experts export` and `import`: experts in the formats of transformers and PEFT."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from experts.card import NAME_PATTERN, RESERVED_NAMES
from experts.checkpoint import load_expert, save_expert
from experts.exchange.merged_model import export_merged
from experts.exchange.peft_adapter import AdapterIdentity, export_adapter, import_adapter
from experts.expert import general_expert
from experts.registry import Registry
from experts.source import load_backbone
from orchestrator.cli.eval import backbone_config
from orchestrator.cli.experts import NAMED, entry_of
from orchestrator.settings import read_settings

app = typer.Typer()


class Format(StrEnum):
    """What an expert becomes outside."""

    MERGED = "merged"
    """A whole model of transformers."""
    PEFT = "peft"
    """A LoRA adapter of the original model."""


@app.command("export")
def export_expert(
    name: Annotated[str, typer.Argument(help=NAMED, metavar="NAME[@VERSION]")],
    output: Annotated[Path, typer.Argument(help="The directory to make.")],
    form: Annotated[Format, typer.Option("--as", help="A whole model of transformers, or a PEFT adapter.")],
    base_model: Annotated[
        str, typer.Option(help="Of an adapter: the original model's name; known if the backbone is one of the Hub.")
    ] = "",
) -> None:
    """Write an expert as a model that transformers loads, or a low-rank one as an adapter that PEFT loads."""
    if base_model and form is Format.MERGED:
        raise typer.BadParameter("--base-model is for --as peft; a merged model needs no other")
    settings = read_settings()
    directory = None if name == "general" else entry_of(Registry(settings.experts_dir), name).directory
    backbone = load_backbone(backbone_config(settings))
    expert = general_expert(backbone) if directory is None else load_expert(directory, backbone)
    if form is Format.MERGED:
        export_merged(expert, backbone, output)
    elif not export_adapter(expert, backbone, output, base_model):
        typer.echo("the adapter names no base model, the backbone is a directory; --base-model names it", err=True)
    typer.echo(f"{expert.card.name} {expert.card.version} is in {output}")


@app.command("import")
def import_expert(
    directory: Annotated[Path, typer.Argument(help="Of a PEFT LoRA adapter whose deltas are in upper layers.")],
    name: Annotated[str, typer.Option(help="What the expert is called.")],
    domain: Annotated[str | None, typer.Option(help="Its domain; the name if not given.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is for, in a sentence.")] = None,
    suffix: Annotated[str, typer.Option(help="Its own instruction, last in every prompt.")] = "",
    tool: Annotated[Literal["calculator", "sql"] | None, typer.Option(help="What computes its answers.")] = None,
    output: Annotated[Path, typer.Option(help="The expert gets a directory in it.")] = Path("trained"),
) -> None:
    """Make an expert's directory of a PEFT adapter."""
    if name in RESERVED_NAMES or not re.fullmatch(NAME_PATTERN, name):
        reason = "a name is lower-case letters, digits, - and _, begins with a letter, is not 'general' or 'person'"
        raise typer.BadParameter(f"{name!r} cannot be used: {reason}")
    about = description or f"Imported from {directory.name}."
    backbone = load_backbone(backbone_config(read_settings()))
    expert = import_adapter(directory, backbone, AdapterIdentity(name, domain or name, about, suffix, tool))
    target = output / name
    card = save_expert(expert, target)
    typer.echo(f"{card.name} {card.version} is in {target}; next: ccoe experts push {target}")
