"""The built-in tasks: a database, notes, and what right answers must say."""

import sqlite3
import tomllib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from graphs.tools.arithmetic import compute, format_number
from graphs.tools.passage_index import PassageIndex
from orchestrator.expected_answer import contains_all
from orchestrator.settings import Settings, read_settings

_NAME = "harbour"


@dataclass(frozen=True, slots=True)
class CheckedTask:
    """A task, and how its answer is found without the service."""

    text: str
    expected: tuple[str, ...]
    found: tuple[str, ...] = ()
    """Queries on the database."""
    given: tuple[str, ...] = ()
    """What the notes say."""
    value: str = ""
    """An expression over both; its value is one of the expected texts."""

    def is_answered_by(self, answer: str) -> bool:
        """Whether the answer says all that a right one must say."""
        return contains_all(answer, self.expected)


@dataclass(frozen=True, slots=True)
class TaskSet:
    """All tasks and what they are about."""

    schema: str
    notes: dict[str, str]
    tasks: tuple[CheckedTask, ...]

    @classmethod
    def load(cls) -> Self:
        """The tasks that the package ships."""
        raw: dict[str, Any] = tomllib.loads(Path(__file__).with_name("tasks.toml").read_text(encoding="utf-8"))
        return cls(raw["schema"], raw["notes"], tuple(_task(one) for one in raw["tasks"]))

    def prepare(self, folder: Path) -> Settings:
        """Write database, notes and their index below a folder; the settings of a service that has them."""
        database, notes = folder / f"{_NAME}.sqlite", folder / "notes"
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.executescript(self.schema)
        notes.mkdir()
        for name, text in self.notes.items():
            (notes / name).write_text(text, encoding="utf-8")
        own = {"data_dir": folder / "data", "databases": {_NAME: database}, "database": _NAME}
        settings = read_settings(**own, step_cache_seconds=0)  # each way pays for itself
        list(PassageIndex(settings.index_path).update(notes))
        return settings

    def computed(self, task: CheckedTask, database: Path) -> str:
        """The value that one of the expected texts must be, by plain SQL and exact arithmetic; empty without one."""
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            found = [str(connection.execute(query).fetchone()[0]) for query in task.found]
        value = task.value.format(*found, *task.given)
        return value if value in found else format_number(compute(value).value) if value else ""


def _task(raw: dict[str, Any]) -> CheckedTask:
    found, given = tuple(raw.get("found", ())), tuple(raw.get("given", ()))
    return CheckedTask(raw["text"], tuple(raw["expected"]), found, given, raw["value"])
