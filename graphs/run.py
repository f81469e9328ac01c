"""One way through: task, plan, graph, answer."""

import time
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from graphs.budget import NOTHING, Meter, MeteredClient, Spent
from graphs.direct import DirectSink
from graphs.errors import InvalidPlan, RunStopped, TaskError
from graphs.events import Answered, AnswerWanted, EventSink, Planned, SpeculationDropped, StepResult
from graphs.followup import resolved
from graphs.limits import Limits
from graphs.plan import Plan
from graphs.plan_graphs import PlanGraphs
from graphs.planning import Planning
from graphs.protocols import PLANNER, ExpertClient, PlanMemo, StepCache, StepMemo, Tool
from graphs.rounds import Rounds, RoundsState, Saving
from graphs.speculation import Speculation
from graphs.turn import Turn
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
    """A run that has finished, or waits for a person."""

    model_config = ConfigDict(frozen=True)

    status: Literal["success", "error", "timeout", "budget_exhausted", "interrupted"]
    """"error" if no sink of the plan has a result, or a step failed the run; "timeout" if that one's time was up.

    "interrupted": all that needs no answer of a person is done. Run again with the answers in the memo, it goes on.
    """
    reason: str = ""
    """Why the run ended early."""
    plan: Plan
    plan_warnings: tuple[str, ...]
    results: tuple[StepResult, ...]
    wanted: tuple[AnswerWanted, ...] = ()
    """What persons are asked, if it was interrupted; then the results are those so far, and the answer is empty."""
    spent: Spent = NOTHING
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
    graphs: PlanGraphs | None = None,
    run_id: str = "",
    memo: StepMemo | None = None,
    spent: Spent = NOTHING,
    planning: Planning | None = None,
    plan_memo: PlanMemo | None = None,
    turns: Sequence[Turn] = (),
    cache: StepCache | None = None,
) -> RunOutcome:
    """Plan the task (unless a plan is given, or was made before), run the plan as a graph, and answer.

    The graphs, if there are some, leave their checkpoints in the thread `run_id`. `spent` is what an interrupted run
    has spent, `turns` what was said before, the oldest first, `cache` what steps found in other runs.

    Steps that fail are in the outcome; what the memos know is not done again. Raises TaskError, InvalidPlan, before
    there is a plan GenerationError and BudgetExhausted, and whatever the sink or a memo raises.
    """
    started, limits, turns = time.perf_counter(), limits or Limits(), tuple(turns)
    check_task(task, limits.max_task_chars)
    task, sink = resolved(task, turns), _told_directly(plan, sink, client)
    client = MeteredClient(client, meter := Meter(limits.budget, spent))
    planner = (planning or Planning()).writer(client, tools, limits, meter, plan_memo, turns)
    async with Speculation(task, client, tools, sink, limits, meter, turns, cache) as speculation:
        async with meter.in_time():
            given = plan if isinstance(plan, Planned) else _given(plan, client) if plan else None
            planned = given or await planner.plan(task, speculation)
        await speculation.emit(planned)
        saving = Saving(graphs or PlanGraphs(), run_id)
        rounds = Rounds(task, client, tools, sink, limits, meter, planner, speculation, saving, memo, turns, cache)
        state = await rounds.run(planned)
    outcome = outcome_of(state, time.perf_counter() - started, speculation.dropped)
    return ended(outcome, rounds.wanted, rounds.stopped or meter.exhausted, meter)


def ended(outcome: RunOutcome, wanted: Sequence[AnswerWanted], stopped: RunStopped | None, meter: Meter) -> RunOutcome:
    """The outcome of a run that waits for persons, or was stopped; else as it is."""
    if wanted:
        return outcome.model_copy(update={"status": "interrupted", "wanted": tuple(wanted), "spent": meter.spent})
    return outcome.model_copy(update={"status": stopped.status, "reason": stopped.reason}) if stopped else outcome


def check_task(task: str, max_chars: int) -> None:
    """Raise TaskError if the task is empty, too long, or no Unicode text."""
    if not task.strip():
        raise TaskError("the task is empty; say what is to be found out")
    if len(task) > max_chars:
        raise TaskError(f"the task has {len(task)} characters; shorten it to {max_chars}")
    if any("\ud800" <= char <= "\udfff" for char in task):
        raise TaskError("the task has half of a surrogate pair; send it as valid Unicode")


def _told_directly(plan: Plan | Planned | None, sink: EventSink, client: ExpertClient) -> EventSink:
    """The sink; on the direct path, one that tells the step's text as the answer's."""
    if not isinstance(plan, Planned) or plan.source != "gate":
        return sink
    with_tool = {profile.name for profile in client.profiles() if profile.tool}
    return DirectSink(sink, has_tool=plan.plan.steps[0].expert in with_tool)


def _given(plan: Plan, client: ExpertClient) -> Planned:
    known = {profile.name for profile in client.profiles()} - {PLANNER}
    if faults := unknown_experts(plan.steps, known):
        raise InvalidPlan(faults)
    return Planned(plan=plan, source="given")


def outcome_of(state: RoundsState, seconds: float, dropped: Sequence[SpeculationDropped] = ()) -> RunOutcome:
    """A run that came to its answer, as a success if a sink of its plan has a result."""
    last, answer = state["planned"][-1], state["answer"] or Answered(answer="", source="assembled")
    results = tuple(state["results"].values())
    parts = (*state["planned"], *dropped, *results, answer)
    sinks = {step.id for step in last.plan.sinks}
    has_answer = any(result.status == "success" for result in results if result.id in sinks)
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
