"""The state of a training on disk, so that one that was killed goes on where it was."""

import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from experts.errors import ResumeRefused, TrainingFileError


@dataclass(frozen=True, slots=True)
class TrainingCheckpoint:
    """One file; `made_with` says what the training's weights depend on: configuration, rows, backbone."""

    path: Path
    made_with: Mapping[str, str]

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the file by this state, whole or not at all. Raises TrainingFileError."""
        staging = self.path.with_name(f".{self.path.name}.new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with staging.open("wb") as file:
                torch.save({"made_with": dict(self.made_with), "state": dict(state)}, file)
                file.flush()
                os.fsync(file.fileno())
            staging.replace(self.path)
        except OSError as error:
            raise TrainingFileError(self.path, error.strerror or str(error)) from error

    def load(self) -> dict[str, Any] | None:
        """The state, or None if there is no file. Raises ResumeRefused naming the damage, or all that differs."""
        if not self.path.is_file():
            return None
        try:
            found: dict[str, Any] = torch.load(self.path, weights_only=True)
            made_with, state = found["made_with"], found["state"]
        except (OSError, RuntimeError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
            raise ResumeRefused(self.path, ("it is damaged",)) from error
        names = sorted(made_with.keys() | self.made_with.keys())
        if differences := tuple(
            f"{name} was {made_with.get(name)}, is {self.made_with.get(name)}"
            for name in names
            if made_with.get(name) != self.made_with.get(name)
        ):
            raise ResumeRefused(self.path, differences)
        return state
