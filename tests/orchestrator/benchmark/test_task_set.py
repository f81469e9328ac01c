"""The built-in tasks: their answers are found by other means than the service, and nothing of them was trained on."""

import re
import tomllib
from pathlib import Path

import pytest

from experts.registry import BUILTIN
from experts.training.ngrams import load_ngrams, seen_ngrams
from experts.training.synthesis import errands
from experts.training.synthesis.arithmetic import _ONE, _TWO  # pyright: ignore[reportPrivateUsage]
from experts.training.synthesis.stories import _FRAMES, _TALES  # pyright: ignore[reportPrivateUsage]
from graphs.tools.passage_index import PassageIndex
from orchestrator.benchmark.task_set import CheckedTask, TaskSet

TASKS = TaskSet.load()


def test_there_are_fifty_different_tasks_over_all_domains() -> None:
    assert len({task.text for task in TASKS.tasks}) == 50
    assert sum(bool(task.found) for task in TASKS.tasks) > 20
    assert sum(bool(task.given) for task in TASKS.tasks) > 8


def test_expected_values_are_computed_from_the_database_and_the_notes(tmp_path: Path) -> None:
    settings = TASKS.prepare(tmp_path)
    (database,) = settings.databases.values()
    notes = " ".join(TASKS.notes.values())
    for task in TASKS.tasks:
        assert TASKS.computed(task, database) in task.expected, task.text
        assert all(re.search(rf"\b{re.escape(given)}\b", notes) for given in task.given), task.text


def test_the_notes_are_indexed(tmp_path: Path) -> None:
    settings = TASKS.prepare(tmp_path)
    found = PassageIndex(settings.index_path).search("Who runs the fuel dock?", 1)
    assert "Sigrid Dahl" in found[0].text


@pytest.mark.parametrize(
    "directory", [one for one in sorted(BUILTIN.iterdir()) if one.is_dir()], ids=lambda one: one.name
)
def test_no_eight_words_in_a_row_were_trained_on(directory: Path) -> None:
    hashes = load_ngrams(directory)
    texts = [*(task.text for task in TASKS.tasks), *TASKS.notes.values()]
    assert [seen for text in texts for seen in seen_ngrams(text, hashes)] == []


def test_no_sentence_is_one_of_the_templates_that_training_tasks_are_made_of() -> None:
    phrases = tomllib.loads(Path(errands.__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    asked = [text for thing in phrases["things"] for text in (*thing["one"], *thing["many"])]
    pairs = (*_FRAMES, *_TALES, *_ONE, *_TWO, *phrases["follow"], *phrases["compare"])
    templates = [*(said for said, _ in pairs), *(text.replace("| ", "") for text in asked)]
    patterns = [re.sub(r"\\\{\w+\\\}", r"[\\w ]+?", re.escape(one)) for one in templates]
    trained = re.compile("|".join(f"(?:{one})" for one in patterns), re.IGNORECASE)
    sentences = [part for task in TASKS.tasks for part in re.split(r"(?<=[.?!:;])\s+", task.text)]
    assert [one for one in sentences if trained.fullmatch(one)] == []


def test_an_answer_needs_every_expected_text() -> None:
    task = CheckedTask("", ("910", "Anti-Assignment"))
    assert task.is_answered_by("It brings in 910 crowns; the clause is anti-assignment.")
    assert not task.is_answered_by("It brings in 9100 crowns; the clause is anti-assignment.")
    assert not task.is_answered_by("910")
