"""The index of experts: which there are, where their files lie, which version is active. No torch."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from experts.card import ExpertCard
from experts.errors import CheckpointError, NoEarlierVersion, UnknownExpert

BUILTIN = Path(__file__).parent / "builtin"
GATE_FILE = "gate.json"
"""A trained gate, beside the experts."""
_STATE_FILE = "registry.json"
_MAX_HISTORY = 50
VersionState = Literal["active", "kept", "popped"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of one expert. `directory` is None for the general expert, which has no files."""

    card: ExpertCard
    directory: Path | None


class Registry:
    """Experts by name and version.

    Pushed versions are kept under `root/<name>/<version>`; `root/registry.json` names the active one of each, the
    names that were popped, and which versions were active before. Every change is written to a new file that replaces
    the old one.
    """

    def __init__(self, root: Path | None, builtin: Path | None = BUILTIN) -> None:
        self._root, self._builtin = root, builtin
        self._entries: dict[str, dict[str, Entry]] = {}
        self._active: dict[str, str | None] = {}
        self._history: dict[str, list[str]] = {}
        """Versions in the order they became active, the newest last."""
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
        self._note(card.name, self._active.get(card.name), card.version)
        self.add(entry)
        self._write()
        return entry

    def pop(self, name: str) -> Entry:
        """Detach the active version of an expert; its files stay. Raises UnknownExpert."""
        entry = self.get(name)
        if entry.directory is None:
            raise UnknownExpert(name, tuple(sorted(self._active_names() - {name})))
        self._note(name, entry.card.version)
        self._active[name] = None
        self._write()
        return entry

    def earlier(self, name: str) -> Entry:
        """The version that was active before the last push, rollback or pop. Raises UnknownExpert, NoEarlierVersion."""
        kept = self.versions(name)
        known = self._known_history(name)
        if known and known[-1] == self._active.get(name):
            known = known[:-1]
        if not known:
            raise NoEarlierVersion(name, tuple(entry.card.version for entry in kept))
        return self.get(name, known[-1])

    def rollback(self, name: str, version: str | None = None) -> Entry:
        """Make an earlier version active again: the one before the last change, or any kept one by name.

        The one before the last change undoes that change; another one is a change of its own, which can be undone.
        Raises UnknownExpert, NoEarlierVersion.
        """
        history, active = self._known_history(name), self._active.get(name)
        entry = self.earlier(name) if version is None else self.get(name, version)
        chosen = entry.card.version
        if chosen == active:
            return entry
        if history[-2:] == (chosen, active):
            self._history[name] = [*history[:-1]]
        else:
            self._note(name, active, chosen)
        self._active[name] = chosen
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

    def gate_files(self) -> Sequence[Path]:
        """Trained gates: the one in the root, then the built-in one, as far as they are there."""
        folders = (self._root, self._builtin)
        return [path for folder in folders if folder is not None and (path := folder / GATE_FILE).is_file()]

    def names(self) -> Sequence[str]:
        """Every expert that has a version, popped ones too."""
        return sorted(self._entries)

    def state_of(self, entry: Entry) -> VersionState:
        """Whether a version is active, was the active one until its expert was popped, or is merely kept."""
        name, version = entry.card.key
        if (active := self._active.get(name)) is not None:
            return "active" if version == active else "kept"
        return "popped" if version in self._known_history(name)[-1:] else "kept"

    def versions(self, name: str) -> Sequence[Entry]:
        """All known versions of an expert, the active one last. Raises UnknownExpert."""
        if name not in self._entries:
            raise UnknownExpert(name, tuple(sorted(self._active_names())))
        active = self._active.get(name)
        return sorted(self._entries[name].values(), key=lambda entry: entry.card.version == active)

    def _active_names(self) -> set[str]:
        return {name for name, version in self._active.items() if version is not None}

    def _known_history(self, name: str) -> tuple[str, ...]:
        """The history without versions whose files are gone."""
        kept = self._entries.get(name, {})
        return tuple(version for version in self._history.get(name, ()) if version in kept)

    def _note(self, name: str, *versions: str | None) -> None:
        """Put versions at the end of the history, each unless it stands there."""
        history = self._history.setdefault(name, [])
        for version in versions:
            if version is not None and history[-1:] != [version]:
                history.append(version)
        del history[:-_MAX_HISTORY]

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
            self._history = {name: [*versions] for name, versions in state.get("history", {}).items()}
        except (json.JSONDecodeError, KeyError, AttributeError, TypeError) as error:
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
        state = {"active": active, "history": dict(sorted(self._history.items()))}
        staging.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
        staging.replace(self._root / _STATE_FILE)
