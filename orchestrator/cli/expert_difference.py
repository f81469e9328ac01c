"""`ccoe experts diff`: two cards and two sets of weights beside each other."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from experts.card_difference import card_differences
from experts.checkpoint import read_weights
from experts.errors import UnknownExpert
from experts.expert import Expert
from experts.registry import Registry
from experts.source import load_backbone
from experts.weight_difference import needs_base, weight_difference
from orchestrator.cli.eval import backbone_config
from orchestrator.cli.experts import NAMED, entry_of
from orchestrator.settings import Settings, read_settings

app = typer.Typer()


@app.command()
def diff(
    first: Annotated[str, typer.Argument(help=NAMED, metavar="NAME[@VERSION]")],
    second: Annotated[str, typer.Argument(help=NAMED, metavar="NAME[@VERSION]")],
) -> None:
    """What differs between two experts or versions: their cards, and the size of the weights' difference."""
    settings, console = read_settings(), Console(highlight=False)
    registry = Registry(settings.experts_dir)
    pair = (_read(registry, first), _read(registry, second))
    table = Table("field", first, second, box=None)
    for found in card_differences(pair[0].card, pair[1].card):
        table.add_row(*(Text(cell) for cell in (found.field, found.first, found.second)))
    console.print(table if table.row_count else "the cards say the same")
    console.print(f"weights: {_weights(*pair, settings)}", soft_wrap=True)


def _read(registry: Registry, text: str) -> Expert:
    entry = entry_of(registry, text)
    if entry.directory is None:
        raise UnknownExpert(entry.card.name, tuple(other.card.name for other in registry.list()))
    return Expert(entry.card, read_weights(entry.directory))


def _weights(first: Expert, second: Expert, settings: Settings) -> str:
    made_for = {(expert.card.backbone_hash, expert.card.num_shared_layers) for expert in (first, second)}
    if len(made_for) > 1:
        return "not compared, the two are for different backbones"
    base = None
    if needs_base(first, second):
        backbone = load_backbone(backbone_config(settings))
        if (backbone.hash, backbone.num_shared_layers) not in made_for:
            return "not compared, the two are for another backbone than the configured one"
        base = backbone.upper_tensors()
    found = weight_difference(first, second, base)
    return (
        f"the difference is {found.relative:.3f} of what the first changes of the backbone"
        if found.difference
        else "the same"
    )
