"""Questions over invented tables: their queries run, and nothing of what is scored is trained on."""

import random
import re
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from experts.training.synthesis import queries
from experts.training.synthesis.held_out import NUM_ROWS, held_out_rows, write_database
from experts.training.synthesis.notes import Notes
from experts.training.synthesis.questions import Question, Questions
from experts.training.synthesis.tasks import Topic, World, compose
from experts.training.synthesis.vocabulary import Vocabulary
from graphs.tools.arithmetic import compute, format_number
from graphs.tools.schema import find_links, is_unique_in, read_schema, values_of
from graphs.tools.sql import SqlTool

TRAINED, HELD_OUT = Questions.load("questions"), Questions.load("held_out")


def asked(seed: int) -> Question:
    rng = random.Random(seed)
    subjects = [one if rng.random() < 0.4 else TRAINED.recombined(rng) for one in rng.sample(TRAINED.subjects, 3)]
    table, *others = (TRAINED.table(rng, subject, 6) for subject in subjects)
    return TRAINED.ask(rng, table, others)


def training_text() -> str:
    """What the sql expert's synthetic rows say, of questions alone and of steps in composed tasks."""
    topic = Topic("Is it law?", "law", "Yes")
    world = World(Vocabulary.load(), [topic], Notes.load("notes"), lambda text: format_number(compute(text).value))
    composed = [compose(random.Random(seed), world) for seed in range(1500)]
    steps = (piece for task in composed for piece in task.steps if piece.expert == "sql")
    questions = [asked(seed) for seed in range(3000)]
    said = [f"{one.text} {one.tables} {one.query}" for one in questions]
    return "\n".join([*said, *(f"{one.step} {one.context} {one.written}" for one in steps)]).lower()


def words_of(questions: Questions) -> set[str]:
    """All names of things and columns, as tables have them and as questions say them, and all values and names."""
    names = {name for one in questions.subjects for name in (one.singular, one.plural, *one.columns)}
    values = {value for one in questions.subjects for values in one.texts.values() for value in values}
    words = {word for kind, several in questions.words.items() if kind != "code_letters" for word in several}
    return {word.lower() for word in (*names, *(name.replace("_", " ") for name in names), *values, *words)}


def test_no_held_out_word_is_in_a_training_row() -> None:
    text = training_text()
    assert "hotels" in text
    assert [word for word in sorted(words_of(HELD_OUT)) if re.search(rf"\b{re.escape(word)}\b", text)] == []
    assert words_of(HELD_OUT).isdisjoint(words_of(TRAINED))


def test_no_held_out_sentence_is_trained_on() -> None:
    """Whatever stands in its places."""

    def bare(sentence: str) -> str:
        return re.sub(r"\{\w+\}", "_", sentence).lower().rstrip(".?")

    def written_out(sentence: str) -> list[str]:
        """With all phrases that have places of their own."""
        for name in re.findall(r"\{(\w+)\}", sentence):
            if options := [one for one in TRAINED.phrases.get(name, ()) if "{" in one]:
                several = [sentence.replace(f"{{{name}}}", option, 1) for option in options]
                return [one for each in several for one in written_out(each)]
        return [sentence]

    assert "How many {p} are there with {c} {v}?" in written_out("How many {p} are there {is_v}?")
    openings = [word for several in TRAINED.phrases.values() for word, sign in several.items() if not sign]
    assert "Give me" in openings
    source = Path(queries.__file__).read_text(encoding="utf-8")
    trained = {bare(one) for form in TRAINED.forms for one in written_out(form.asked)} | {
        bare(one) for one in re.findall(r'"([^"]*)"', source)
    }
    assert bare("Which {c} does {n} have?") in trained
    opened = {one.replace("_", word.lower(), 1) for one in trained if one.startswith("_") for word in openings}
    assert bare("Give me the {p} in {l}") in opened
    assert (trained | opened).isdisjoint(bare(form.asked) for form in HELD_OUT.forms)


def test_some_held_out_queries_have_a_form_of_their_own() -> None:
    trained, held_out = ({form.query for form in one.forms} for one in (TRAINED, HELD_OUT))
    assert len(held_out - trained) >= 8
    assert len(held_out & trained) >= 8


@pytest.mark.parametrize("seed", range(120))
def test_a_query_runs_on_the_tables_that_it_is_asked_over(seed: int) -> None:
    question = asked(seed)
    with closing(sqlite3.connect(":memory:")) as connection:
        for table, columns in re.findall(r"(\w+)\(([^)]*)\)", question.tables):
            connection.execute(f"CREATE TABLE {table} ({columns})")
        connection.execute(question.query)


@pytest.mark.parametrize("seed", range(60))
def test_a_recombined_thing_has_what_questions_are_about(seed: int) -> None:
    subject = TRAINED.recombined(random.Random(seed))
    assert len(set(subject.columns)) == len(subject.columns)
    assert len(subject.texts) >= 2
    assert set(subject.counts) < set(subject.numbers)


def test_the_same_seed_asks_the_same() -> None:
    assert asked(4) == asked(4) != asked(5)
    assert held_out_rows(9) == held_out_rows(12)[:9] != held_out_rows(9, seed=1)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("held_out") / "synthetic_sql.sqlite"
    write_database(path)
    return path


def test_every_held_out_query_finds_rows_with_the_services_tool(database: Path) -> None:
    tool = SqlTool(database)
    rows = held_out_rows(200)
    assert len({row.parts.task for row in rows}) == len({row.id for row in rows}) == 200
    for row in rows:
        found = tool.rows(row.target)
        assert found, row
        assert found not in ([[0]], [[None]]), row


def test_the_tables_of_a_held_out_question_are_in_the_database(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        schema = read_schema(connection)
        known = {table.name: {column.name for column in table.columns} for table in schema.tables}
        assert len(known) == len(HELD_OUT.subjects)
        for row in held_out_rows(60):
            for name, columns in re.findall(r"(\w+)\(([^)]*)\)", row.parts.context):
                assert set(columns.split(", ")) <= known[name]
            literals = set(re.findall(r"'([^']*)'", row.target))
            values, is_unique = partial(values_of, connection), partial(is_unique_in, connection)
            assert literals <= {link.value for link in find_links(values, is_unique, schema, row.parts.task)}
        assert connection.execute(f"SELECT COUNT(*) FROM {schema.tables[0].sql}").fetchone() == (NUM_ROWS,)
