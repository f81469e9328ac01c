"""Figures in rows and columns: for the terminal, or as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Sheet:
    """Named columns and rows of text."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def table(self) -> Table:
        """For a terminal."""
        table = Table(*self.columns, box=None)
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """For a document."""
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        return "\n".join(f"| {' | '.join(map(_on_one_line, line))} |" for line in lines)


def _on_one_line(cell: str) -> str:
    return cell.replace("|", "&#124;").replace("\n", "; ")
