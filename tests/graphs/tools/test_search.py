"""Passages come back with citations; what is not there is an error with its remedy."""

from pathlib import Path

import pytest

from graphs.errors import ToolError
from graphs.tools.invocation import invoke
from graphs.tools.passage_index import PassageIndex
from graphs.tools.search import NOT_FOUND, SearchTool
from tests.graphs.grammar_proof import accepts
from tests.graphs.tools.test_passage_index import vowels


@pytest.fixture
def index(tmp_path: Path) -> PassageIndex:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "chain.md").write_text("# Chain\n\nOil the chain\nevery 200 km.\n\n[fake.md:1] no passage\n")
    (folder / "tyres.txt").write_text("Pump the tyres to 4 bar, and the chain is quiet.\n")
    found = PassageIndex(tmp_path / "passages.sqlite")
    list(found.update(folder))
    return found


async def test_passages_are_cited(index: PassageIndex) -> None:
    result = await invoke(SearchTool(index), {"query": "chain", "k": 2})
    assert result.text == (
        "[chain.md:3] Oil the chain every 200 km. [fake.md:1] no passage\n"
        "[tyres.txt:1] Pump the tyres to 4 bar, and the chain is quiet."
    )
    assert result.sources == ("[chain.md:3]", "[tyres.txt:1]")
    assert result.data["passages"][0]["heading"] == "Chain"


async def test_how_many_may_be_left_out(index: PassageIndex) -> None:
    assert len((await invoke(SearchTool(index, num_passages=1), {"query": "chain"})).sources) == 1
    with pytest.raises(ToolError, match="k: 99 is greater than the maximum of 10"):
        await invoke(SearchTool(index), {"query": "chain", "k": 99})


async def test_an_expert_reads_the_passages_that_fit_its_step(index: PassageIndex) -> None:
    tool, step = SearchTool(index), "Every how many km is the chain oiled?"
    assert tool.context(step).startswith("Passages:\n[chain.md:3] Oil the chain every 200 km.")
    result = await tool.run("200 km", step)
    assert (result.text, result.sources) == ("200 km", ("[chain.md:3]",))


async def test_the_passage_that_has_the_whole_words_is_cited(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.md").write_text("The freezer samples: the freezer of 1985 is at -18 degrees, samples 5.5 years.")
    (folder / "b.md").write_text("The freezer keeps samples for 5 days, the fridge at 18 degrees.")
    index = PassageIndex(tmp_path / "passages.sqlite")
    list(index.update(folder))
    for answer in ("5", "18 degrees"):
        assert (await SearchTool(index).run(answer, "freezer samples")).sources == ("[b.md:1]",)


async def test_what_did_not_fit_is_not_cited(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    for name in "abcdefgh":
        (folder / f"{name}.md").write_text(f"The chain of {name}. " + "Oil the chain. " * 50)
    index = PassageIndex(tmp_path / "passages.sqlite")
    list(index.update(folder))
    tool = SearchTool(index, num_passages=8)
    result = await invoke(tool, {"query": "chain", "k": 8})
    assert 1 < len(result.sources) == len(result.data["passages"]) < 8
    assert [line.partition(" ")[0] for line in result.text.splitlines()] == list(result.sources)
    hidden = next(name for name in "abcdefgh" if f"[{name}.md:1]" not in result.sources)
    assert f"chain of {hidden}" not in tool.context("chain")
    assert not accepts(tool.constraint("chain").value, f"chain of {hidden}")
    with pytest.raises(ToolError, match="no passage has the answer"):
        await tool.run(f"chain of {hidden}", "chain")


def test_an_expert_can_write_nothing_but_words_of_one_passage(index: PassageIndex) -> None:
    grammar = SearchTool(index).constraint("What is said of the chain?").value
    for answer in ("200", "200 km", "Oil the chain", "Pump the tyres to 4 bar", NOT_FOUND):
        assert accepts(grammar, answer), answer
    for answer in ("20", "km 200", "Oil the tyres", "the chain is quiet. Oil", " 200", "200 ", ""):
        assert not accepts(grammar, answer), answer


def test_a_number_is_taken_with_its_sign_its_currency_and_all_of_its_parts(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "freezer.md").write_text(
        "The freezer is at -18 degrees, \u22125 on 2024-05-01 at 10:30, and 1/2 full. It costs $2,400 per year."
    )
    index = PassageIndex(tmp_path / "passages.sqlite")
    list(index.update(folder))
    grammar = SearchTool(index).constraint("freezer").value
    for answer in ("-18 degrees", "\u22125", "2024-05-01", "10:30", "1/2", "$2,400 per year"):
        assert accepts(grammar, answer), answer
    for answer in ("18 degrees", "5", "05-01", "2024", "30", "2", "2,400", "2,40"):
        assert not accepts(grammar, answer), answer


@pytest.fixture
def harbour(tmp_path: Path) -> SearchTool:
    folder = tmp_path / "harbour"
    folder.mkdir()
    (folder / "regatta.md").write_text("# Regatta\n\nThis year 58 crews take part, each with 3 people aboard.")
    (folder / "winter.md").write_text("# Winter\n\nThe shed takes 36 boats over the winter, at 7 degrees.")
    index = PassageIndex(tmp_path / "passages.sqlite")
    list(index.update(folder))
    return SearchTool(index)


@pytest.mark.parametrize(
    ("step", "counts"),
    [
        ("How many crews take part in the regatta?", ["58"]),
        ("How many people are aboard at the regatta?", ["3"]),
        ("How many boats does the old shed take?", ["36"]),
        ("How many boats does the harbour hall take?", ["36", NOT_FOUND]),
        ("How many boats does the shed take over the winter?", ["36"]),
    ],
)
def test_how_many_is_answered_with_a_number_of_those(step: str, counts: list[str], harbour: SearchTool) -> None:
    assert harbour.constraint(step).value == counts


@pytest.mark.parametrize(
    ("step", "answer", "is_allowed"),
    [
        ("What is the prize of the regatta?", "a sextant", True),
        ("What is the prize of the regatta?", "11:25", False),
        ("What is the prize?", "11:25", True),
    ],
)
def test_the_sentence_that_speaks_of_the_step_has_the_answer(
    step: str, answer: str, is_allowed: bool, tmp_path: Path
) -> None:
    (tmp_path / "notes").mkdir()
    text = "The regatta starts at 11:25. The prize of the regatta is a sextant."
    (tmp_path / "notes" / "a.md").write_text(text)
    index = PassageIndex(tmp_path / "passages.sqlite")
    list(index.update(tmp_path / "notes"))
    assert accepts(SearchTool(index).constraint(step).value, answer) is is_allowed


def test_a_passage_that_hardly_speaks_of_the_step_is_not_read(harbour: SearchTool) -> None:
    assert "58 crews" not in harbour.context("How warm is the shed over the winter?")
    assert harbour.constraint("How warm is the shed over the winter?").kind == "lark"
    assert "36 boats" in harbour.context("What of the year, and the degrees?")


async def test_an_answer_that_no_passage_has_is_an_error(index: PassageIndex) -> None:
    for answer in (NOT_FOUND, "every 300 km"):
        with pytest.raises(ToolError, match="no passage has the answer"):
            await SearchTool(index).run(answer, "How often is the chain oiled?")


def test_a_step_is_recognised_by_what_the_files_speak_of(index: PassageIndex, tmp_path: Path) -> None:
    tool = SearchTool(index)
    assert tool.recognises("To how many bar do I pump the tyres?") is True
    assert tool.recognises("Which bank has the chain of the red boat?") is None
    assert tool.recognises("What is a verb?") is False
    assert SearchTool(PassageIndex(tmp_path / "none")).recognises("Where is the chain?") is False


def test_small_talk_is_not_recognised(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "door.md").write_text("If you leave last, you lock the door. Say hello to the night guard.")
    index = PassageIndex(tmp_path / "passages.sqlite")
    list(index.update(folder))
    tool = SearchTool(index)
    for text in ("How are you?", "Hello!", "What can you do for me?", "Say hello."):
        assert tool.recognises(text) is False, text
    assert tool.recognises("Where is the door?") is None, "one word says little"
    assert tool.recognises("Who is the night guard?") is True


async def test_vectors_are_used_where_the_index_has_them(index: PassageIndex, tmp_path: Path) -> None:
    loaded: list[str] = []

    def load() -> object:
        loaded.append("once")
        return vowels

    tool = SearchTool(index, load_embed=load)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ToolError, match="no passage fits"):
        await tool.call({"query": "uuh"})
    assert loaded == []
    list(index.update(tmp_path / "notes", vowels))
    for _ in range(2):
        assert (await tool.call({"query": "uuh", "k": 1})).text.startswith("[")
    assert loaded == ["once"]


async def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="no files are indexed; index a folder: ccoe index FOLDER"):
        await SearchTool(PassageIndex(tmp_path / "none")).call({"query": "chain"})
    (tmp_path / "broken").write_text("no database at all")
    with pytest.raises(ToolError, match="the index cannot be read"):
        await SearchTool(PassageIndex(tmp_path / "broken")).call({"query": "chain"})
