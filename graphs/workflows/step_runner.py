"""Runs one step of a workflow: whether at all, how often, with what, and what it leaves."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from graphs.attempts import Attempts, with_tokens
from graphs.budget import Meter
from graphs.dispatch import Dispatcher
from graphs.errors import BudgetExhausted, InvalidInputs, RenderError, StepRequired
from graphs.events import EventSink, StepFinished, StepResult
from graphs.plan import Plan, Step
from graphs.policies import StepPolicy
from graphs.protocols import PERSON, ExpertClient, Sampling, StepCache, StepKey, StepMemo, Tool
from graphs.state import Results
from graphs.step_runner import Commit, StepRunner
from graphs.tools.call_key import at, current_place
from graphs.workflows.definition import Workflow, WorkflowStep
from graphs.workflows.nesting import PartMemo, PartSink
from graphs.workflows.output import output_of
from graphs.workflows.plans import QUESTION, definition_of, plan_of
from graphs.workflows.templates import Renderer, SkippedUse
from graphs.workflows.tool_call import ToolCall
from graphs.workflows.values import has_failed, values_of
from graphs.workflows.work import Called, Nested, Prompted, Unfilled, Work, work_of


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the steps of a run share."""

    client: ExpertClient
    tools: Mapping[str, Tool]
    sink: EventSink
    meter: Meter
    policy: StepPolicy
    """Of the steps that bring none."""
    memo: StepMemo | None = None
    cache: StepCache | None = None


class WorkflowStepRunner:
    """Runs the steps of one workflow with its inputs. A failure is a result, not an exception."""

    def __init__(self, workflow: Workflow, inputs: Mapping[str, Any], plan: Plan, around: Surroundings) -> None:
        self._workflow, self._inputs, self._plan, self._around = workflow, inputs, plan, around
        self.renderer = Renderer()

    async def run(self, step: Step, results: Results, commit: Commit | None = None) -> StepResult:
        """The step's result; "skipped" if its condition does not hold, or what it needs has no result.

        A success is committed before anybody hears of it. Raises BudgetExhausted, and StepRequired if the step failed
        and the run is to fail with it.
        """
        started = time.perf_counter()
        definition = definition_of(self._workflow, step)
        try:
            result = await self._result(step, definition, results)
        except SkippedUse as skipped:
            result = StepResult(id=step.id, status="skipped", error=str(skipped))
        except (RenderError, InvalidInputs) as failure:
            result = StepResult(id=step.id, status="error", error=str(failure), error_kind="step")
        result = result.model_copy(update={"id": step.id, "seconds": time.perf_counter() - started})
        if commit and result.status == "success":
            await commit(result)
        await self._around.sink.emit(StepFinished(result=result))
        if result.status == "error" and (step.policy or self._around.policy).on_failure == "fail":
            raise StepRequired(result)
        return result

    async def _result(self, step: Step, definition: WorkflowStep, results: Results) -> StepResult:
        if definition.needs_success and (failed := [k for k in step.depends_on if has_failed(results[k])]):
            names = ", ".join(repr(self._plan.steps[k - 1].name) for k in failed)
            return StepResult(
                id=step.id, status="skipped", error=f"it needs {names}, without result", error_kind="step"
            )
        if step.expert == PERSON:
            return _unasked(step, results[step.depends_on[0]])
        values = values_of(self._workflow, self._inputs, self._plan, results)
        if not await self._holds(definition.condition, values):
            return StepResult(id=step.id, status="skipped", error="its condition does not hold")
        if step.expert == QUESTION:
            question = await asyncio.to_thread(self.renderer.text, step.text, values)
            return StepResult(id=step.id, status="success", result=question)
        if definition.for_each is None:
            work = await asyncio.to_thread(work_of, definition, values, self.renderer)
            return await self._answered(step, definition, work, self._around)
        return await self._each(step, definition, values)

    async def _holds(self, condition: str | bool | None, values: Mapping[str, Any]) -> bool:
        if isinstance(condition, str):
            return bool(await asyncio.to_thread(self.renderer.value, condition, values))
        return condition in (None, True)

    async def _each(self, step: Step, definition: WorkflowStep, values: Mapping[str, Any]) -> StepResult:
        """The step for each item of its list, some at a time."""
        items = await asyncio.to_thread(self._items, definition, values)
        works: list[Work] = []
        for k, item in enumerate(items):
            loop = {"index": k + 1, "index0": k, "length": len(items)}
            try:
                given = {**values, "item": item, "loop": loop}
                works.append(await asyncio.to_thread(work_of, definition, given, self.renderer))
            except (RenderError, InvalidInputs) as failure:
                works.append(Unfilled(str(failure)))
        room = asyncio.Semaphore(definition.concurrency)

        async def part(k: int, work: Work) -> StepResult:
            async with room:
                return await self._part(step, definition, work, k)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(part(k, work)) for k, work in enumerate(works, start=1)]
        except ExceptionGroup as failures:
            # a fault or an exhausted budget ends the others
            raise failures.exceptions[0] from None
        return together(step.id, [task.result() for task in tasks])

    def _items(self, definition: WorkflowStep, values: Mapping[str, Any]) -> list[Any]:
        source = definition.for_each
        items = self.renderer.value(source, values) if isinstance(source, str) else self.renderer.filled(source, values)
        if not isinstance(items, list):
            raise RenderError(str(source), f"it gives {type(items).__name__}, no list")
        if len(items) > definition.max_items:
            raise RenderError(str(source), f"it gives {len(items)} items, and max_items is {definition.max_items}")
        return items

    async def _part(self, step: Step, definition: WorkflowStep, work: Work, iteration: int) -> StepResult:
        """One item. What the memo has of it is not done again."""
        around, part = self._around, f"[{iteration}]"
        key = StepKey(step.id, work.digest, iteration=iteration)
        result = await around.memo.load(key) if around.memo else None
        if result is None:
            started = time.perf_counter()
            inner = replace(around, sink=PartSink(around.sink, step.id, part))
            with at((*current_place(), f"[{iteration}]")):
                result = await self._answered(step, definition, work, inner, iteration)
            result = result.model_copy(update={"seconds": time.perf_counter() - started})
            if around.memo and result.status == "success":
                await around.memo.commit(key, result)
        await PartSink(around.sink, step.id, part).emit(StepFinished(result=result))
        return result

    async def _answered(
        self, step: Step, definition: WorkflowStep, work: Work, around: Surroundings, iteration: int = 0
    ) -> StepResult:
        """The work's result under the step's policy."""
        policy = step.policy or around.policy
        match work:
            case Prompted(text=text):
                client, tools, sink, meter = around.client, around.tools, around.sink, around.meter
                runner = StepRunner(text, self._plan, client, tools, sink, meter=meter, cache=around.cache)
                attempt = partial(runner.attempt, step.model_copy(update={"text": text, "depends_on": ()}), {})
            case Called(arguments=arguments):
                attempt = ToolCall(step, str(definition.tool), arguments, around.tools, around.sink, around.meter)
            case Nested():
                # its own steps are counted, and held to the run's time
                return await Attempts(step.id, policy, Subrun(step, work, around, iteration)).answer(step.expert)
            case Unfilled(error=error):
                return await _unfilled(step, error, policy)
        around.meter.start_step()
        async with around.meter.in_time():
            return await Attempts(step.id, policy, attempt).answer(step.expert)


@dataclass(frozen=True, slots=True)
class Subrun:
    """An Attempt that runs a sub-workflow."""

    step: Step
    work: Nested
    around: Surroundings
    iteration: int

    async def __call__(self, expert: str, sampling: Sampling, sample: int) -> StepResult:
        """The sub-workflow's output; a failure is a result. Raises BudgetExhausted."""
        workflow, inputs, step = self.work.workflow, self.work.inputs, self.step
        plan = plan_of(workflow)
        memo = self.around.memo and PartMemo(self.around.memo, step.id, self.iteration, self.work.digest)
        inner = replace(self.around, sink=PartSink(self.around.sink, step.id, "", plan), memo=memo)
        runner = WorkflowStepRunner(workflow, inputs, plan, inner)
        async with Dispatcher(plan, runner.run, inner.sink, memo=memo) as dispatcher:
            found = await asyncio.gather(*(dispatcher.result_of(one, {}) for one in plan.steps))
        if isinstance(dispatcher.stopped, BudgetExhausted):
            raise dispatcher.stopped
        results = {one.id: one for one in found}
        output = await asyncio.to_thread(output_of, workflow, inputs, plan, results, runner.renderer)
        fault = dispatcher.stopped.reason if dispatcher.stopped else output.fault
        if fault:
            result = StepResult(id=step.id, status="error", error=fault, error_kind="step")
        else:
            result = StepResult(
                id=step.id,
                status="success",
                result=output.text,
                data=output.data,
                confidence=min(one.confidence for one in found),
                warnings=tuple(
                    f"{plan.steps[one.id - 1].name}: {warning}" for one in found for warning in one.warnings
                ),
                sources=_sources(found),
            )
        return with_tokens(result, found)


def together(step: int, parts: Sequence[StepResult]) -> StepResult:
    """The result of a loop: of all its items, or none if one of them has failed."""
    failed = [(k, part) for k, part in enumerate(parts, start=1) if part.status != "success"]
    if failed:
        k, first = failed[0]
        error = f"{len(failed)} of {len(parts)} items failed; [{k}]: {first.error}"
        return with_tokens(StepResult(id=step, status="error", error=error, error_kind=first.error_kind), parts)
    result = StepResult(
        id=step,
        status="success",
        result="\n".join(part.result for part in parts),
        data=[{"result": part.result, "data": part.data} for part in parts],
        confidence=min((part.confidence for part in parts), default=1.0),
        warnings=tuple(f"[{k}]: {one}" for k, part in enumerate(parts, start=1) for one in part.warnings),
        sources=_sources(parts),
    )
    return with_tokens(result, parts)


def _sources(parts: Sequence[StepResult]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(source for part in parts for source in part.sources))


async def _unfilled(step: Step, error: str, policy: StepPolicy) -> StepResult:
    """The failure, or the default: nobody could be asked anything, again or instead."""
    failed = StepResult(id=step.id, status="error", error=error, error_kind="step")

    async def attempt(expert: str, sampling: Sampling, sample: int) -> StepResult:
        return failed

    if policy.on_failure != "default":
        return failed
    policy = StepPolicy(on_failure="default", default=policy.default)
    return await Attempts(step.id, policy, attempt).answer(step.expert)


def _unasked(step: Step, question: StepResult) -> StepResult:
    """Of a step for a person whose question was not asked, or whom nobody asks."""
    if question.status != "success":
        reason, kind = f"its question was not asked: {question.error}", question.error_kind
        return StepResult(id=step.id, status=question.status, error=reason, error_kind=kind)
    reason = "nobody is there who could be asked; run it where a person answers"
    return StepResult(id=step.id, status="error", error=reason, error_kind="step")
