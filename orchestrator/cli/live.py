"""A run in the terminal: a tree that grows while the run goes on, or plain lines where nobody watches."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from graphs.events import (
    Answered,
    AnswerToken,
    AnswerWanted,
    PartFinished,
    Planned,
    PlanToken,
    StepFinished,
    StepResult,
    StepStarted,
    StepToken,
    ToolCalled,
)
from graphs.plan import Plan, Step
from orchestrator.events import RunFinished, RunInterrupted, RunStarted, TraceCut, TraceEntry, TraceEvent
from orchestrator.run import Run

_MARKS = {"success": "✓", "error": "✗", "skipped": "–"}
_STYLES = {"success": "green", "error": "red", "skipped": "yellow"}
_NO_CONTROL = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}


def printable(text: str) -> str:
    """Text that cannot drive the terminal: control characters are taken out."""
    return text.translate(_NO_CONTROL)


@dataclass(slots=True)
class RunView:
    """What is known of a run so far."""

    task: str
    planning: str = ""
    draft: int = 1
    plan: Plan | None = None
    source: str = ""
    """Who made the plan."""
    plan_seconds: float = 0.0
    asked: dict[int, StepStarted] = field(default_factory=dict[int, StepStarted])
    written: dict[int, str] = field(default_factory=dict[int, str])
    wanted: dict[int, AnswerWanted] = field(default_factory=dict[int, AnswerWanted])
    called: dict[int, ToolCalled] = field(default_factory=dict[int, ToolCalled])
    parts: dict[int, list[PartFinished]] = field(default_factory=dict[int, list[PartFinished]])
    results: dict[int, StepResult] = field(default_factory=dict[int, StepResult])
    answer: str = ""
    answered: Answered | None = None
    cut: TraceCut | None = None
    finished: RunFinished | None = None

    def apply(self, event: TraceEvent) -> None:
        """Take in one event."""
        match event:
            case RunStarted():
                self.planning = self.answer = ""  # what a worker that is gone had begun is written anew
            case PlanToken():
                self.planning = self.planning * (event.draft == self.draft) + event.text
                self.draft = event.draft
            case Planned():
                self.plan, self.plan_seconds, self.source = event.plan, event.seconds, event.source
            case StepStarted():
                self.asked[event.step] = event
                self.written[event.step] = ""
            case StepToken():
                self.written[event.step] = self.written.get(event.step, "") + event.text
            case AnswerWanted():
                self.wanted[event.step] = event
            case ToolCalled():
                self.called[event.step] = event
            case PartFinished():
                self.parts.setdefault(event.step, []).append(event)
            case StepFinished():
                self.results[event.result.id] = event.result
            case AnswerToken():
                self.answer += event.text
            case Answered():
                self.answered, self.answer = event, event.answer
            case TraceCut():
                self.cut = event
            case RunFinished():
                self.finished = event
            case _:
                pass

    def __rich__(self) -> Group:
        tree = Tree(Text(printable(self.task), style="bold"))
        if self.plan is None:
            tree.add(Text(printable(self.planning) or "planning", style="dim"))
        for step in self.plan.steps if self.plan else ():
            self._add_step(tree, step)
        parts: list[Tree | Text] = [tree]
        if self.answer:
            parts.append(Text(f"\n{printable(self.answer)}\n", style="bold"))
        if self.cut is not None:
            said = f"text of steps is left out: the trace has {self.cut.max_entries} entries (CCOE_MAX_TRACE_ENTRIES)"
            parts.append(Text(said, style="dim"))
        if self.finished is not None:
            parts.append(Text(closing_line(self.finished), style="dim"))
        return Group(*parts)

    def _add_step(self, tree: Tree, step: Step) -> None:
        branch = tree.add(Text(step_line(step, self.asked.get(step.id) or self.wanted.get(step.id))))
        result = self.results.get(step.id)
        if step.id in self.called:
            branch.add(Text(f"{self.called[step.id].tool}: {printable(self.called[step.id].call)}", style="dim"))
        elif result is None and step.id in self.written:
            branch.add(Text(printable(self.written[step.id]), style="dim"))
        if result is None and step.id in self.wanted and self.finished is None:
            branch.add(Text("waits for a person", style="magenta"))
        for part in self.parts.get(step.id, ()):
            branch.add(Text(f"{part.part} {result_line(part.result)}", style=_STYLES[part.result.status]))
        if result is not None:
            branch.add(Text(result_line(result), style=_STYLES[result.status]))


def step_line(step: Step, asked: StepStarted | AnswerWanted | None) -> str:
    """`#2 math 0.93  text`: the score is the planner's, the text has short results filled in."""
    score = f" {step.scores[step.expert]:.2f}" if step.expert in step.scores else ""
    name = f"{step.name} · " if step.name else ""
    return f"#{step.id} {name}{step.expert}{score}  {printable(asked.text if asked else step.text).strip()}"


def result_line(result: StepResult) -> str:
    """`✓ 48 (0.8 s)`, `✓ 48 (cached)`, or why there is no result."""
    said = result.result if result.status == "success" else f"{result.status}: {result.error}"
    said += f" (by {result.answered_by})" if result.answered_by and result.status == "success" else ""
    warned = f" [{'; '.join(result.warnings)}]" if result.warnings else ""
    took = "cached" if result.is_cached else f"{result.seconds:.1f} s"
    return f"{_MARKS[result.status]} {printable(said)} ({took}){printable(warned)}"


def closing_line(finished: RunFinished) -> str:
    """`success: plan 1.2 s, answer 0.4 s, total 3.1 s, 512 + 64 tokens, run 0193...`."""
    timings, usage = finished.timings, finished.usage
    reason = f" ({printable(finished.error.message)})" if finished.error else ""
    return (
        f"{finished.status}{reason}: plan {timings.plan:.1f} s, answer {timings.answer:.1f} s, "
        f"total {timings.total:.1f} s, {usage.num_prompt_tokens} + {usage.num_output_tokens} tokens, "
        f"run {finished.run_id}"
    )


def recorded(run: Run) -> RunView:
    """An ended run as its record has it, without what only the trace knows."""
    view = RunView(run.task, plan=run.plan, results=dict(run.steps), answer=run.answer or "")
    view.plan_seconds = run.timings.plan
    view.apply(RunFinished(run_id=run.id, status=run.status, error=run.error, usage=run.usage, timings=run.timings))
    return view


class Watcher(Protocol):
    """Shows a run as long as there are entries."""

    async def __call__(self, view: RunView, entries: AsyncIterator[TraceEntry]) -> None: ...


async def watch_live(view: RunView, entries: AsyncIterator[TraceEntry]) -> None:
    """A tree in a terminal; it stays on the screen."""
    with Live(view, console=Console(highlight=False), refresh_per_second=12):
        async for entry in entries:
            view.apply(entry.event)


async def watch_plain(view: RunView, entries: AsyncIterator[TraceEntry]) -> None:
    """A line for each thing that is done."""
    console = Console(highlight=False, soft_wrap=True)
    async for entry in entries:
        view.apply(entry.event)
        for line in plain_lines(view, entry.event):
            console.print(Text(line))


async def watch_silently(view: RunView, entries: AsyncIterator[TraceEntry]) -> None:
    """Nothing on the screen."""
    async for entry in entries:
        view.apply(entry.event)


def plain_lines(view: RunView, event: TraceEvent) -> list[str]:
    """What an event adds to a log; tokens add nothing."""
    match event:
        case Planned():
            return [f"plan: {len(event.plan.steps)} steps ({event.seconds:.1f} s)", *event.warnings]
        case StepStarted() | AnswerWanted():
            assert view.plan is not None
            return [step_line(view.plan.steps[event.step - 1], event)]
        case ToolCalled():
            return [f"#{event.step} {event.tool}: {printable(event.call)}"]
        case PartFinished():
            return [f"#{event.step} {event.part} {result_line(event.result)}"]
        case StepFinished():
            return [f"#{event.result.id} {result_line(event.result)}"]
        case Answered():
            return [f"answer: {printable(event.answer)}"]
        case RunInterrupted():
            return [f"interrupted: waits for a person to answer step {', '.join(map(str, event.steps))}"]
        case RunFinished():
            return [closing_line(event)]
        case _:
            return []
