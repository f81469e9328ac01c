"""Passages come back with citations; what is not there is an error with its remedy."""

from pathlib import Path

import pytest

from graphs.errors import ToolError
from graphs.tools.invocation import invoke
from graphs.tools.passage_index import PassageIndex
from graphs.tools.search import SearchTool, citations
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
    assert citations(result.text) == ["[chain.md:3]", "[tyres.txt:1]"]
    assert result.data["passages"][0]["heading"] == "Chain"


async def test_an_expert_may_leave_out_how_many(index: PassageIndex) -> None:
    assert len(citations((await SearchTool(index, num_passages=1).run('{"query":"chain"}', "")).text)) == 1
    with pytest.raises(ToolError, match="k: 99 is greater than the maximum of 10"):
        await SearchTool(index).run('{"query":"chain","k":99}', "")


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
