"""Figures as Markdown."""

from orchestrator.cli.sheet import Sheet


def test_a_cell_stays_on_its_line_and_in_its_column() -> None:
    lines = Sheet(("a", "b"), [["1\n2", "x|y"]]).markdown().splitlines()

    assert lines == ["| a | b |", "| --- | --- |", "| 1; 2 | x&#124;y |"]
