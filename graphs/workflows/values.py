"""What a template sees of the steps before it."""

from collections.abc import Mapping
from typing import Any, cast

from jinja2 import StrictUndefined, UndefinedError

from graphs.events import StepResult
from graphs.plan import Plan
from graphs.state import Results
from graphs.workflows.definition import Workflow
from graphs.workflows.templates import SkippedUse


def values_of(workflow: Workflow, inputs: Mapping[str, Any], plan: Plan, results: Results) -> dict[str, Any]:
    """`inputs` and `steps`; a step has result, data, status, error and warnings, those of a loop are lists."""
    steps = {
        step.name: _seen(step.name, results[step.id], workflow.steps[step.name].for_each is not None)
        for step in plan.steps
        if step.name in workflow.steps and step.id in results
    }
    return {"inputs": dict(inputs), "steps": steps}


def has_failed(result: StepResult) -> bool:
    """Whether a step has no result because something failed, and not because its condition said so."""
    return result.status == "error" or (result.status == "skipped" and result.error_kind is not None)


def _seen(name: str, result: StepResult, is_loop: bool) -> dict[str, Any]:
    seen: dict[str, Any] = {"status": result.status, "error": result.error, "warnings": list(result.warnings)}
    if result.status != "success":
        hint = f"step {name!r} has no result, it was {'skipped' if result.status == 'skipped' else 'not answered'}"
        kind = UndefinedError if has_failed(result) else SkippedUse
        return {**seen, **{field: StrictUndefined(hint, name=field, exc=kind) for field in ("result", "data")}}
    if not is_loop or result.data is None:
        return {**seen, "result": result.result, "data": result.data}
    items = cast("list[dict[str, Any]]", result.data)
    return {**seen, "result": [item["result"] for item in items], "data": [item["data"] for item in items]}
