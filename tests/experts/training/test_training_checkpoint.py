"""A state of a training on disk: whole or not at all, refused where it does not fit."""

import os
from pathlib import Path

import pytest
import torch

from experts.errors import ResumeRefused, TrainingFileError
from experts.training.training_checkpoint import TrainingCheckpoint

MADE_WITH = {"rows": "abc", "epochs": "4"}


def test_a_saved_state_is_read_again(tmp_path: Path) -> None:
    checkpoint = TrainingCheckpoint(tmp_path / "new" / "law.checkpoint", MADE_WITH)
    assert checkpoint.load() is None
    checkpoint.save({"epoch": 1, "weights": {"a": torch.ones(2)}})
    checkpoint.save({"epoch": 2, "weights": {"a": torch.zeros(2)}})

    state = checkpoint.load()
    assert state is not None
    assert (state["epoch"], state["weights"]["a"].tolist()) == (2, [0, 0])
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["law.checkpoint"]


def test_all_that_differs_is_named(tmp_path: Path) -> None:
    TrainingCheckpoint(tmp_path / "a", MADE_WITH).save({})
    with pytest.raises(ResumeRefused) as refused:
        TrainingCheckpoint(tmp_path / "a", {"rows": "xyz", "epochs": "4", "seed": "1"}).load()
    assert refused.value.differences == ("rows was abc, is xyz", "seed was None, is 1")
    assert "without --resume" in str(refused.value)


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_a_damaged_file_is_refused(keep: int, tmp_path: Path) -> None:
    checkpoint = TrainingCheckpoint(tmp_path / "a", MADE_WITH)
    checkpoint.save({"weights": torch.ones(1000)})
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:keep])
    with pytest.raises(ResumeRefused, match="it is damaged"):
        checkpoint.load()


def test_a_save_that_fails_leaves_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = TrainingCheckpoint(tmp_path / "a", MADE_WITH)
    checkpoint.save({"epoch": 1})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TrainingFileError, match="No space left on device; make room"):
        checkpoint.save({"epoch": 2})
    assert checkpoint.load() == {"epoch": 1}
