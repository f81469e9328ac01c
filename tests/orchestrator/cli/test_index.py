"""`ccoe index`: a folder is read, and searched by the tool."""

from pathlib import Path

import pytest

from tests.orchestrator.cli.conftest import Terminal


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "chain.md").write_text("# Chain\n\nOil the chain every 200 km.\n")
    (folder / "broken.pdf").write_bytes(b"%PDF nonsense")
    return folder


def test_a_folder_is_read_and_searched(terminal: Terminal, notes: Path) -> None:
    code, output, errors = terminal.ccoe("index", str(notes))
    assert (code, output) == (0, f"{notes}: 1 indexed, 1 left out; 1 new passages\n")
    assert "broken.pdf is left out: it is no PDF" in errors and "reading" in errors
    assert terminal.ccoe("index", str(notes))[1] == f"{notes}: 1 kept, 1 left out; 0 new passages\n"
    code, output, _ = terminal.ccoe("tools", "call", "search", "--args", '{"query": "how often is a chain oiled?"}')
    assert (code, output) == (0, "[chain.md:3] Oil the chain every 200 km.\n")


def test_a_folder_without_files_is_an_error(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder, reason in (("empty", "there is nothing to read"), ("none", "there is no such folder")):
        code, _, errors = terminal.ccoe("index", str(tmp_path / folder))
        assert (code, reason in errors) == (1, True)
