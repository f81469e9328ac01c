"""A plan and a run as Mermaid flowcharts."""

from collections.abc import Collection, Mapping

from graphs.events import Answered, StepResult
from graphs.plan import Plan, Step
from graphs.state import Results

MAX_LABEL_CHARS = 80
_STYLES = """\
    classDef success fill:#d3f9d8,stroke:#2b8a3e,color:#1b1b1b
    classDef unverified fill:#fff3bf,stroke:#e67700,color:#1b1b1b
    classDef error fill:#ffe3e3,stroke:#c92a2a,color:#1b1b1b
    classDef waiting fill:#e5dbff,stroke:#5f3dc4,color:#1b1b1b
    classDef skipped fill:#f1f3f5,stroke:#868e96,color:#1b1b1b,stroke-dasharray:4"""
# translated in one pass, so that no entity is escaped again
_ENTITIES = {"#": "#35;", "&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;", "\\": "#92;"}


def plan_flowchart(plan: Plan) -> str:
    """The steps of a plan, their experts and dependencies."""
    return _flowchart(plan, {step.id: [] for step in plan.steps}, "answer")


def run_flowchart(plan: Plan, results: Results, answered: Answered | None, waiting: Collection[int] = ()) -> str:
    """A run: the plan with each step's shortened result and time, coloured by its status.

    Of a run that waits for a person there is no answer; the steps that wait are marked.
    """
    found = {step.id: _outcome(results[step.id]) if step.id in results else [] for step in plan.steps}
    found |= {k: ["waits for a person"] for k in waiting}
    statuses = {k: _status(result) for k, result in results.items()} | dict.fromkeys(waiting, "waiting")
    classes = [f"    class s{step.id} {statuses[step.id]}" for step in plan.steps if step.id in statuses]
    chart = _flowchart(plan, found, f"answer ({answered.source}), {answered.seconds:.2f} s" if answered else "answer")
    return "\n".join([chart, _STYLES, *classes])


def escaped(text: str) -> str:
    """One line of text that is safe in a quoted Mermaid label."""
    return " ".join(text.translate(str.maketrans(_ENTITIES)).split())


def _flowchart(plan: Plan, found: Mapping[int, list[str]], answer: str) -> str:
    lines = ["flowchart TD"]
    lines += [_node(step, found[step.id]) for step in plan.steps]
    lines.append(f'    joiner(["{escaped(answer)}"])')
    lines += [f"    s{k} --> s{step.id}" for step in plan.steps for k in step.depends_on]
    lines += [f"    s{step.id} --> joiner" for step in plan.sinks]
    return "\n".join(lines)


def _node(step: Step, found: list[str]) -> str:
    name = f"{step.name} · " if step.name else ""
    label = "<br/>".join([escaped(f"{step.id} · {name}{step.expert}"), escaped(_shortened(step.text)), *found])
    return f'    s{step.id}["{label}"]'


def _outcome(result: StepResult) -> list[str]:
    text = result.result if result.status == "success" else f"{result.status}: {result.error}"
    return [escaped(_shortened(text)), f"{result.seconds:.2f} s"]


def _status(result: StepResult) -> str:
    return "unverified" if result.status == "success" and result.warnings else result.status


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_LABEL_CHARS else text[: MAX_LABEL_CHARS - 1] + "…"
