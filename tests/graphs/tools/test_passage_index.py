"""An index follows its folder, and finds by words and by vectors."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from graphs.tools.passage_index import Indexed, PassageIndex, files_below, fused


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    notes = tmp_path / "notes"
    (notes / "deep").mkdir(parents=True)
    (notes / "chain.md").write_text("# Chain\n\nOil the chain every 200 km.\n")
    (notes / "deep" / "tyres.txt").write_text("Pump the tyres to 4 bar.\n")
    return notes


@pytest.fixture
def index(tmp_path: Path) -> PassageIndex:
    return PassageIndex(tmp_path / "data" / "passages.sqlite")


def vowels(texts: Sequence[str]) -> np.ndarray:
    """How often each vowel stands in a text: vectors whose order a reader can check."""
    return np.array([[text.lower().count(vowel) for vowel in "aeiou"] for text in texts], dtype=np.float32)


def test_a_passage_is_found_with_its_place(folder: Path, index: PassageIndex) -> None:
    list(index.update(folder))
    found = index.search("How often is a chain oiled?", 1)
    assert [(one.citation, one.heading, one.text) for one in found] == [
        ("[chain.md:3]", "Chain", "Oil the chain every 200 km.")
    ]
    assert [one.name for one in index.search("tyres", 5)] == ["deep/tyres.txt"]
    assert index.search("xylophone", 5) == index.search("?!", 5) == []


def test_only_what_has_changed_is_read_again(folder: Path, index: PassageIndex) -> None:
    assert list(index.update(folder)) == [Indexed("chain.md", "indexed", 1), Indexed("deep/tyres.txt", "indexed", 1)]
    assert {one.outcome for one in index.update(folder)} == {"kept"}
    (folder / "chain.md").write_text("Wax it.\n")
    (folder / "deep" / "tyres.txt").unlink()
    assert list(index.update(folder)) == [Indexed("chain.md", "indexed", 1), Indexed("deep/tyres.txt", "removed")]
    assert [one.text for one in index.search("wax oil tyres", 5)] == ["Wax it."]
    with closing(sqlite3.connect(index.path)) as connection:
        for table in ("files", "passages", "words"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,)


def test_two_folders_stand_side_by_side(folder: Path, index: PassageIndex, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "chain.md").write_text("A chain of hotels.\n")
    list(index.update(folder))
    list(index.update(tmp_path / "other"))
    assert len(index.search("chain", 5)) == 2


def test_a_file_that_cannot_be_read_is_left_out_with_its_reason(folder: Path, index: PassageIndex) -> None:
    (folder / "broken.pdf").write_bytes(b"%PDF nonsense")
    outcomes = {one.name: one.outcome for one in index.update(folder)}
    assert "no PDF" in outcomes["broken.pdf"] and outcomes["chain.md"] == "indexed"


def test_hidden_files_other_kinds_and_links_to_elsewhere_are_not_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / ".hidden.txt").write_text("hidden")
    (folder / ".git").mkdir()
    (folder / ".git" / "a.txt").write_text("hidden")
    (folder / "picture.png").write_bytes(b"x")
    assert [path.name for path in files_below(folder.resolve())] == ["chain.md", "tyres.txt"]


def test_vectors_find_what_words_do_not(folder: Path, index: PassageIndex) -> None:
    list(index.update(folder, vowels))
    assert index.has_embeddings
    assert index.search("ooh, uuh", 1) == []
    best = index.search("ooh, uuh", 2, vowels)
    assert best[0].name == "deep/tyres.txt"
    assert {one.outcome for one in index.update(folder)} == {"indexed"}, "without vectors it is another index"
    assert not index.has_embeddings


def test_ranks_are_fused_by_their_reciprocals() -> None:
    assert fused([[1, 2, 3], [3, 1]]) == [1, 3, 2]
    assert fused([[], [7]]) == [7]
