"""An index of the user's files: SQLite's FTS5 and, if there is an embedder, one vector for each passage.

What both find is put together by reciprocal rank fusion (Cormack et al. 2009).
"""

import hashlib
import os
import re
import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graphs.tools.documents import SUFFIXES, DocumentError, Passage, read_passages

MAX_FILE_BYTES = 50_000_000
RANK_OFFSET = 60
_CANDIDATES = 50
_EMBEDDED_AT_ONCE = 32
_BUSY_SECONDS = 30.0
_TABLES = """
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY, folder TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, UNIQUE (folder, name)
);
CREATE TABLE IF NOT EXISTS passages (
    id INTEGER PRIMARY KEY, file_id INTEGER NOT NULL REFERENCES files, place TEXT NOT NULL,
    heading TEXT NOT NULL, text TEXT NOT NULL, embedding BLOB
);
CREATE INDEX IF NOT EXISTS passages_by_file ON passages (file_id);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (
    name, heading, text, tokenize = 'porter unicode61 remove_diacritics 2'
);
"""

Embed = Callable[[Sequence[str]], np.ndarray]
"""Vectors of texts, `[num_texts, size]`, float32."""


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that was found; its file's name is that below the folder."""

    folder: str
    name: str
    place: str
    heading: str
    text: str

    @property
    def citation(self) -> str:
        """`[notes/chain.md:12]`."""
        return f"[{self.name}:{self.place}]"


@dataclass(frozen=True, slots=True)
class Indexed:
    """What became of one file."""

    name: str
    outcome: str
    """`kept`, `indexed`, `removed`, or why it was left out."""
    num_passages: int = 0


class PassageIndex:
    """One SQLite file. Each method opens it anew, so that another process may write meanwhile."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def update(self, folder: Path, embed: Embed | None = None) -> Iterator[Indexed]:
        """Bring the index up to date with the files below a folder, one at a time; each is a transaction.

        A file whose content has not changed is kept; one that is gone is removed. Raises sqlite3.Error and OSError.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        folder = folder.resolve()
        with self._open() as connection:
            connection.executescript(_TABLES)
            rows = connection.execute("SELECT name, digest FROM files WHERE folder = ?", (str(folder),))
            digests: dict[str, str] = dict(rows.fetchall())
            for path in files_below(folder):
                name = path.relative_to(folder).as_posix()
                yield _indexed(connection, folder, path, digests.pop(name, None), embed)
            for name in digests:
                with connection:
                    _remove(connection, folder, name)
                yield Indexed(name, "removed")

    def search(self, query: str, k: int, embed: Embed | None = None) -> list[Found]:
        """The k best passages, the best first. Raises sqlite3.Error."""
        with self._open() as connection:
            rankings = [_by_words(connection, query)]
            if embed is not None:
                rankings.append(_by_meaning(connection, embed([query])[0]))
            best = fused(rankings)[:k]
            rows = (connection.execute(_PASSAGE, (passage,)).fetchone() for passage in best)
            return [Found(*map(str, row)) for row in rows]

    @property
    def has_embeddings(self) -> bool:
        """Whether passages have vectors. Raises sqlite3.Error."""
        with self._open() as connection:
            query = "SELECT 1 FROM passages WHERE embedding IS NOT NULL LIMIT 1"
            return connection.execute(query).fetchone() is not None

    @contextmanager
    def _open(self) -> Generator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=_BUSY_SECONDS)) as connection:
            yield connection


_PASSAGE = (
    "SELECT folder, name, place, heading, text FROM passages JOIN files ON files.id = file_id WHERE passages.id = ?"
)


def files_below(folder: Path) -> list[Path]:
    """The files that can be indexed, sorted; hidden ones and links out of the folder are not."""
    found: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(parent, name) for name in sorted(names) if not name.startswith("."))
        found += [path for path in paths if path.suffix.lower() in SUFFIXES and _is_inside(path, folder)]
    return found


def fused(rankings: Sequence[Sequence[int]]) -> list[int]:
    """Reciprocal rank fusion: the sum of 1 / (60 + rank) over the rankings, the best first."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, passage in enumerate(ranking, start=1):
            scores[passage] = scores.get(passage, 0.0) + 1 / (RANK_OFFSET + rank)
    return sorted(scores, key=lambda passage: (-scores[passage], passage))


def _is_inside(path: Path, folder: Path) -> bool:
    return path.is_file() and path.resolve().is_relative_to(folder)


def _indexed(
    connection: sqlite3.Connection, folder: Path, path: Path, digest: str | None, embed: Embed | None
) -> Indexed:
    name = path.relative_to(folder).as_posix()
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise DocumentError(f"it is larger than {MAX_FILE_BYTES} bytes")
        # an index with vectors and one without are made anew from each other
        current = hashlib.sha256(path.read_bytes()).hexdigest() + ("+" if embed else "")
        if current == digest:
            return Indexed(name, "kept")
        passages = read_passages(path)
    except (DocumentError, OSError) as error:
        with connection:
            _remove(connection, folder, name)
        return Indexed(name, str(error))
    vectors = _vectors(passages, embed)
    with connection:
        _remove(connection, folder, name)
        values = (str(folder), name, current)
        file_id = connection.execute("INSERT INTO files (folder, name, digest) VALUES (?, ?, ?)", values).lastrowid
        for passage, vector in zip(passages, vectors, strict=True):
            values = (file_id, passage.place, passage.heading, passage.text, vector)
            row = connection.execute(
                "INSERT INTO passages (file_id, place, heading, text, embedding) VALUES (?, ?, ?, ?, ?)", values
            )
            words = (row.lastrowid, name, passage.heading, passage.text)
            connection.execute("INSERT INTO words (rowid, name, heading, text) VALUES (?, ?, ?, ?)", words)
    return Indexed(name, "indexed", len(passages))


def _vectors(passages: Sequence[Passage], embed: Embed | None) -> list[bytes | None]:
    if embed is None:
        return [None] * len(passages)
    found: list[bytes | None] = []
    for begin in range(0, len(passages), _EMBEDDED_AT_ONCE):
        texts = [f"{passage.heading}\n{passage.text}".strip() for passage in passages[begin:][:_EMBEDDED_AT_ONCE]]
        found += [vector.astype(np.float32).tobytes() for vector in embed(texts)]
    return found


def _remove(connection: sqlite3.Connection, folder: Path, name: str) -> None:
    of_file = "file_id IN (SELECT id FROM files WHERE folder = ? AND name = ?)"
    values = (str(folder), name)
    connection.execute(f"DELETE FROM words WHERE rowid IN (SELECT id FROM passages WHERE {of_file})", values)
    connection.execute(f"DELETE FROM passages WHERE {of_file}", values)
    connection.execute("DELETE FROM files WHERE folder = ? AND name = ?", values)


def _by_words(connection: sqlite3.Connection, query: str) -> list[int]:
    """By BM25; a word in the heading counts twice. Any of the words may be missing."""
    words = " OR ".join(f'"{word}"' for word in dict.fromkeys(re.findall(r"\w+", query.lower())))
    if not words:
        return []
    ranked = f"SELECT rowid FROM words WHERE words MATCH ? ORDER BY bm25(words, 1.0, 2.0, 1.0) LIMIT {_CANDIDATES}"
    return [int(row[0]) for row in connection.execute(ranked, (words,))]


def _by_meaning(connection: sqlite3.Connection, vector: np.ndarray) -> list[int]:
    """By the cosine, of coordinates less their mean and by their spread: what all have in common tells nothing."""
    rows = connection.execute("SELECT id, embedding FROM passages WHERE embedding IS NOT NULL").fetchall()
    if not rows:
        return []
    known = np.stack([np.frombuffer(row[1], dtype=np.float32) for row in rows])
    mean, spread = known.mean(axis=0), known.std(axis=0) + np.finfo(np.float32).eps
    known, vector = (known - mean) / spread, (vector - mean) / spread
    cosines = known @ vector / np.maximum(np.linalg.norm(known, axis=1), np.finfo(np.float32).eps)
    return [int(rows[i][0]) for i in np.argsort(-cosines, kind="stable")[:_CANDIDATES]]
