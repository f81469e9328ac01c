"""An assembled answer never shows a doubtful result as a plain one."""

from graphs.assembly import assemble_answer
from graphs.events import StepResult
from graphs.plan import Plan, Step


def plan_of(*texts: str) -> Plan:
    return Plan(steps=tuple(Step(id=k, text=text, expert="math") for k, text in enumerate(texts, start=1)))


def success(step: int, result: str, *warnings: str) -> StepResult:
    return StepResult(id=step, status="success", result=result, warnings=warnings)


def test_a_line_per_sink_with_results_filled_in() -> None:
    plan = plan_of("How many?", "Double #1.", "Which clause?")
    results = {1: success(1, "12"), 2: success(2, "24"), 3: success(3, "Anti-Assignment")}
    assert assemble_answer(plan, results, ()) == "- Double 12. → 24\n- Which clause? → Anti-Assignment"


def test_failed_and_skipped_steps_say_so() -> None:
    plan = plan_of("How many?", "Double #1.", "Halve 10.")
    results = {
        1: StepResult(id=1, status="error", error="sql: no row matches"),
        2: StepResult(id=2, status="skipped", error="it needs step 1, which was not answered (sql: no row matches)"),
        3: success(3, "5"),
    }
    assert assemble_answer(plan, results, ()).splitlines() == [
        "- How many? → not answered: sql: no row matches",
        "- Double #1. → not answered: it needs step 1, which was not answered (sql: no row matches)",
        "- Halve 10. → 5",
    ]


def test_doubts_reach_what_rests_on_them() -> None:
    plan = plan_of("How many?", "Double #1.", "Halve #2.")
    results = {1: success(1, "12", "'Ana' was not used"), 2: success(2, "24"), 3: success(3, "12", "2 was not used")}
    assert assemble_answer(plan, results, ()) == (
        "- Halve 24. → 12 (unverified: 2 was not used; step 1: 'Ana' was not used)"
    )


def test_longer_results_stand_below_and_the_plans_warnings_at_the_end() -> None:
    answer = assemble_answer(plan_of("Write it."), {1: success(1, "def f():\n    return 1")}, ["the plan leaves out 7"])
    assert answer == "- Write it. →\n  def f():\n      return 1\nNote: the plan leaves out 7."
