"""`ccoe workflow`: run, validate, draw."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from graphs.budget import Budget
from graphs.errors import InvalidInputs
from graphs.mermaid import plan_flowchart
from graphs.protocols import Tool
from graphs.workflows.checking import name_problems
from graphs.workflows.definition import Workflow
from graphs.workflows.inputs import checked_inputs
from graphs.workflows.plans import plan_of
from graphs.workflows.python_file import read_workflow_file
from orchestrator.cli.answering import answer, open_service
from orchestrator.cli.ask import settings_with
from orchestrator.cli.interruption import run_to_end
from orchestrator.expert_host import OpenExperts
from orchestrator.run import Scheduling
from orchestrator.settings import Settings
from orchestrator.stored_experts import stored_expert_names
from orchestrator.tools import open_tools

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Run, check and draw workflows.")
File = Annotated[Path, typer.Argument(help="A workflow: YAML, or Python, which is run.")]
Databases = Annotated[
    list[str] | None, typer.Option("--database", help="NAME=PATH of a SQLite file for the tool `sql`.")
]


@app.command()
def run(
    context: typer.Context,
    file: File,
    given: Annotated[list[str] | None, typer.Option("--input", help="NAME=VALUE; JSON, or else a text.")] = None,
    inputs: Annotated[Path | None, typer.Option(help="A JSON file with an object of inputs.")] = None,
    database: Databases = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Run again with the same key within a day, the same run is shown.")
    ] = None,
    max_seconds: Annotated[float | None, typer.Option(min=0.001, help="End the run after this time.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Of prompts and outputs together.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Run a workflow and show how it goes."""
    settings = settings_with(database or [])
    workflow = read_workflow_file(file)
    values = checked_inputs(workflow, {**(_read_inputs(workflow, inputs) if inputs else {}), **_named(given or [])})
    definition = workflow.model_dump(mode="json", exclude_unset=True)
    opening = open_service(settings, cast(OpenExperts, context.obj), is_own=bool(database))
    scheduling = Scheduling(idempotency_key=idempotency_key)
    limits = Budget(seconds=max_seconds, tokens=max_tokens)
    answer(lambda service: service.submit_workflow(definition, values, scheduling, limits), opening, as_json=as_json)


@app.command()
def validate(file: File, database: Databases = None) -> None:
    """Name everything that is wrong with a workflow, with file, line and step. Exit code 2 if anything is."""
    settings = settings_with(database or [])
    experts = stored_expert_names(settings)
    check = partial(name_problems, experts=experts, tools=run_to_end(_tools(settings)), is_deep=False)
    workflow = read_workflow_file(file, check)
    typer.echo(f"{file}: workflow {workflow.name!r} with {workflow.num_steps} steps is valid")


@app.command()
def draw(
    file: File, output: Annotated[Path | None, typer.Option(help="Write it to this file instead.")] = None
) -> None:
    """The steps and what each waits for, as a Mermaid flowchart."""
    chart = plan_flowchart(plan_of(read_workflow_file(file)))
    if output is None:
        typer.echo(chart)
    else:
        output.write_text(chart + "\n", encoding="utf-8")


async def _tools(settings: Settings) -> Mapping[str, Tool]:
    async with open_tools(settings, settings.read_tools()) as tools:
        return tools


def _named(given: list[str]) -> dict[str, Any]:
    return dict(map(_input, given))


def _input(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not (name and separator):
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--input")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _read_inputs(workflow: Workflow, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInputs(workflow.name, [f"{str(path)!r} cannot be read: {error}"]) from error
    if not isinstance(found, dict):
        raise InvalidInputs(workflow.name, [f"{str(path)!r} holds {type(found).__name__}, no object"])
    return cast("dict[str, Any]", found)
