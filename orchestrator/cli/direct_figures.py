"""`ccoe gate direct`: which tasks the direct path would take."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import typer
from pydantic import BaseModel, ConfigDict, TypeAdapter
from rich.console import Console

from experts.gating.classifier import GENERAL
from experts.training.gate_texts import DEV_SETS, composed_tasks, dev_texts, everyday_texts
from graphs.one_question import is_one_question
from orchestrator.cli.calculation import calculate
from orchestrator.cli.eval import data_directory
from orchestrator.cli.sheet import Sheet
from orchestrator.direct_path import sure_expert
from orchestrator.expert_host import ExpertHost, OpenExperts
from orchestrator.settings import Settings


class TaskSet(BaseModel):
    """Tasks that all need several steps, or one of an expert."""

    model_config = ConfigDict(frozen=True)

    name: str
    needs: Literal["several steps", "one step"]
    expert: str = ""
    tasks: tuple[str, ...]


class DirectFigure(BaseModel):
    """Of a set: how many tasks have no sign of several steps, are answered directly, and by the right expert."""

    model_config = ConfigDict(frozen=True)

    dataset: str
    needs: Literal["several steps", "one step"]
    num_tasks: int
    num_one_question: int
    num_direct: int
    num_right: int


async def measured(settings: Settings, open_experts: OpenExperts, num_rows: int, seed: str) -> list[DirectFigure]:
    """A figure for each set. What tools recognise is left out: they only hold tasks back.

    Raises SettingsInvalidError without the data, DatasetError.
    """
    sets = list(_task_sets(data_directory(settings), num_rows, seed))
    async with open_experts(settings) as experts:
        return [await _figure(one, experts) for one in sets]


def print_figures(figures: Sequence[DirectFigure], *, as_json: bool) -> None:
    """A row for each set."""
    if as_json:
        return typer.echo(TypeAdapter(list[DirectFigure]).dump_json(list(figures), indent=2).decode())
    columns = ("tasks", "need", "number", "no sign of several steps", "answered directly", "by the right expert")
    rows = [[str(value) for value in figure.model_dump().values()] for figure in figures]
    return Console(highlight=False, soft_wrap=True).print(Sheet(columns, rows).table())


def _task_sets(data: Path, num_rows: int, seed: str) -> Iterator[TaskSet]:
    composed = composed_tasks(data, calculate, seed, 2 * num_rows)
    several = tuple(task for task, num_steps in composed if num_steps > 1)
    yield TaskSet(name="composed", needs="several steps", tasks=several)
    for of in DEV_SETS:
        tasks = tuple(text.text for text in dev_texts(data, of)[:num_rows])
        if of.expert == GENERAL:
            yield TaskSet(name=f"{of.name} ({of.form})", needs="several steps", tasks=tasks)
        elif of.counts:
            yield TaskSet(name=f"{of.name} ({of.form})", needs="one step", expert=of.expert, tasks=tasks)
    yield TaskSet(
        name="everyday", needs="one step", expert=GENERAL, tasks=tuple(dict.fromkeys(everyday_texts(seed, num_rows)))
    )


async def _figure(of: TaskSet, experts: ExpertHost) -> DirectFigure:
    asked = [task for task in of.tasks if is_one_question(task)]
    choices = [(task, await experts.gate(task)) for task in asked]
    direct = [expert for task, choice in choices if (expert := sure_expert(task, choice))]
    return DirectFigure(
        dataset=of.name,
        needs=of.needs,
        num_tasks=len(of.tasks),
        num_one_question=len(asked),
        num_direct=len(direct),
        num_right=direct.count(of.expert),
    )
