"""One way through a workflow: its steps as a graph, then its output. No planner, and no joiner."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from graphs.budget import NOTHING, Meter, MeteredClient, Spent
from graphs.dispatch import Dispatcher
from graphs.events import Answered, EventSink, Planned
from graphs.limits import Limits
from graphs.plan_graphs import PlanGraphs
from graphs.protocols import ExpertClient, StepCache, StepMemo, Tool
from graphs.rounds import RoundsState, Saving
from graphs.run import RunOutcome, ended, outcome_of
from graphs.state import Results
from graphs.workflows.definition import Workflow
from graphs.workflows.inputs import checked_inputs
from graphs.workflows.output import Output, output_of
from graphs.workflows.plans import plan_of
from graphs.workflows.step_runner import Surroundings, WorkflowStepRunner


async def run_workflow(
    workflow: Workflow,
    inputs: Mapping[str, Any],
    *,
    client: ExpertClient,
    tools: Mapping[str, Tool],
    sink: EventSink,
    limits: Limits | None = None,
    graphs: PlanGraphs | None = None,
    run_id: str = "",
    memo: StepMemo | None = None,
    spent: Spent = NOTHING,
    cache: StepCache | None = None,
) -> RunOutcome:
    """Run the steps and make the output; see `run_task` for what it is given.

    The run is an error if its output cannot be made. Raises InvalidInputs, and whatever the sink or the memo raises.
    """
    started, limits = time.perf_counter(), limits or Limits()
    inputs = checked_inputs(workflow, inputs)
    meter = Meter(limits.budget, spent)
    planned = Planned(plan=plan_of(workflow), source="given")
    await sink.emit(planned)
    around = Surroundings(MeteredClient(client, meter), tools, sink, meter, limits.policy, memo, cache)
    runner = WorkflowStepRunner(workflow, inputs, planned.plan, around)

    async def join(results: Results) -> Answered:
        output = await asyncio.to_thread(output_of, workflow, inputs, planned.plan, results, runner.renderer)
        answered = _answered(output, results)
        await sink.emit(answered)
        return answered

    async with Dispatcher(planned.plan, runner.run, sink, memo=memo, run_id=run_id) as dispatcher:
        saving = Saving(graphs or PlanGraphs(), run_id)
        found = await saving.invoke(planned.plan, dispatcher.result_of, join, {"results": {}, "answer": None})
    state = RoundsState(planned=(planned,), results=dispatcher.results, answer=found["answer"])
    outcome = outcome_of(state, time.perf_counter() - started)
    fault = outcome.answer.reason
    outcome = outcome.model_copy(update={"status": "error" if fault else "success", "reason": fault})
    return ended(outcome, dispatcher.wanted, dispatcher.stopped, meter)


def _answered(output: Output, results: Results) -> Answered:
    failed, skipped = (
        tuple(k for k, one in sorted(results.items()) if one.status == of) for of in ("error", "skipped")
    )
    source = "assembled" if output.fault else "output"
    return Answered(answer=output.text, source=source, reason=output.fault, failed=failed, skipped=skipped)
