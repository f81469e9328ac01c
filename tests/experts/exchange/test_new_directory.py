"""A directory that appears whole or not at all."""

from pathlib import Path

import pytest

from experts.errors import ExchangeError
from experts.exchange.new_directory import new_directory


def test_it_appears_when_it_is_filled(tmp_path: Path) -> None:
    with new_directory(tmp_path / "deep" / "out") as staging:
        (staging / "file").write_text("x")
        assert not (tmp_path / "deep" / "out").exists()
    assert [path.name for path in (tmp_path / "deep").rglob("*")] == ["out", "file"]


def test_nothing_is_left_of_one_that_failed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), new_directory(tmp_path / "out") as staging:
        (staging / "file").write_text("x")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_an_empty_directory_is_filled_and_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with new_directory(tmp_path / "empty") as staging:
        (staging / "file").write_text("x")
    assert (tmp_path / "empty" / "file").exists()
    with pytest.raises(ExchangeError, match="it exists"), new_directory(tmp_path / "empty" / "file"):
        pass
