"""What a workflow gives: its output filled in, or the results that nothing else uses."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from graphs.errors import RenderError
from graphs.plan import Plan
from graphs.state import Results
from graphs.workflows.definition import Workflow
from graphs.workflows.templates import Renderer, SkippedUse
from graphs.workflows.values import has_failed, values_of


@dataclass(frozen=True, slots=True)
class Output:
    """The output as text, its value if it is more than a text, and what keeps it from being whole."""

    text: str
    data: JsonValue = None
    fault: str = ""


def output_of(
    workflow: Workflow, inputs: Mapping[str, Any], plan: Plan, results: Results, renderer: Renderer
) -> Output:
    """The output. If it cannot be made, the results that there are, and why."""
    if workflow.output is None:
        failed = [step for step in plan.sinks if has_failed(results[step.id])]
        has_result = any(results[step.id].status == "success" for step in plan.sinks)
        fault = "" if has_result or not failed else f"no result of {', '.join(str(step.name) for step in failed)}"
        return Output(_results(plan, results), fault=fault)
    try:
        value = renderer.filled(workflow.output, values_of(workflow, inputs, plan, results))
    except (RenderError, SkippedUse) as error:
        return Output(_results(plan, results), fault=f"the output cannot be made: {error}")
    return Output(value) if isinstance(value, str) else Output(json.dumps(value, ensure_ascii=False, indent=2), value)


def _results(plan: Plan, results: Results) -> str:
    """Of the steps that no other one uses, each with its name if there are several; failures too."""
    lines: list[str] = []
    for step in plan.sinks:
        result = results[step.id]
        if result.status == "success":
            lines.append(f"{step.name}: {result.result}" if len(plan.sinks) > 1 else result.result)
        elif has_failed(result):
            lines.append(f"{step.name}: not answered: {result.error}")
    return "\n".join(lines)
