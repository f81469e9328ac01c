"""Pictures are drawn by matplotlib, which not everybody has."""

from importlib.util import find_spec

import typer
from rich.console import Console


def check_matplotlib(console: Console) -> None:
    """Raises Exit with 2 if nothing can be drawn, and says what to install: before hours of measuring, not behind."""
    if find_spec("matplotlib") is None:
        told = "error: matplotlib draws the picture and is not installed: pip install 'ccoe[bench]'"
        console.print(told, markup=False)
        raise typer.Exit(2)
