"""`ccoe gate`: which expert a text is for, and the gate that says so."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.console import Console
from rich.table import Table

from experts.gating.classifier import Classifier, GateCard, GateFigure
from experts.registry import GATE_FILE, Registry
from graphs.run import check_task
from orchestrator.cli.interruption import run_to_end
from orchestrator.cli.sheet import Sheet
from orchestrator.data_directory import running_service
from orchestrator.errors import NoGateError
from orchestrator.expert_host import OpenExperts
from orchestrator.gate_answer import GateAnswer
from orchestrator.service_client import ServiceClient
from orchestrator.settings import Settings, read_settings

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Say which expert a text is for, and train what says so."
)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
_REASONS = {
    "rule": "its rule fired, and the classifier does not know it",
    "classifier": "the classifier's best",
    "threshold": "no expert's score reaches the threshold",
    "nothing": "no rule fired, and there is no classifier",
}


@app.command()
def ask(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="What somebody would ask.")],
    as_json: AsJson = False,
) -> None:
    """The expert for a text, with every expert's score, the rules that fired, and why. Nothing is answered."""
    settings = read_settings()
    check_task(text, settings.max_task_chars)
    answer = run_to_end(_ask(settings, text, cast(OpenExperts, context.obj)))
    if as_json:
        return typer.echo(answer.model_dump_json(indent=2))
    return _print(answer)


@app.command()
def show(as_json: AsJson = False) -> None:
    """What the stored gate was trained on, and its figures on dev rows."""
    settings = read_settings()
    files = Registry(settings.experts_dir).gate_files()
    if not files:
        raise NoGateError(settings.experts_dir)
    card = Classifier.load(files[0]).card
    if as_json:
        return typer.echo(card.model_dump_json(indent=2))
    return print_card(card, files[0])


@app.command()
def train(
    output: Annotated[
        Path | None, typer.Option(help="Where it is written; without it beside the pushed experts, for the service.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Which rows are drawn, and which of them are held out.")] = 0,
    rows: Annotated[int, typer.Option(min=20, help="Of each data set; more of some.")] = 150,
    as_json: AsJson = False,
) -> None:
    """Train the gate on CCOE_DATA, store it, and say how often it is right on dev rows. A running service uses it."""
    settings = read_settings()
    target = output or settings.experts_dir / GATE_FILE
    import_module("orchestrator.cli.gate_training").train_gate(settings, target, seed, rows, as_json=as_json)


@app.command()
def direct(
    context: typer.Context,
    rows: Annotated[int, typer.Option(min=1, help="Of each data set; twice as many composed tasks.")] = 150,
    seed: Annotated[str, typer.Option(help="Which tasks are composed.")] = "direct",
    as_json: AsJson = False,
) -> None:
    """How often a task would be answered without a plan, on dev rows of CCOE_DATA and tasks that the project makes."""
    measuring = import_module("orchestrator.cli.direct_figures")
    figures = run_to_end(measuring.measured(read_settings(), cast(OpenExperts, context.obj), rows, seed))
    measuring.print_figures(figures, as_json=as_json)


async def _ask(settings: Settings, text: str, open_experts: OpenExperts) -> GateAnswer:
    if running := running_service(settings.data_dir):
        async with ServiceClient.open(settings, running) as client:
            return GateAnswer.model_validate(await client.request("POST", "/api/gate", {"text": text}))
    async with open_experts(settings) as experts:
        return await experts.gate(text)


def _print(answer: GateAnswer) -> None:
    console = Console(highlight=False, soft_wrap=True)
    table = Table("", "expert", "score", "rules that fired", box=None)
    for name, score in answer.scores.items():
        fired = ", ".join(f"{one.kind} {one.rule!r}" for one in answer.fired if one.expert == name)
        table.add_row("▸" if name == answer.expert else "", name, f"{score:.3f}", fired)
    console.print(table)
    threshold = "" if answer.threshold is None else f", threshold {answer.threshold:.3f}"
    console.print(f"{answer.expert}: {_REASONS[answer.reason]}{threshold}", markup=False)
    if answer.remark:
        console.print(answer.remark, style="yellow", markup=False)
    kept = f"{answer.num_reusable_tokens} of them kept for the expert"
    console.print(f"{answer.num_prompt_tokens} tokens read, {answer.num_reused_tokens} from the cache; {kept}")


def print_card(card: GateCard, path: Path) -> None:
    """What it is, how its sources did on rows that it had not seen, and how often it is right on dev rows."""
    console, names = Console(highlight=False, soft_wrap=True), ", ".join(one.name for one in card.experts)
    console.print(f"gate {card.version} for {names}; threshold {card.threshold:.3f}; {path}", markup=False)
    console.print(_combinations_sheet(card).table())
    console.print(_figures_sheet(card).table())


def _combinations_sheet(card: GateCard) -> Sheet:
    rows = [
        [one.name, f"{one.num_right} of {one.num_domain}", f"{one.num_taken} of {one.num_general}"]
        for one in card.combinations
    ]
    return Sheet(("train rows held out", "right of the domains'", "taken of general's"), rows)


def _figures_sheet(card: GateCard) -> Sheet:
    """A row for each dev set: how many of its texts came to the right expert, and where the others came."""
    columns = ("right expert", "dev set", "form", "rows", "right", "95 %", "others")
    return Sheet(columns, [*map(_figure, card.figures)])


def _figure(one: GateFigure) -> list[str]:
    others = ", ".join(f"{name} {count}" for name, count in one.chosen.items() if one.expert not in (name, "domains"))
    rate, interval = f"{one.num_right / one.num_rows:.3f}", f"{one.low:.3f} to {one.high:.3f}"
    return [one.expert, one.dataset, one.form, str(one.num_rows), rate, interval, others]
