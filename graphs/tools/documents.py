"""Files as passages: text, Markdown, HTML and PDF, each passage with the place where it stands."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from graphs.tools.markup import html_lines

SUFFIXES = frozenset((".txt", ".md", ".html", ".htm", ".pdf"))
MAX_PASSAGE_CHARS = 800
_HEADING = re.compile(r"#{1,6}\s+(.*?)\s*#*")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


class DocumentError(Exception):
    """A file cannot be read as what its name says."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text and its place: `12` of a text's lines, `p3` of a PDF's pages."""

    place: str
    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """Some lines of one file under their heading; the place is that of the first."""

    place: str
    heading: str
    text: str


def read_passages(path: Path) -> list[Passage]:
    """The passages of a file of a known suffix. Raises DocumentError."""
    match path.suffix.lower():
        case ".pdf":
            return list(_passages(_pdf_lines(path), has_headings=False))
        case ".html" | ".htm":
            lines = [Line(str(number), text) for number, text in html_lines(_text_of(path))]
            return list(_passages(lines, has_headings=False))
        case suffix:
            lines = (Line(str(number), text) for number, text in enumerate(_text_of(path).splitlines(), start=1))
            return list(_passages(lines, has_headings=suffix == ".md"))


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise DocumentError(error.strerror or str(error)) from error


def _pdf_lines(path: Path) -> Iterator[Line]:
    pypdf, errors = import_module("pypdf"), import_module("pypdf.errors")  # loaded where there is a PDF
    try:
        for number, page in enumerate(pypdf.PdfReader(path).pages, start=1):
            yield from (Line(f"p{number}", text) for text in page.extract_text().splitlines())
            yield Line(f"p{number}", "")
    except (OSError, errors.PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DocumentError(f"it is no PDF that can be read ({error})") from error  # pypdf on damaged files


def _passages(lines: Iterable[Line], *, has_headings: bool) -> Iterator[Passage]:
    """Paragraphs, put together while they fit; a longer one is split at the ends of sentences, then anywhere."""
    heading = ""
    block: list[Line] = []
    for line in (piece for known in lines for piece in _short(known)):
        found = _HEADING.fullmatch(line.text) if has_headings else None
        num_chars = sum(len(known.text) + 1 for known in block)
        is_full = num_chars + len(line.text) > MAX_PASSAGE_CHARS
        is_pause = not line.text.strip() and num_chars > MAX_PASSAGE_CHARS / 2
        if block and (found or is_full or is_pause):
            yield _passage(heading, block)
            block = []
        if found:
            heading = found[1]
        elif line.text.strip():
            block.append(line)
    if block:
        yield _passage(heading, block)


def _passage(heading: str, block: list[Line]) -> Passage:
    return Passage(block[0].place, heading, "\n".join(line.text for line in block))


def _short(line: Line) -> Iterator[Line]:
    """The line, or its sentences if it is too long for a passage."""
    if len(line.text) <= MAX_PASSAGE_CHARS:
        yield line
        return
    piece = ""
    for sentence in _SENTENCE_END.split(line.text):
        if piece and len(piece) + len(sentence) >= MAX_PASSAGE_CHARS:
            yield Line(line.place, piece)
            piece = ""
        piece = f"{piece} {sentence}".strip()
        while len(piece) > MAX_PASSAGE_CHARS:
            yield Line(line.place, piece[:MAX_PASSAGE_CHARS])
            piece = piece[MAX_PASSAGE_CHARS:]
    if piece:
        yield Line(line.place, piece)
