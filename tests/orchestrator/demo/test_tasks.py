"""The demo's tasks: checked by other means than the service, and nowhere in what the experts were trained on."""

import random
from pathlib import Path

import pytest

from experts.registry import BUILTIN
from experts.training.ngrams import load_ngrams, ngrams, seen_ngrams
from orchestrator.demo.database import make_database, query_one
from orchestrator.demo.tasks import CLAUSES, PASSAGES, DemoTask, Draw, draw_tasks
from tests.orchestrator.demo.paraphrases import PARAPHRASES, paraphrased


def drawn(tmp_path: Path, seed: int) -> tuple[Path, tuple[DemoTask, ...]]:
    rng, database = random.Random(seed), tmp_path / "shop.sqlite"
    make_database(database, rng)
    return database, draw_tasks(database, rng)


def test_a_seed_repeats_a_run_and_another_draws_anew(tmp_path: Path) -> None:
    assert drawn(tmp_path, 5)[1] == drawn(tmp_path, 5)[1]
    first, second = drawn(tmp_path, 5)[1], drawn(tmp_path, 6)[1]
    assert all(a.task != b.task for a, b in zip(first, second, strict=True))


def test_the_expected_number_is_in_the_database(tmp_path: Path) -> None:
    database, (shop, _, _) = drawn(tmp_path, 5)
    prices = [
        query_one(database, "SELECT price FROM bikes WHERE ? LIKE '%the ' || model || '?%'", sentence + "?")
        for sentence in shop.task.split("?")[:2]
    ]
    assert shop.expected == (str(sum(prices)),)


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [
        ("The rent is 1200 and the type is Insurance.", True),
        ("- a → 1200\n- b → insurance", True),
        ("1200", False),
        ("11200 Insurance", False),
        ("1200.5 Insurance", False),
        ("1,200 Insurance", False),
        ("1200 Insurance (unverified: 3 was not used)", False),
        ("1200 Insurance; not answered: why", False),
    ],
)
def test_an_answer_is_right_only_with_every_expected_string_and_no_doubt(answer: str, is_right: bool) -> None:
    assert DemoTask("", "", ("1200", "Insurance")).is_answered_by(answer) is is_right


@pytest.mark.parametrize("seed", range(20))
def test_no_demo_text_was_trained_on(seed: int, tmp_path: Path) -> None:
    """No eight words in a row of a task, a clause, a passage or a paraphrase stand in any expert's training rows."""
    database, tasks = drawn(tmp_path, seed)
    draw = Draw.make(database, random.Random(seed))
    texts = [task.task for task in (*tasks, *(paraphrased(one, draw) for one in PARAPHRASES))]
    texts += [text for text, _ in (*CLAUSES, *PASSAGES)]
    assert all(ngrams(text) for text in texts)
    for directory in BUILTIN.iterdir():
        if directory.is_dir():
            hashes = load_ngrams(directory)
            assert [seen for text in texts for seen in seen_ngrams(text, hashes)] == [], directory.name
