"""A plan goes on behind what is finished."""

from graphs.events import StepResult
from graphs.plan import Plan, Step
from graphs.replanning import continued, finished_steps

PLAN = Plan(
    steps=(
        Step(id=1, text="count the books", expert="law"),
        Step(id=2, text="count the members", expert="sql"),
        Step(id=3, text="double #2", expert="math"),
        Step(id=4, text="add #1 and #3", expert="math"),
    )
)
RESULTS = {
    1: StepResult(id=1, status="error", error="no idea"),
    2: StepResult(id=2, status="success", result="3"),
    3: StepResult(id=3, status="success", result="6"),
    4: StepResult(id=4, status="skipped"),
}


def test_finished_steps_are_numbered_anew() -> None:
    finished = finished_steps(PLAN, RESULTS)
    assert [(step.id, step.text, step.depends_on) for step in finished] == [
        (1, "count the members", ()),
        (2, "double #1", (1,)),
    ]
    assert Plan(steps=finished).sinks == (finished[1],)


def test_new_steps_stand_behind_all_others_and_refer_to_the_finished_ones() -> None:
    written = (
        *finished_steps(PLAN, RESULTS),
        Step(id=3, text="count the books", expert="sql"),
        Step(id=4, text="add #2 and #3", expert="math"),
    )
    plan = continued(PLAN, RESULTS, written, 2)
    assert plan is not None
    assert plan.steps[:4] == PLAN.steps
    assert [(step.id, step.text, step.depends_on, step.round) for step in plan.steps[4:]] == [
        (5, "count the books", (), 2),
        (6, "add #3 and #5", (3, 5), 2),
    ]
    assert [step.id for step in plan.sinks] == [6]
    assert [step.id for step in plan.answering] == [2, 3, 5, 6]
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_what_was_tried_is_not_tried_again() -> None:
    kept = finished_steps(PLAN, RESULTS)
    assert continued(PLAN, RESULTS, kept, 2) is None
    same = (Step(id=3, text="count the books", expert="law"), Step(id=4, text="add #3 and #2", expert="math"))
    assert continued(PLAN, RESULTS, (*kept, *same), 2) is None
    other = same[0].model_copy(update={"expert": "sql"})
    assert continued(PLAN, RESULTS, (*kept, other, same[1]), 2) is not None
