"""`ccoe train`: make the built-in experts anew, or one expert from rows of the user's own."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from experts.card import NAME_PATTERN, RESERVED_NAMES
from experts.errors import AlreadyMade
from experts.source import load_backbone
from experts.training.activation_store import ActivationStore
from experts.training.datasets import Dataset
from experts.training.encoding import MAX_ROW_TOKENS, RowLimits, Rows
from experts.training.hub import HubDataset
from experts.training.making import Identity, Listener, Made, Surroundings, make_builtin, make_expert, save
from experts.training.recipes import RECIPES, Recipe
from experts.training.rows import read_rows
from experts.training.trainer import TrainerConfig, TrainingFiles
from orchestrator.cli.comparison import scoring_tools
from orchestrator.cli.eval import backbone_config, data_directory, metrics_sheet
from orchestrator.cli.losses import loss_table, show_losses
from orchestrator.cli.progress import progress_bars, progress_listener
from orchestrator.settings import Settings, read_settings

app = typer.Typer(add_completion=False)
Form = Literal["low_rank", "full"]
_UNSTATED = "unstated"
_USUAL = TrainerConfig()
_OF_OWN_EXPERTS = (
    *("name", "dev", "patience", "domain", "description", "suffix", "tool", "licence", "source"),
    *("max_row_tokens", "skip_long"),
)
"""Options that a recipe leaves nothing to do for."""
_FULL_LEARNING_RATE = 3e-4


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What the options say of the training; None leaves it to the recipe, or to what is usual."""

    form: Form
    rank: int | None
    epochs: int | None
    learning_rate: float | None
    accumulate: int
    patience: int

    def config(self, usual: TrainerConfig = _USUAL) -> TrainerConfig:
        """With the usual values where nothing was chosen; a full expert has a learning rate of its own."""
        rate = usual.learning_rate if self.form == "low_rank" else _FULL_LEARNING_RATE
        return TrainerConfig(
            self.form,
            self.rank or usual.rank,
            epochs=self.epochs or usual.epochs,
            learning_rate=rate if self.learning_rate is None else self.learning_rate,
            accumulate=self.accumulate,
            patience=self.patience,
        )


@dataclass(frozen=True, slots=True)
class _Work:
    """How experts are trained, and where they go."""

    settings: Settings
    chosen: _Chosen
    output: Path
    console: Console
    store: ActivationStore | None
    resume: bool
    checkpoint_minutes: float

    def files(self, name: str) -> TrainingFiles:
        """Of one expert's training; says whether there is a checkpoint where that may surprise."""
        checkpoint = self.output / f"{name}.checkpoint"
        if self.resume and not checkpoint.is_file():
            self.console.print(f"{name}: no checkpoint at {checkpoint}; if not finished, it begins at the first step")
        if not self.resume and checkpoint.is_file():
            self.console.print(f"{name}: {checkpoint} of an unfinished training is replaced; --resume would go on")
        return TrainingFiles(self.store, checkpoint, self.resume, self.output / name, 60 * self.checkpoint_minutes)


@dataclass(frozen=True, slots=True)
class _Own:
    """Rows of the user's own."""

    file: Path | None
    dataset: str | None
    dev: Path | None
    licence: str
    source: str

    def read(self) -> tuple[Rows, Rows]:
        """Rows to train on and dev rows. Raises DatasetError."""
        dev = {Dataset(self.dev.stem, str(self.dev), "", ""): read_rows(self.dev)} if self.dev else {}
        if self.file is not None:
            return {Dataset(self.file.stem, self.source, self.licence, ""): read_rows(self.file)}, dev
        of = HubDataset.parse(self.dataset or "")
        source = f"{of.repository}, split {of.split}" if self.source == _UNSTATED else self.source
        rows = [row for path in of.fetch() for row in read_rows(path)]
        return {Dataset(of.repository.partition("/")[2], source, self.licence, ""): rows}, dev


@app.command()
def train(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Which built-in experts; all if none is named.")] = None,
    file: Annotated[Path | None, typer.Option(help="Rows of your own: JSON Lines of prompts or chats.")] = None,
    dataset: Annotated[str | None, typer.Option(help="The same from the hub: OWNER/NAME or OWNER/NAME:SPLIT.")] = None,
    dev: Annotated[Path | None, typer.Option(help="Rows whose loss says when to stop; the best epoch is kept.")] = None,
    patience: Annotated[int, typer.Option(min=1, help="Epochs without a lower dev loss, then stop.")] = _USUAL.patience,
    name: Annotated[str | None, typer.Option(help="Of the expert that --file or --dataset makes.")] = None,
    domain: Annotated[str | None, typer.Option(help="Its domain; the name if not given.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is for, in a sentence.")] = None,
    suffix: Annotated[str, typer.Option(help="Its own instruction, last in every prompt.")] = "",
    tool: Annotated[Literal["calculator", "sql"] | None, typer.Option(help="What computes its answers.")] = None,
    licence: Annotated[str, typer.Option(help="Of the rows of --file; for the card.")] = _UNSTATED,
    source: Annotated[str, typer.Option(help="Where the rows of --file are from; for the card.")] = _UNSTATED,
    max_row_tokens: Annotated[int, typer.Option(min=2, help="A longer row of your own is an error.")] = MAX_ROW_TOKENS,
    skip_long: Annotated[bool, typer.Option("--skip-long", help="Leave longer rows out, and say how many.")] = False,
    form: Annotated[Form, typer.Option(help="Low-rank deltas, or the upper layers in full.")] = _USUAL.form,
    rank: Annotated[int | None, typer.Option(min=1, help="Of the low-rank deltas: 16, or the recipe's.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="4, or the recipe's.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0, help="0.001 or the recipe's; full: 0.0003.")] = None,
    accumulate: Annotated[int, typer.Option(min=1, help="Batches of 1,024 tokens in one step.")] = _USUAL.accumulate,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from checkpoints; leave what is finished.")] = False,
    checkpoint_minutes: Annotated[float, typer.Option(min=0, help="Between two; one at each epoch's end too.")] = 5.0,
    cache: Annotated[bool, typer.Option(help="Keep the backbone's output for the rows on disk.")] = True,
    clear_cache: Annotated[bool, typer.Option("--clear-cache", help="Remove all that is kept so, and end.")] = False,
    output: Annotated[Path, typer.Option(help="Each expert gets a directory in it.")] = Path("trained"),
) -> None:
    """Train built-in experts and score each beside the general one; with --file, train an expert of your own."""
    settings, console = read_settings(), Console(highlight=False, soft_wrap=True)
    store = ActivationStore(settings.cache_dir.expanduser() / "activations")
    if clear_cache:
        return console.print(f"{_size(store.clear())} removed from {store.directory}")
    chosen = _Chosen(form, rank, epochs, learning_rate, accumulate, patience)
    work = _Work(settings, chosen, output, console, store if cache else None, resume, checkpoint_minutes)
    own, limits = _Own(file, dataset, dev, licence, source), RowLimits(max_row_tokens, skip_long)
    if _is_builtin(own, names, _given(context)):
        return _train_builtin(work, _recipes(names or []))
    called, about = _checked(name), description or f"Trained on {file.name if file else dataset}."
    return _train_own(work, own, Identity(called, domain or called, about, suffix, tool), limits)


def _given(context: typer.Context) -> list[str]:
    """Options that were written, of those that only experts of the user's own have."""
    sources = {name: context.get_parameter_source(name) for name in _OF_OWN_EXPERTS}
    return [f"--{name.replace('_', '-')}" for name, found in sources.items() if found and found.name == "COMMANDLINE"]


def _is_builtin(own: _Own, names: list[str] | None, given: list[str]) -> bool:
    """Whether no rows are given. Raises BadParameter where the options do not go together."""
    if own.file is None and own.dataset is None:
        if given:
            raise typer.BadParameter(f"{given[0]} is for the expert that --file makes; name built-in ones without it")
        return True
    if "--patience" in given and own.dev is None:
        raise typer.BadParameter("--patience needs --dev: it counts epochs without a lower loss on these rows")
    if own.file is not None and own.dataset is not None:
        raise typer.BadParameter("--file and --dataset both name the rows; give one of them")
    if names:
        raise typer.BadParameter(f"--file makes one expert, named by --name; what is {' '.join(names)!r} for?")
    return False


def _train_builtin(work: _Work, recipes: list[Recipe]) -> None:
    data = data_directory(work.settings)
    backbone = load_backbone(backbone_config(work.settings))
    for recipe in recipes:
        usual = TrainerConfig(rank=recipe.rank, epochs=recipe.epochs, learning_rate=recipe.learning_rate)
        config = work.chosen.config(usual)
        _train(work, recipe.name, partial(make_builtin, recipe, backbone, data, config, scoring_tools(data)))


def _train_own(work: _Work, own: _Own, identity: Identity, limits: RowLimits) -> None:
    rows, dev = own.read()
    backbone = load_backbone(backbone_config(work.settings))

    def make(listener: Listener, files: TrainingFiles) -> Made:
        return make_expert(identity, backbone, rows, work.chosen.config(), listener, Surroundings(dev, limits, files))

    _train(work, identity.name, make)


def _train(work: _Work, name: str, make: Callable[[Listener, TrainingFiles], Made]) -> None:
    """Make an expert and save it, or say that it is finished."""
    started, files = time.perf_counter(), work.files(name)
    try:
        with progress_bars(work.console) as bars:
            made = make(progress_listener(bars, name), files)
    except AlreadyMade as error:
        return work.console.print(f"{name}: {error}")
    if made.expert.card.metrics:
        work.console.print(metrics_sheet(name, made.expert.card.metrics).table())
    return _finish(work, made, started)


def _finish(work: _Work, made: Made, started: float) -> None:
    """Save the expert, remove its checkpoint, and say what came of it."""
    name, console = made.expert.card.name, work.console
    directory = work.output / name
    card = save(made.expert, made.rows, directory)
    (work.output / f"{name}.checkpoint").unlink(missing_ok=True)
    console.print(loss_table(made.trained))
    console.print(show_losses(made.trained, directory), markup=False)
    if work.store is not None:
        kept = f"{_size(work.store.num_bytes)} kept in {work.store.directory}"
        console.print(f"boundary activations: {kept}; ccoe train --clear-cache removes them")
    seconds = time.perf_counter() - started
    console.print(f"{name} {card.version}: {seconds:.0f} s, in {directory}; next: ccoe experts push {directory}")


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:,.1f} MB"


def _recipes(names: list[str]) -> list[Recipe]:
    known = {recipe.name: recipe for recipe in RECIPES}
    if unknown := sorted(set(names) - set(known)):
        raise typer.BadParameter(f"no recipe for {', '.join(unknown)}; known: {', '.join(known)}")
    return [known[name] for name in names or known]


def _checked(name: str | None) -> str:
    """The name of an own expert, before an hour is spent on it."""
    if name is None:
        raise typer.BadParameter("rows of your own need --name: what the new expert is called")
    if name in RESERVED_NAMES or not re.fullmatch(NAME_PATTERN, name):
        reason = "a name is lower-case letters, digits, - and _, begins with a letter, is not 'general' or 'person'"
        raise typer.BadParameter(f"{name!r} cannot be used: {reason}")
    return name
