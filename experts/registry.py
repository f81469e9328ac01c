"""The index of experts: which there are, where their files lie, which version is active. No torch."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experts.card import ExpertCard
from experts.errors import CheckpointError, UnknownExpert

BUILTIN = Path(__file__).parent / "builtin"
_STATE_FILE = "registry.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of one expert. `directory` is None for the general expert, which has no files."""

    card: ExpertCard
    directory: Path | None


class Registry:
    """Experts by name and version.

    Pushed versions are kept under `root/<name>/<version>`; `root/registry.json` names the active one of each, and the
    names that were popped. Every change is written to a new file that replaces the old one.
    """

    def __init__(self, root: Path | None, builtin: Path | None = BUILTIN) -> None:
        self._root = root
        self._entries: dict[str, dict[str, Entry]] = {}
        self._active: dict[str, str | None] = {}
        for directory in sorted(builtin.iterdir()) if builtin and builtin.is_dir() else ():
            if directory.is_dir():
                self.add(Entry(ExpertCard.load(directory), directory))
        if root is not None:
            self._read(root)

    def add(self, entry: Entry) -> None:
        """Take an entry into the index and make it the active version; writes nothing."""
        self._entries.setdefault(entry.card.name, {})[entry.card.version] = entry
        self._active[entry.card.name] = entry.card.version

    def push(self, directory: Path) -> Entry:
        """Copy an expert's directory into the root and make it the active version of its name.

        Whoever pushes has checked the weights. Raises CheckpointError if there is no card.
        """
        card = ExpertCard.load(directory)
        if card.name == "general":
            raise CheckpointError(directory, "the name 'general' belongs to the backbone's own layers; choose another")
        target = directory
        if self._root is not None:
            target = self._root / card.name / card.version
            if not target.is_dir():
                staging = target.with_name(f".{card.version}-{os.getpid()}")
                shutil.copytree(directory, staging)
                staging.replace(target)
        entry = Entry(card, target)
        self.add(entry)
        self._write()
        return entry

    def pop(self, name: str) -> Entry:
        """Detach the active version of an expert; its files stay. Raises UnknownExpert."""
        entry = self.get(name)
        if entry.directory is None:
            raise UnknownExpert(name, tuple(sorted(self._active_names() - {name})))
        self._active[name] = None
        self._write()
        return entry

    def get(self, name: str, version: str | None = None) -> Entry:
        """The active version, or the one named. Raises UnknownExpert."""
        chosen = self._active.get(name) if version is None else version
        entry = self._entries.get(name, {}).get(chosen) if chosen else None
        if entry is None:
            raise UnknownExpert(name, tuple(sorted(self._active_names())), version)
        return entry

    def list(self) -> tuple[Entry, ...]:
        """The active version of every expert, by name."""
        return tuple(self.get(name) for name in sorted(self._active_names()))

    def versions(self, name: str) -> Sequence[Entry]:
        """All known versions of an expert, the active one last. Raises UnknownExpert."""
        if name not in self._entries:
            raise UnknownExpert(name, tuple(sorted(self._active_names())))
        active = self._active.get(name)
        return sorted(self._entries[name].values(), key=lambda entry: entry.card.version == active)

    def _active_names(self) -> set[str]:
        return {name for name, version in self._active.items() if version is not None}

    def _read(self, root: Path) -> None:
        for card_file in sorted(root.glob("*/[!.]*/card.json")):
            card = ExpertCard.load(card_file.parent)
            self._entries.setdefault(card.name, {})[card.version] = Entry(card, card_file.parent)
        path = root / _STATE_FILE
        if not path.exists():
            return
        try:
            state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            active: dict[str, str | None] = state["active"]
        except (json.JSONDecodeError, KeyError) as error:
            raise CheckpointError(path, f"damaged ({error}); remove it to start from the built-in experts") from error
        for name, version in active.items():
            if version is None or version in self._entries.get(name, {}):
                self._active[name] = version

    def _write(self) -> None:
        if self._root is None:
            return
        self._root.mkdir(parents=True, exist_ok=True)
        active = {name: version for name, version in sorted(self._active.items()) if name != "general"}
        staging = self._root / f".{_STATE_FILE}-{os.getpid()}"
        staging.write_text(json.dumps({"active": active}, indent=2) + "\n", encoding="utf-8")
        staging.replace(self._root / _STATE_FILE)
