"""Errands: tasks in many shapes whose steps quote them, and whose calculations give the results that are used later."""

import hashlib
import random
import re

import pytest

from experts.training.rows import Quote
from experts.training.synthesis.errands import Errand, Errands
from experts.training.synthesis.notes import Notes
from experts.training.synthesis.subjects import Subject
from experts.training.synthesis.tasks import World
from experts.training.synthesis.vocabulary import Vocabulary
from graphs.plan import Step
from graphs.plan_review import faults
from graphs.tools.arithmetic import compute, format_number

SEEDS = range(250)
CLAUSE = "The licence ends with the year."


TEXTS = {
    ("law", "law"): (CLAUSE, "The buyer pays for the freight."),
    ("medical", "medical"): ("The skin turns red.", "It is seen in one child of a thousand."),
    ("medical question", "medical"): ("What causes gout?", "Is there a cure for flu?"),
    ("code", "code"): ("sort a list", "read a file"),
    ("shell", "code"): ("list all files", "show the date"),
    ("problem", "math"): ("Ann has 3 nuts. She eats 2. How many are left?",),
    ("general", "general"): ("Who wrote Emma?", "Who painted Guernica?"),
}
SUBJECTS = {
    kind: [
        Subject(text, kind, expert, Quote(kind, text), *(("3 - 2", "1") if kind == "problem" else ())) for text in texts
    ]
    for (kind, expert), texts in TEXTS.items()
}


def drawn(seed: int) -> Errand:
    world = World(Vocabulary.load(), [], Notes.load("notes"), lambda text: format_number(compute(text).value))
    return Errands(world, SUBJECTS).draw(random.Random(seed))


def test_the_same_seed_draws_the_same_errand() -> None:
    assert drawn(3) == drawn(3) != drawn(4)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_plan_of_the_steps_has_no_fault(seed: int) -> None:
    """Steps quote the task or an earlier turn, name every number and name, and use results that are there."""
    errand = drawn(seed)
    steps = [Step(id=k, text=piece.step, expert=piece.expert) for k, piece in enumerate(errand.composed.steps, 1)]
    earlier = [text for turn in errand.turns for text in turn]
    found = faults(errand.composed.task, steps, earlier)
    # a sentence may ask two things in one step, as `Is it more than 3, and by how much?`
    assert [fault for fault in found if not fault.startswith("the task asks")] == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_calculation_gives_the_result_that_later_steps_use(seed: int) -> None:
    pieces = drawn(seed).composed.steps
    for piece in pieces:
        used = [pieces[int(k) - 1].result for k in re.findall(r"#(\d+)", piece.step)]
        if piece.expert == "math" and piece.written:
            assert format_number(compute(piece.written).value) == piece.result
            assert all(result in piece.written for result in used)


def test_all_shapes_are_drawn() -> None:
    errands = [drawn(seed) for seed in range(600)]
    tasks = [errand.composed.task for errand in errands]
    assert any("\n- " in task for task in tasks)
    assert any(" and " in task for task in tasks)
    assert any("And how many" in task for task in tasks)
    assert {1, 2, 3, 4} <= {len(errand.composed.steps) for errand in errands}
    assert {piece.expert for errand in errands for piece in errand.composed.steps} == {
        "code", "general", "law", "math", "medical", "reader", "sql"
    }  # fmt: skip


def test_a_turn_gives_the_number_that_the_next_task_computes_with() -> None:
    """`And what about 5 of the same kind?` behind `The answer is 640.` is `640: And what about …`."""
    computed = [
        (errand.turns[-1][1], piece.step.partition(": ")[0])
        for errand in map(drawn, range(600))
        for piece in errand.composed.steps[:1]
        if errand.turns and re.match(r"\d+: ", piece.step)
    ]
    assert computed
    assert all(number in answer for answer, number in computed)


def test_the_rows_that_a_task_quotes_are_named() -> None:
    quoting = [errand for errand in map(drawn, SEEDS) if CLAUSE in errand.composed.task]
    assert quoting
    assert all(Quote("law", CLAUSE) in errand.composed.quotes for errand in quoting)


def test_errands_are_those_that_the_shipped_experts_were_trained_on() -> None:
    """Words, phrases and draws are part of a recipe: a change would make other rows of the same seed."""
    text = "\n".join(repr(drawn(seed)) for seed in SEEDS)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "e5ef2ad96e6370f4"
