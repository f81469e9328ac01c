"""Plans and runs as Mermaid flowcharts."""

from graphs.events import Answered, StepResult
from graphs.mermaid import escaped, plan_flowchart, run_flowchart
from graphs.plan import Plan, Step

PLAN = Plan(
    steps=(
        Step(id=1, text='How many "books"?', expert="sql"),
        Step(id=2, text="Multiply #1 by 12.", expert="math"),
        Step(id=3, text="x" * 100, expert="law"),
    )
)


def test_a_plan_is_drawn_with_its_edges() -> None:
    assert plan_flowchart(PLAN).splitlines() == [
        "flowchart TD",
        '    s1["1 · sql<br/>How many #quot;books#quot;?"]',
        '    s2["2 · math<br/>Multiply #35;1 by 12."]',
        f'    s3["3 · law<br/>{"x" * 79}…"]',
        '    joiner(["answer"])',
        "    s1 --> s2",
        "    s2 --> joiner",
        "    s3 --> joiner",
    ]


def test_a_run_is_drawn_with_results_times_and_colours() -> None:
    results = {
        1: StepResult(id=1, status="success", result="24", seconds=0.5, warnings=("'Ana' was not used",)),
        2: StepResult(id=2, status="success", result="288", seconds=1.25),
        3: StepResult(id=3, status="error", error="the engine has stopped", seconds=0.1),
    }
    lines = run_flowchart(PLAN, results, Answered(answer="", source="assembled", seconds=0.2)).splitlines()
    assert '    s2["2 · math<br/>Multiply #35;1 by 12.<br/>288<br/>1.25 s"]' in lines
    assert lines[3].endswith('…<br/>error: the engine has stopped<br/>0.10 s"]')
    assert '    joiner(["answer (assembled), 0.20 s"])' in lines
    assert lines[-3:] == ["    class s1 unverified", "    class s2 success", "    class s3 error"]


def test_a_run_that_waits_marks_the_steps_that_do() -> None:
    lines = run_flowchart(PLAN, {1: StepResult(id=1, status="success", result="24")}, None, waiting=[3]).splitlines()
    assert lines[3].endswith('…<br/>waits for a person"]')
    assert lines[-2:] == ["    class s1 success", "    class s3 waiting"]


def test_text_cannot_leave_its_label() -> None:
    assert escaped('"]; click s1 "x"\n<b>&#`\\') == "#quot;]; click s1 #quot;x#quot; #lt;b#gt;#amp;#35;#96;#92;"
