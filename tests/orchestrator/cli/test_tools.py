"""`ccoe tools`: what a step would get."""

import json
import sys
from pathlib import Path

import pytest

from tests.graphs.tools import mcp_example
from tests.orchestrator.cli.conftest import Terminal


@pytest.fixture(autouse=True)
def tools_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = json.dumps([sys.executable, mcp_example.__file__])
    text = f"[python]\nenabled = true\n[mcp.example]\ncommand = {command}\ntools = ['add']\n"
    (tmp_path / "tools.toml").write_text(text)
    monkeypatch.setenv("CCOE_TOOLS", str(tmp_path / "tools.toml"))


def test_tools_are_listed_and_shown(terminal: Terminal) -> None:
    code, listed, _ = terminal.ccoe("tools", "list")
    names = [line.split()[0] for line in listed.splitlines()[1:]]
    assert (code, names) == (0, ["calculator", "example.add", "python", "search"])
    shown = json.loads(terminal.ccoe("tools", "show", "example.add")[1])
    assert shown["arguments"]["required"] == ["a", "b"]


def test_a_tool_is_called(terminal: Terminal) -> None:
    assert terminal.ccoe("tools", "call", "calculator", "--args", '{"expression": "0.1 + 0.2"}')[1] == "0.3\n"
    code, output, _ = terminal.ccoe("tools", "call", "example.add", "--json", "--args", '{"a": 1, "b": 2}')
    assert (code, json.loads(output)) == (0, {"text": "3", "data": {"result": 3}, "warnings": []})


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("nothing",), 2, "there is no tool 'nothing'"),
        (("calculator", "--args", "{"), 2, "is not JSON"),
        (("calculator",), 1, "'expression' is a required property"),
        (("python", "--args", '{"program": "1 / 0"}'), 1, "ZeroDivisionError"),
    ],
)
def test_what_is_wrong_is_said(arguments: tuple[str, ...], code: int, reason: str, terminal: Terminal) -> None:
    ended, _, errors = terminal.ccoe("tools", "call", *arguments)
    assert (ended, reason in errors) == (code, True)


def test_a_wrong_file_is_named(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "tools.toml").write_text("[python]\nenabled = 3\n")
    code, _, errors = terminal.ccoe("tools", "list")
    assert code == 2
    assert "tools.toml" in errors and "python.enabled" in errors
