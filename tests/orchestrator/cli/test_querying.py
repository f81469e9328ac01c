"""Experts are scored over a database as the service asks them: the tool's tables and grammar, again while it doubts."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from experts.engine.events import TokenEvent, Usage
from experts.prompt import PromptParts
from experts.sampling_params import SamplingParams
from experts.training.datasets import SYNTHETIC_SQL, dataset
from experts.training.evaluation import Querying
from experts.training.rows import TrainingRow
from orchestrator.cli.querying import querying
from tests.graphs.grammar_proof import accepts

TEA, SALT = "SELECT price FROM stock WHERE item = 'tea'", "SELECT price FROM stock WHERE item = 'salt'"


class Writer:
    """Writes what it was given, one text at a time, and keeps what it was asked with."""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)
        self.asked: list[tuple[PromptParts, SamplingParams]] = []

    def write(self, parts: PromptParts, params: SamplingParams) -> Iterator[TokenEvent]:
        self.asked.append((parts, params))
        yield TokenEvent(self.texts.pop(0), (1,), (-0.1,), "stop", Usage(1, 1))

    def score(self, parts: PromptParts, candidates: Sequence[str]) -> list[float]:
        return [-float(len(candidate)) for candidate in candidates]


@pytest.fixture
def shop(tmp_path: Path) -> Querying:
    with closing(sqlite3.connect(tmp_path / "shop.sqlite")) as connection:
        connection.executescript(
            "CREATE TABLE stock (item TEXT, price INT, shelf TEXT); CREATE TABLE staff (name TEXT);"
            "INSERT INTO stock VALUES ('tea', 3, 'A'), ('salt', 1, 'B'); INSERT INTO staff VALUES ('Ann')"
        )
    found = querying(replace(SYNTHETIC_SQL, database=str(tmp_path / "shop.sqlite")), tmp_path)
    assert found is not None
    return found


def row(context: str, question: str = "What is the price of tea?") -> TrainingRow:
    return TrainingRow("1", PromptParts(question, context=context), (TEA,), TEA)


def test_the_grammar_has_the_tables_that_the_prompt_shows(shop: Querying) -> None:
    writer = Writer("I do not know", TEA)
    assert shop.ask(writer, row("Tables: stock(price, item)")) == TEA
    _, (parts, params) = writer.asked
    assert (parts.task, parts.context) == ("What is the price of tea?", "Tables: stock(price, item)")
    assert params.grammar is not None
    assert params.temperature == 0
    assert accepts(params.grammar.value, TEA)
    assert not accepts(params.grammar.value, "SELECT shelf FROM stock WHERE item = 'tea'")
    assert not accepts(params.grammar.value, "SELECT name FROM staff WHERE item = 'tea'")


def test_without_tables_in_the_prompt_all_are_shown(shop: Querying) -> None:
    writer = Writer(TEA)
    shop.ask(writer, row(""))
    assert writer.asked[0][0].context == "Tables: stock(item, price, shelf); staff(name)"


def test_a_query_that_the_tool_doubts_is_drawn_anew(shop: Querying) -> None:
    writer = Writer(SALT, SALT, TEA)
    assert shop.ask(writer, row("Tables: stock(item, price)")) == TEA
    assert [params.temperature > 0 for _, params in writer.asked] == [False, False, True]


def test_queries_are_executed(shop: Querying) -> None:
    assert shop.execute(TEA) == [[3]]
    with pytest.raises(ValueError, match="no such table"):
        shop.execute("SELECT x FROM nowhere")


def test_a_set_without_a_database_has_no_queries() -> None:
    assert querying(dataset("mawps"), Path()) is None
