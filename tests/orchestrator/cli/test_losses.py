"""How the loss fell, in the terminal."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
from rich.console import Console

from experts.training.trainer import Trained
from orchestrator.cli import losses
from orchestrator.cli.losses import loss_table, show_losses, sparkline


def trained(epochs: Sequence[float], dev: Sequence[float] = (), steps: Sequence[float] = (3.0, 1.0)) -> Trained:
    return Trained({}, None, tuple(epochs), tuple(steps), tuple(dev), 0.0, 0.0)


def shown(of: Trained) -> list[list[str]]:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(loss_table(of))
    return [line.split() for line in captured.get().splitlines()]


def test_the_table_has_a_row_for_each_epoch_and_marks_what_is_kept() -> None:
    assert shown(trained((2.5, 1.25))) == [["epoch", "loss"], ["1", "2.5000"], ["2", "1.2500"]]
    assert shown(trained((2, 1, 0.5), (3, 2, 4)))[1:] == [
        ["1", "2.0000", "3.0000"],
        ["2", "1.0000", "2.0000", "kept"],
        ["3", "0.5000", "4.0000"],
    ]


@pytest.mark.parametrize(
    ("values", "line"),
    [((8, 7, 6, 5, 4, 3, 2, 1), "█▇▆▅▄▃▂▁"), ((2.0,), "▁"), ((1, 1, 1), "▁▁▁"), ((0, 1, 0), "▁█▁")],
)
def test_a_sparkline_shows_high_and_low(values: Sequence[float], line: str) -> None:
    assert sparkline(values) == line


def test_many_steps_are_averaged() -> None:
    line = sparkline([*[4.0] * 500, *[0.0] * 500])
    assert line == "█" * 30 + "▁" * 30


def test_without_matplotlib_there_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(_: str) -> None:
        return None

    monkeypatch.setattr(losses, "find_spec", not_installed)
    assert show_losses(trained((2,)), tmp_path).startswith("loss █▁ (a picture needs matplotlib")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="the picture is drawn with matplotlib, of the extra bench")
def test_with_matplotlib_there_is_a_picture(tmp_path: Path) -> None:
    assert show_losses(trained((2, 1), (3, 2), (3, 2.5, 1.5, 1)), tmp_path) == f"loss drawn in {tmp_path / 'loss.png'}"
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
