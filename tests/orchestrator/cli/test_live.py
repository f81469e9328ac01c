"""How a run looks in the terminal."""

import io

from rich.console import Console

from graphs.events import (
    Answered,
    AnswerWanted,
    Planned,
    PlanToken,
    StepFinished,
    StepResult,
    StepStarted,
    StepToken,
    ToolCalled,
)
from graphs.plan import Plan, Step
from orchestrator.cli.live import RunView, plain_lines, printable
from orchestrator.events import RunFinished, RunInterrupted, RunStarted, TraceEvent
from orchestrator.run import RunError, RunStatus, Timings, Usage

PLAN = Plan(
    steps=(
        Step(id=1, text="48 / 2", expert="math", scores={"math": 0.93, "general": 0.07}),
        Step(id=2, text="say #1 in [red]words[/red]", expert="general"),
    )
)


def shown(*events: TraceEvent) -> str:
    view = RunView("half of 48?")
    for event in events:
        view.apply(event)
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    console.print(view)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_plan_is_shown_while_it_is_written() -> None:
    assert "48 /" in shown(RunStarted(run_id="r", task="t", worker="w"), PlanToken(text="48"), PlanToken(text=" /"))


def test_each_step_with_expert_score_and_what_it_writes() -> None:
    text = shown(
        Planned(plan=PLAN),
        StepStarted(step=1, expert="math", version="m1", text="48 / 2"),
        StepToken(step=1, text="a1 = "),
        StepToken(step=1, text="48"),
    )
    assert "half of 48?" in text
    assert "#1 math 0.93  48 / 2" in text
    assert "a1 = 48" in text
    assert "#2 general  say #1 in [red]words[/red]" in text


def test_results_calls_answer_and_times() -> None:
    finished = RunFinished(
        run_id="r1",
        status=RunStatus.SUCCESS,
        usage=Usage(num_prompt_tokens=30, num_output_tokens=7),
        timings=Timings(plan=1.25, total=3.5),
    )
    text = shown(
        Planned(plan=PLAN),
        StepStarted(step=1, expert="math", version="m1", text="48 / 2"),
        ToolCalled(step=1, tool="calculator", call="48 / 2", result="24"),
        StepFinished(result=StepResult(id=1, status="success", result="24", seconds=0.84, warnings=("in doubt",))),
        StepFinished(result=StepResult(id=2, status="error", error="it was told to fail")),
        Answered(answer="It is 24.", source="assembled"),
        finished,
    )
    assert "calculator: 48 / 2" in text
    assert "✓ 24 (0.8 s) [in doubt]" in text
    assert "✗ error: it was told to fail" in text
    assert "It is 24." in text
    assert "success: plan 1.2 s, answer 0.0 s, total 3.5 s, 30 + 7 tokens, run r1" in text


def test_a_run_that_failed_says_why() -> None:
    error = RunError(type="cancelled", message="stopped by the operator", remedy="start the run again")
    text = shown(RunFinished(run_id="r1", status=RunStatus.CANCELLED, error=error))
    assert "cancelled (stopped by the operator)" in text


def test_nothing_that_is_written_drives_the_terminal() -> None:
    assert printable("a\x1b[2Jb\rc\x07\nd\te\x9b") == "a[2Jbc\nd\te"
    assert "\x1b" not in shown(Answered(answer="\x1b[31mred", source="joiner"))


def test_plain_lines_have_no_tokens() -> None:
    view = RunView("t")
    view.apply(Planned(plan=PLAN, warnings=("it may be unfinished",)))
    assert plain_lines(view, Planned(plan=PLAN, seconds=0.5, warnings=("it may be unfinished",))) == [
        "plan: 2 steps (0.5 s)",
        "it may be unfinished",
    ]
    assert plain_lines(view, StepToken(step=1, text="a")) == []


def test_a_result_from_the_cache_is_shown_as_such() -> None:
    found = StepResult(id=1, status="success", result="48", is_cached=True, warnings=("the expert was unsure",))
    assert plain_lines(RunView("t"), StepFinished(result=found)) == ["#1 ✓ 48 (cached) [the expert was unsure]"]


def test_a_step_that_waits_for_a_person() -> None:
    plan = Plan(steps=(Step(id=1, text="Pay it?", expert="person"),))
    wanted = AnswerWanted(step=1, digest="d", text="Pay 48?")
    waiting = shown(Planned(plan=plan), wanted)
    assert "#1 person  Pay 48?" in waiting and "waits for a person" in waiting
    answered = StepFinished(result=StepResult(id=1, status="success", result="yes", answered_by="ana"))
    told = shown(Planned(plan=plan), wanted, answered)
    assert "✓ yes (by ana)" in told and "waits" not in told
    interrupted = RunInterrupted(run_id="r", steps=(1, 4))
    assert plain_lines(RunView("t"), interrupted) == ["interrupted: waits for a person to answer step 1, 4"]
