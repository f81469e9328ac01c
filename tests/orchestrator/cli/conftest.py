"""The command line inside the test's own process, with the real engine."""

import sys
from dataclasses import dataclass

import pytest

from orchestrator.cli.main import main


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where `ccoe` is called, and what is to be read there."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def ccoe(self, *arguments: str) -> tuple[int, str, str]:
        """Run the command to its end: exit code, output, errors."""
        self.monkeypatch.setattr(sys, "argv", ["ccoe", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        output, errors = self.capsys.readouterr()
        return ended.value.code, output, errors


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    monkeypatch.setenv("COLUMNS", "200")
    return Terminal(monkeypatch, capsys)
