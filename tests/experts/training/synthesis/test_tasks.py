"""Composed tasks: every step is right for its task, and its query runs on the tables it names."""

import hashlib
import random
import re
import sqlite3

import pytest

from experts.training.synthesis.notes import Notes
from experts.training.synthesis.queries import Query, draw_pair, draw_query
from experts.training.synthesis.tasks import ComposedTask, Topic, World, compose
from experts.training.synthesis.vocabulary import Vocabulary
from graphs.tools.arithmetic import compute, format_number

SEEDS = range(150)
TOPIC = Topic("Write a bash command: list all files", "code", "ls -a")


def composed(seed: int, *, with_files: bool = False) -> ComposedTask:
    world = World(Vocabulary.load(), [TOPIC], Notes.load("notes"), lambda text: format_number(compute(text).value))
    return compose(random.Random(seed), world, with_files=with_files)


def test_the_same_seed_composes_the_same_task() -> None:
    assert composed(3) == composed(3) != composed(4)


def test_composed_tasks_are_those_that_the_shipped_experts_were_trained_on() -> None:
    """Words, templates and draws are part of a recipe: a change would make other rows of the same seed."""
    text = "\n".join(repr(composed(seed)) for seed in SEEDS)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "175f6548b93b62ad"


@pytest.mark.parametrize("seed", SEEDS)
def test_steps_refer_to_earlier_steps_and_keep_the_tasks_numbers(seed: int) -> None:
    made = composed(seed)
    for number, piece in enumerate(made.steps, 1):
        assert all(int(k) < number for k in re.findall(r"#(\d+)", piece.step))
    of_steps = {n for piece in made.steps for n in re.findall(r"\d+", re.sub(r"#\d+", "", piece.step))}
    assert of_steps == set(re.findall(r"\d+", made.task))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_calculation_gives_the_result_that_later_steps_use(seed: int) -> None:
    for piece in composed(seed).steps:
        if piece.expert == "math":
            assert format_number(compute(piece.written).value) == piece.result


def test_a_planner_sees_questions_about_the_users_files_too() -> None:
    made = [composed(seed, with_files=True) for seed in SEEDS]
    readings = [(task, piece) for task in made for piece in task.steps if piece.expert == "reader"]
    assert len(readings) > 30
    assert all(piece.step.lower() in task.task.lower() for task, piece in readings)
    assert all(piece.written in piece.context or piece.written == "not found" for _, piece in readings)


def queries(seed: int) -> list[Query]:
    rng, vocabulary = random.Random(seed), Vocabulary.load()
    return [draw_query(rng, vocabulary, number=True), draw_query(rng, vocabulary), *draw_pair(rng, vocabulary)]


@pytest.mark.parametrize("seed", range(60))
def test_queries_run_on_the_tables_that_they_are_asked_over(seed: int) -> None:
    for query in queries(seed):
        connection = sqlite3.connect(":memory:")
        for table, columns in re.findall(r"(\w+)\(([^)]*)\)", query.tables):
            connection.execute(f"CREATE TABLE {table} ({columns})")
        connection.execute(query.sql)
        connection.close()
