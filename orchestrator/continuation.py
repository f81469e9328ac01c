"""A run that goes on from another one: what it is asked, and what of the other's memo it keeps."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from graphs.events import Planned, StepResult
from graphs.plan import Plan, Step
from graphs.protocols import StepKey
from graphs.workflows.plans import definition_of
from orchestrator.claimed_run import PLAN_FIELD
from orchestrator.errors import RunNotResumableError, RunRefusedError
from orchestrator.run import Run, RunStatus
from orchestrator.step_memo import set_field, step_of

Memo = Mapping[str, str]
_EDITABLE = ("text", "expert", "result")


@dataclass(frozen=True, slots=True)
class Continuation:
    """A plan, if there was one, and the executions of steps that are not done again."""

    plan: Plan | None
    memo: Memo
    thread_id: str | None = None
    """What is resumed stays in its thread; a fork tries something else, beside it."""


def resumed(run: Run, memo: Memo) -> Continuation:
    """All that succeeded is kept; what failed or was not reached is done. Raises RunNotResumableError."""
    if not run.status.is_terminal or run.status is RunStatus.SUCCESS:
        raise RunNotResumableError(run.id, run.status)
    return Continuation(run.plan, dict(_successes(memo)), run.thread_id)


def forked(run: Run, memo: Memo, step_id: int, edits: Mapping[str, str]) -> Continuation:
    """What succeeded without the step is kept; the step, edited, and what depends on it is done.

    Edits are of the step's `text` and `expert`, or of its `result`: then it is not run, only what depends on it is.
    Raises RunNotResumableError, RunRefusedError, and ValueError of a step whose text is not valid.
    """
    if not run.status.is_terminal:
        raise RunNotResumableError(run.id, run.status)
    if run.plan is None or step_id not in {step.id for step in run.plan.steps}:
        steps = f"steps 1 to {len(run.plan.steps)}" if run.plan else "no plan"
        raise RunRefusedError(f"run {run.id!r} has {steps}, no step {step_id}", f"see them: ccoe runs show {run.id}")
    _check(edits)
    plan = _edited(run.plan, step_id, edits)
    dropped = _dependents(plan, step_id)
    # the plan is kept as it is edited, its drafts are not
    kept = {field: text for field, text in _successes(memo) if step_of(field) not in {None, *dropped}}
    if planned := memo.get(PLAN_FIELD):
        kept[PLAN_FIELD] = Planned.model_validate_json(planned).model_copy(update={"plan": plan}).model_dump_json()
    if "result" in edits:
        key = StepKey(step_id, "", plan.steps[step_id - 1].round)
        kept[set_field(key)] = _set_result(run, step_id, edits["result"]).model_dump_json()
    return Continuation(plan, kept)


def _successes(memo: Memo) -> Iterator[tuple[str, str]]:
    for field, text in memo.items():
        if step_of(field) is None or StepResult.model_validate_json(text).status == "success":
            yield field, text


def _check(edits: Mapping[str, str]) -> None:
    if unknown := sorted(set(edits) - set(_EDITABLE)):
        raise RunRefusedError(f"{', '.join(unknown)} of a step cannot be set", f"set {', '.join(_EDITABLE)}")
    if "result" in edits and len(edits) > 1:
        raise RunRefusedError("a step whose result is set is not run", "set its result, or its text and expert")


def _edited(plan: Plan, step_id: int, edits: Mapping[str, str]) -> Plan:
    def edited(step: Step) -> Step:
        # dependencies that the old text made go with it
        others = set(step.depends_on) - set(step.references)
        fields = {**step.model_dump(), "depends_on": tuple(others), **edits}
        fields.pop("result", None)
        of_expert = (
            {"scores": {}, "planner_scores": {}, "gate_scores": {}, "question": None} if "expert" in edits else {}
        )
        return Step.model_validate({**fields, **of_expert})

    return Plan(steps=tuple(edited(step) if step.id == step_id else step for step in plan.steps))


def _dependents(plan: Plan, step_id: int) -> set[int]:
    """The step and all that need it."""
    found = {step_id}
    for step in plan.steps:
        if found & set(step.depends_on):
            found.add(step.id)
    return found


def _set_result(run: Run, step_id: int, text: str) -> StepResult:
    """The text as the step's result. Of a loop it is a list, as templates see it: JSON, or else of one item."""
    result = StepResult(id=step_id, status="success", result=text)
    if run.workflow is None or run.plan is None:
        return result
    if definition_of(run.workflow, run.plan.steps[step_id - 1]).for_each is None:
        return result
    items = [item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for item in _listed(text)]
    data = [{"result": item, "data": None} for item in items]
    return result.model_copy(update={"result": "\n".join(items), "data": data})


def _listed(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return [text]
    return cast("list[Any]", found) if isinstance(found, list) else [text]
