"""`ccoe bench choice`: how often a step comes to the right expert, and what the gate's word should weigh."""

import json
from collections.abc import Callable
from typing import Annotated, cast

import typer
from rich.console import Console

from experts.training.gate_figures import wilson
from experts.training.synthesis.held_out_tasks import EXPERTS, Part, held_out_tasks
from graphs.benchmark.choice_benchmark import Judged, choices, fitted_gate_weight, fitted_min_share, num_right
from graphs.expert_choice import GATE_WEIGHT, MIN_SHARE, ExpertChoice
from orchestrator.cli.interruption import run_to_end
from orchestrator.cli.plain_progress import plain_progress
from orchestrator.cli.sheet import Sheet
from orchestrator.expert_host import OpenExperts
from orchestrator.gate_prior import GatePrior
from orchestrator.settings import Settings, read_settings
from orchestrator.tools import open_tools

app = typer.Typer()


@app.command()
def choice(
    context: typer.Context,
    tasks: Annotated[int, typer.Option(min=6, help="Of each part: one is fitted, the other is measured.")] = 240,
    seed: Annotated[int, typer.Option(help="Other tasks for another one.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """The planner's choice of experts on sentences that no expert is trained on: alone, with the gate, as it is used.

    The weight of the gate's prior and the threshold are fitted on one part of the sentences and measured on the other.
    """
    console = Console(highlight=False, stderr=as_json)
    opened = cast(OpenExperts, context.obj)
    fit, report = run_to_end(_judged(read_settings(), opened, tasks, seed, console))
    weight = fitted_gate_weight(fit)
    fitted = {"gate_weight": weight, "min_share": fitted_min_share(fit, weight)}
    figures = {
        who: {expert: _of(report, expert, is_right) for expert in (*EXPERTS, "all")}
        for who, is_right in _DECIDERS.items()
    }
    if as_json:
        used = {"gate_weight": GATE_WEIGHT, "min_share": MIN_SHARE}
        return typer.echo(json.dumps({"fitted": fitted, "used": used, "right": figures}, indent=2))
    rows = [
        [who, expert, str(total), f"{right / total:.3f}", "{:.3f} to {:.3f}".format(*wilson(right, total))]
        for who, of_experts in figures.items()
        for expert, (right, total) in of_experts.items()
    ]
    console.print(Sheet(("who decides", "right expert", "steps", "right", "95 %"), rows).table())
    return console.print(
        f"fitted on {len(fit)} other steps: gate weight {weight:.2f} (used: {GATE_WEIGHT:.2f}), "
        f"threshold {fitted['min_share']:.2f} (used: {MIN_SHARE:.2f})"
    )


_DECIDERS: dict[str, Callable[[Judged], bool]] = {
    "planner alone": lambda one: num_right([one], 0.0, 0.0) == 1,
    "gate alone": lambda one: max(one.choice.gate_scores, key=one.choice.gate_scores.__getitem__) == one.expert,
    "both": lambda one: num_right([one], GATE_WEIGHT, MIN_SHARE) == 1,
    "both and tools, as in a run": lambda one: one.choice.expert == one.expert,
}


def _of(judged: list[Judged], expert: str, is_right: Callable[[Judged], bool]) -> tuple[int, int]:
    """How many are right of the steps that are for the expert, and how many these are."""
    of_expert = [one for one in judged if expert in (one.expert, "all")]
    return sum(map(is_right, of_expert)), len(of_expert)


async def _judged(
    settings: Settings, open_experts: OpenExperts, count: int, seed: int, console: Console
) -> tuple[list[Judged], list[Judged]]:
    parts: tuple[Part, Part] = ("fit", "report")
    async with open_tools(settings, settings.read_tools()) as tools, open_experts(settings) as experts:
        chooser = ExpertChoice(experts, tools, GatePrior(experts))
        found: list[list[Judged]] = []
        with plain_progress(console, "choosing", 2 * count) as advance:
            for part in parts:
                tasks = [(one.task, one.steps) for one in held_out_tasks(part, count, seed)]
                found.append(await choices(chooser, tasks, advance))
    return found[0], found[1]
