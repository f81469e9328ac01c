"""Tasks that the choice of experts is fitted and measured on share no sentence with each other or with training."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from experts.training import row_maker
from experts.training.synthesis import arithmetic, errands, everyday, held_out_tasks, queries, stories, tasks
from experts.training.synthesis.held_out_tasks import EXPERTS


def sentences_of(value: object) -> Iterator[str]:
    """All texts of several words in nested constants."""
    if isinstance(value, str) and " " in value:
        yield value
    elif isinstance(value, dict):
        yield from sentences_of(list(cast("dict[object, object]", value).values()))
    elif isinstance(value, list | tuple):
        for one in cast("Iterable[object]", value):
            yield from sentences_of(one)


def fixed_words(sentences: Iterable[str]) -> set[tuple[str, ...]]:
    """Runs of five words without a blank between them."""
    parts = [re.findall(r"[\w']+", part.lower()) for text in sentences for part in re.split(r"\{\w+\}", text)]
    return {tuple(words[i : i + 5]) for words in parts for i in range(len(words) - 4)}


def of_training() -> set[tuple[str, ...]]:
    modules: tuple[ModuleType, ...] = (arithmetic, queries, stories, tasks, row_maker)
    constants = [value for module in modules for name, value in vars(module).items() if name.isupper()]
    own = [Path(module.__file__ or "").with_suffix(".toml") for module in (errands, everyday)]
    files = [*own, Path(queries.__file__).with_name("questions.toml")]
    loaded: list[Any] = [tomllib.loads(file.read_text(encoding="utf-8")) for file in files]
    return fixed_words(sentences_of([*constants, *loaded]))


def part(name: str) -> dict[str, Any]:
    path = Path(held_out_tasks.__file__).with_suffix(".toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))[name]


def test_no_sentence_is_made_as_training_makes_them() -> None:
    trained = of_training()
    assert len(trained) > 100
    assert fixed_words(sentences_of(part("fit"))) & trained == set()
    assert fixed_words(sentences_of(part("report"))) & trained == set()


def test_what_is_fitted_and_what_is_measured_share_no_sentence_and_no_word_of_a_blank() -> None:
    fit, report = part("fit"), part("report")
    assert fixed_words(sentences_of(fit)) & fixed_words(sentences_of(report)) == set()
    for blank in fit["words"].keys() & report["words"].keys():
        assert set(fit["words"][blank]) & set(report["words"][blank]) == set()


def test_every_expert_has_steps_and_a_result_is_referred_to_by_its_step() -> None:
    made = held_out_tasks.held_out_tasks("report", 240)
    assert made == held_out_tasks.held_out_tasks("report", 240) != held_out_tasks.held_out_tasks("report", 240, seed=1)
    counts = Counter(expert for task in made for _, expert in task.steps)
    assert set(counts) == set(EXPERTS)
    assert min(counts.values()) > 40
    behind = [task for task in made if any("#1" in text for text, _ in task.steps)]
    assert len(behind) > 20
    assert all("#" not in task.task and "{" not in task.task for task in made)
    assert all(task.steps[1][0].startswith("#1: ") and task.steps[1][1] == "math" for task in behind)
