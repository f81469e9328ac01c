"""One way through: task, plan, graph, answer."""

import time
from collections.abc import Mapping
from typing import Literal

from langgraph.checkpoint.base import BaseCheckpointSaver
from pydantic import BaseModel, ConfigDict

from graphs.budget import Meter, MeteredClient
from graphs.errors import InvalidPlan, TaskError
from graphs.events import Answered, EventSink, Planned, StepResult
from graphs.limits import Limits
from graphs.plan import Plan
from graphs.planner import PLANNER, Planner
from graphs.protocols import ExpertClient, StepMemo, Tool
from graphs.rounds import Rounds, RoundsState, Saving
from graphs.validation import unknown_experts


class Usage(BaseModel):
    """Tokens of the plan, the steps and the answer together."""

    model_config = ConfigDict(frozen=True)

    num_prompt_tokens: int
    num_output_tokens: int


class Timings(BaseModel):
    """Seconds of wall-clock time."""

    model_config = ConfigDict(frozen=True)

    plan: float
    steps: float
    """From the first step's start to the last one's end; steps overlap."""
    answer: float
    total: float


class RunOutcome(BaseModel):
    """A finished run."""

    model_config = ConfigDict(frozen=True)

    status: Literal["success", "error", "timeout", "budget_exhausted"]
    """"error" if no sink of the plan has a result, or a step failed the run; "timeout" if that one's time was up."""
    reason: str = ""
    """Why the run ended early."""
    plan: Plan
    plan_warnings: tuple[str, ...]
    results: tuple[StepResult, ...]
    answer: Answered
    usage: Usage
    timings: Timings


async def run_task(
    task: str,
    *,
    client: ExpertClient,
    tools: Mapping[str, Tool],
    sink: EventSink,
    plan: Plan | Planned | None = None,
    limits: Limits | None = None,
    checkpointer: BaseCheckpointSaver[str] | None = None,
    run_id: str = "",
    memo: StepMemo | None = None,
) -> RunOutcome:
    """Plan the task (unless a plan is given, or was made before), run the plan as a graph, and answer.

    The checkpointer, if there is one, keeps the graph's checkpoints in the thread `run_id`.

    Steps that fail are in the outcome, and steps that `memo` knows are not run again. Raises TaskError, InvalidPlan (a
    given plan names an expert that is not there), GenerationError (the planner failed), BudgetExhausted (before there
    was a plan), and whatever the sink or the memo raises.
    """
    started = time.perf_counter()
    limits = limits or Limits()
    check_task(task, limits.max_task_chars)
    meter = Meter(limits.budget)
    client = MeteredClient(client, meter)
    if isinstance(plan, Planned):
        planned = plan
    else:
        async with meter.in_time():
            planned = _given(plan, client) if plan else await _plan(task, client, tools, sink, limits)
    await sink.emit(planned)
    saving = None if checkpointer is None else Saving(checkpointer, run_id)
    rounds = Rounds(task, client, tools, sink, limits, meter, memo, saving)
    outcome = outcome_of(await rounds.run(planned), time.perf_counter() - started)
    stopped = rounds.stopped or meter.exhausted
    return outcome.model_copy(update={"status": stopped.status, "reason": stopped.reason}) if stopped else outcome


def check_task(task: str, max_chars: int) -> None:
    """Raise TaskError if the task is empty, too long, or no Unicode text."""
    if not task.strip():
        raise TaskError("the task is empty; say what is to be found out")
    if len(task) > max_chars:
        raise TaskError(f"the task has {len(task)} characters; shorten it to {max_chars}")
    if any("\ud800" <= char <= "\udfff" for char in task):
        raise TaskError("the task has half of a surrogate pair; send it as valid Unicode")


async def _plan(task: str, client: ExpertClient, tools: Mapping[str, Tool], sink: EventSink, limits: Limits) -> Planned:
    return await Planner(client, tools, limits.max_planned_steps, limits.max_plan_tokens).plan(task, sink)


def _given(plan: Plan, client: ExpertClient) -> Planned:
    known = {profile.name for profile in client.profiles()} - {PLANNER}
    if faults := unknown_experts(plan.steps, known):
        raise InvalidPlan(faults)
    return Planned(plan=plan, source="given")


def outcome_of(state: RoundsState, seconds: float) -> RunOutcome:
    """A run that came to its answer, as a success if a sink of its plan has a result."""
    last, answer = state["planned"][-1], state["answer"]
    assert answer is not None
    results = tuple(state["results"][step.id] for step in last.plan.steps)
    parts = (*state["planned"], *results, answer)
    has_answer = any(state["results"][step.id].status == "success" for step in last.plan.sinks)
    plan_seconds = sum(planned.seconds for planned in state["planned"])
    return RunOutcome(
        status="success" if has_answer else "error",
        plan=last.plan,
        plan_warnings=last.warnings,
        results=results,
        answer=answer,
        usage=Usage(
            num_prompt_tokens=sum(part.num_prompt_tokens for part in parts),
            num_output_tokens=sum(part.num_output_tokens for part in parts),
        ),
        timings=Timings(
            plan=plan_seconds, steps=seconds - plan_seconds - answer.seconds, answer=answer.seconds, total=seconds
        ),
    )
