"""`ccoe train`: make the built-in experts anew, or one expert from rows of the user's own."""

import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from experts.card import NAME_PATTERN, ExpertCard
from experts.source import load_backbone
from experts.training.datasets import Dataset
from experts.training.making import Identity, make_builtin, make_expert, save
from experts.training.recipes import RECIPES, Recipe
from experts.training.rows import read_rows
from experts.training.trainer import TrainerConfig
from orchestrator.cli.calculation import calculate
from orchestrator.cli.eval import backbone_config, data_directory, metrics_table
from orchestrator.cli.progress import progress_bars, progress_listener
from orchestrator.settings import Settings, read_settings

app = typer.Typer()
Form = Literal["low_rank", "full"]
_USUAL = TrainerConfig()
_LEARNING_RATES: dict[Form, float] = {"low_rank": _USUAL.learning_rate, "full": 3e-4}


@dataclass(frozen=True, slots=True)
class _Work:
    """How experts are trained, and where they go."""

    settings: Settings
    config: TrainerConfig
    output: Path
    console: Console


@app.command()
def train(
    names: Annotated[list[str] | None, typer.Argument(help="Which built-in experts; all if none is named.")] = None,
    file: Annotated[Path | None, typer.Option(help="Rows of your own: JSON Lines of prompt and response.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the expert that --file makes.")] = None,
    domain: Annotated[str | None, typer.Option(help="Its domain; the name if not given.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is for, in a sentence.")] = None,
    suffix: Annotated[str, typer.Option(help="Its own instruction, last in every prompt.")] = "",
    tool: Annotated[Literal["calculator", "sql"] | None, typer.Option(help="What computes its answers.")] = None,
    licence: Annotated[str, typer.Option(help="Of the rows of --file; for the card.")] = "unstated",
    source: Annotated[str, typer.Option(help="Where the rows of --file are from; for the card.")] = "unstated",
    form: Annotated[Form, typer.Option(help="Low-rank deltas, or the upper layers in full.")] = _USUAL.form,
    rank: Annotated[int, typer.Option(min=1, help="Of the low-rank deltas.")] = _USUAL.rank,
    epochs: Annotated[int | None, typer.Option(min=1, help="4; a built-in expert has its own number.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0, help="0.001 for low_rank, 0.0003 for full.")] = None,
    output: Annotated[Path, typer.Option(help="Each expert gets a directory in it.")] = Path("trained"),
) -> None:
    """Train built-in experts and score each beside the general one; with --file, train an expert of your own."""
    rate = _LEARNING_RATES[form] if learning_rate is None else learning_rate
    config = TrainerConfig(form=form, rank=rank, epochs=epochs or _USUAL.epochs, learning_rate=rate)
    work = _Work(read_settings(), config, output, Console(highlight=False, soft_wrap=True))
    if file is None:
        if name is not None:
            raise typer.BadParameter("--name is for the expert that --file makes; name built-in ones without it")
        _train_builtin(work, _chosen(names or []), epochs)
        return
    if names:
        raise typer.BadParameter(f"--file makes one expert, named by --name; what is {' '.join(names)!r} for?")
    called = _checked(name)
    about = description or f"Trained on {file.name}."
    _train_own(
        work, file, Identity(called, domain or called, about, suffix, tool), Dataset(file.stem, source, licence, "")
    )


def _train_builtin(work: _Work, chosen: list[Recipe], epochs: int | None) -> None:
    data = data_directory(work.settings)
    backbone = load_backbone(backbone_config(work.settings))
    for recipe in chosen:
        started = time.perf_counter()
        with progress_bars(work.console) as bars:
            listener = progress_listener(bars, recipe.name)
            config = replace(work.config, epochs=epochs or recipe.epochs)
            expert, rows, _ = make_builtin(recipe, backbone, data, config, calculate, listener)
        card = save(expert, rows, work.output / recipe.name)
        work.console.print(metrics_table(card.name, card.metrics))
        _tell(work, card, started)


def _train_own(work: _Work, file: Path, identity: Identity, of: Dataset) -> None:
    started, rows = time.perf_counter(), {of: read_rows(file)}
    backbone = load_backbone(backbone_config(work.settings))
    with progress_bars(work.console) as bars:
        listener = progress_listener(bars, identity.name)
        expert, _ = make_expert(identity, backbone, rows, work.config, listener)
    _tell(work, save(expert, rows, work.output / identity.name), started)


def _tell(work: _Work, card: ExpertCard, started: float) -> None:
    directory, seconds = work.output / card.name, time.perf_counter() - started
    work.console.print(
        f"{card.name} {card.version}: {seconds:.0f} s, in {directory}; next: ccoe experts push {directory}"
    )


def _chosen(names: list[str]) -> list[Recipe]:
    known = {recipe.name: recipe for recipe in RECIPES}
    if unknown := sorted(set(names) - set(known)):
        raise typer.BadParameter(f"no recipe for {', '.join(unknown)}; known: {', '.join(known)}")
    return [known[name] for name in names or known]


def _checked(name: str | None) -> str:
    """The name of an own expert, before an hour is spent on it."""
    if name is None:
        raise typer.BadParameter("--file needs --name: what the new expert is called")
    if name == "general" or not re.fullmatch(NAME_PATTERN, name):
        reason = "a name is lower-case letters, digits, - and _, begins with a letter and is not 'general'"
        raise typer.BadParameter(f"{name!r} cannot be used: {reason}")
    return name
