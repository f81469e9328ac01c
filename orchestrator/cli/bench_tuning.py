"""`ccoe bench tuning`: what experts gain, beside LoRA on all layers and full fine-tuning at equal data."""

import json
from dataclasses import asdict
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from experts.training.comparison import Figure
from experts.training.recipes import RECIPES
from orchestrator.cli.calculation import calculate
from orchestrator.cli.eval import Format, backbone_config, data_directory
from orchestrator.cli.sheet import Sheet
from orchestrator.settings import read_settings

app = typer.Typer()
_DOMAINS = tuple(recipe.name for recipe in RECIPES)


@app.command()
def tuning(
    output: Annotated[Path, typer.Argument(help="Directory of the outcomes; what is there already is not made anew.")],
    domain: Annotated[
        list[str] | None, typer.Option(help="May be repeated; every one with data sets if none is named.")
    ] = None,
    tokens: Annotated[int, typer.Option(min=100, help="Of one epoch.")] = 40_000,
    epochs: Annotated[int, typer.Option(min=1, help="Of each training.")] = 2,
    output_format: Annotated[Format, typer.Option("--format", help="How the figures are printed.")] = "table",
) -> None:
    """Experts in both forms, LoRA by PEFT and full fine-tuning (math, sql, law), other splits (sql): equal data."""
    _check(domain or [])
    settings, console = read_settings(), Console(highlight=False, stderr=output_format != "table")
    module: Any = import_module("experts.benchmark.tuning.comparison")
    made = module.TuningComparison(backbone_config(settings), data_directory(settings), calculate, tokens, epochs)
    files = import_module("experts.benchmark.tuning.case").OutcomeFiles(output, {"tokens": tokens, "epochs": epochs})
    with console.status("loading") as status:

        def report(case: str, done: int, total: int) -> None:
            status.update(f"{case}: {done:,} of {total:,}")

        lines = list(module.lines(made.take(domain or _DOMAINS, files, report)))
    if output_format == "json":
        typer.echo(json.dumps([{**asdict(line), "outcome": line.outcome.model_dump()} for line in lines], indent=2))
    elif output_format == "markdown":
        typer.echo(_sheet(lines).markdown())
    else:
        console.print(_sheet(lines).table())


@app.command("tuning-speed")
def tuning_speed(
    domain: Annotated[str, typer.Option(help="Whose rows.")] = "law",
    tokens: Annotated[int, typer.Option(min=100, help="Of one epoch.")] = 20_000,
    epochs: Annotated[int, typer.Option(min=2, help="Of each training.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """The time of an epoch: experts against LoRA by PEFT on all layers, the same rows, rank and loss."""
    _check([domain])
    settings, console = read_settings(), Console(highlight=False, stderr=as_json)
    module: Any = import_module("experts.benchmark.tuning.speed")
    with console.status("loading") as status:

        def report(method: str, done: int, total: int) -> None:
            status.update(f"{method}: {done:,} of {total:,} tokens")

        data, backbone = data_directory(settings), backbone_config(settings)
        found = module.measure_speed(backbone, data, domain, tokens, epochs, report)
    if as_json:
        typer.echo(json.dumps({**asdict(found), "ratios": found.ratios()}, indent=2))
        return
    titles = import_module("experts.benchmark.tuning.method").TITLES
    table = Table("tuned", *(f"epoch {k}, s" for k in range(1, epochs + 1)), "losses", box=None)
    for method, course in found.courses.items():
        losses = " ".join(f"{loss:.3f}" for loss in course.losses)
        table.add_row(titles[method], *(f"{seconds:.1f}" for seconds in course.seconds), losses)
    console.print(f"{found.num_tokens:,} tokens an epoch", table)
    ratios = Table("LoRA's time to ours", "", box=None)
    for name, ratio in found.ratios().items():
        ratios.add_row(name, f"{ratio:.2f}")
    console.print(ratios)


def _check(domains: list[str]) -> None:
    """Raise BadParameter for a domain that no built-in expert has, or where PEFT is not installed."""
    if unknown := sorted(set(domains) - set(_DOMAINS)):
        raise typer.BadParameter(f"no domain {unknown[0]!r}; known: {', '.join(_DOMAINS)}")
    if find_spec("peft") is None:
        raise typer.BadParameter("PEFT is what is compared with and is not installed: pip install 'ccoe[bench]'")


def _sheet(lines: list[Any]) -> Sheet:
    heads = ("domain", "tuned", "l_b", "parameters", "tokens", "last loss", "score", "gain, 95 %", "of full tuning's")
    return Sheet(heads, [_cells(line) for line in lines])


def _cells(line: Any) -> list[str]:
    titles = import_module("experts.benchmark.tuning.method").TITLES
    case, outcome = line.case, line.outcome
    is_tuned = case.method != "general"
    return [
        *(case.domain, titles[case.method], str(outcome.num_shared_layers) if outcome.num_shared_layers else ""),
        f"{outcome.num_parameters / 1e6:.1f} M" if is_tuned else "",
        f"{outcome.num_tokens:,}" if is_tuned else "",
        f"{outcome.epoch_losses[-1]:.3f}" if is_tuned else "",
        f"{line.score.value:.3f}",
        "" if line.score.difference is None else _interval(*line.score.difference),
        "" if line.part_of_gain is None else _part(line.part_of_gain),
    ]


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"


def _part(figure: Figure) -> str:
    return f"{figure.value:.0%} ({figure.low:.0%} to {figure.high:.0%})"
