"""The answer put together from the results, where nobody is trusted to phrase it."""

from collections.abc import Sequence

from graphs.events import StepResult
from graphs.plan import Plan, Step
from graphs.state import Results
from graphs.step_runner import filled_text


def assemble_answer(plan: Plan, results: Results, plan_warnings: Sequence[str]) -> str:
    """A line per sink with its result, and per step that failed; doubts stand beside what they concern."""
    sinks = {step.id for step in plan.sinks}
    shown = [step for step in plan.answering if step.id in sinks or results[step.id].status == "error"]
    lines = [_line(plan, step, results) for step in shown]
    return "\n".join([*lines, *(f"Note: {warning}." for warning in plan_warnings)])


def doubts(plan: Plan, step: Step, results: Results) -> list[str]:
    """The warnings of a step and of all the steps that its result rests on."""
    found = list(results[step.id].warnings)
    for k in _ancestors(plan, step):
        found += [f"step {k}: {warning}" for warning in results[k].warnings]
    return found


def _line(plan: Plan, step: Step, results: Results) -> str:
    question = f"- {filled_text(step, results).strip()} →"
    result = results[step.id]
    if result.status != "success":
        return f"{question} not answered: {result.error}"
    warnings = doubts(plan, step, results)
    mark = f" (unverified: {'; '.join(warnings)})" if warnings else ""
    return f"{question}{mark}\n{_indented(result)}" if "\n" in result.result else f"{question} {result.result}{mark}"


def _indented(result: StepResult) -> str:
    return "\n".join(f"  {line}" for line in result.result.splitlines())


def _ancestors(plan: Plan, step: Step) -> list[int]:
    found: set[int] = set()
    open_ids = list(step.depends_on)
    while open_ids:
        k = open_ids.pop()
        if k not in found:
            found.add(k)
            open_ids += plan.steps[k - 1].depends_on
    return sorted(found)
