"""Rows of data sets that a planner's tasks quote, without the words that their set has around each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experts.training.own_text import own_text
from experts.training.rows import Quote, read_rows

MAX_CHARACTERS = 320
_SETS = (
    # kind | data set | expert
    ("law", "cuad_clause_type", "law"),
    ("medical", "medquad_qtype", "medical"),
    ("medical question", "medquad", "medical"),
    ("code", "conala", "code"),
    ("shell", "nl2bash", "code"),
    ("problem", "mawps", "math"),
    ("problem", "svamp", "math"),
)
_TEXT_END = '","expert":"'


@dataclass(frozen=True, slots=True)
class Subject:
    """What a row is about, to be asked in any words; `kind` says in which."""

    text: str
    kind: str
    expert: str
    quote: Quote
    written: str = ""
    """What its expert writes, where that is computed."""
    result: str = ""


def read_subjects(data: Path) -> Mapping[str, Sequence[Subject]]:
    """The train rows by kind; those that are long, or name a step, are passed over. Raises DatasetError."""
    subjects: dict[str, list[Subject]] = {}
    for kind, name, expert in _SETS:
        for row in read_rows(data / name / "train.jsonl"):
            text = own_text(name, row.parts.task)
            if len(text) <= MAX_CHARACTERS and "#" not in text:
                computed = (row.response, row.target) if kind == "problem" else ()
                subject = Subject(text.strip(), kind, expert, Quote(name, row.id), *computed)
                subjects.setdefault(kind, []).append(subject)
    subjects["general"] = _facts_of_the_world(data)
    return subjects


def _facts_of_the_world(data: Path) -> list[Subject]:
    """First questions of decomposed ones: no domain expert is for them."""
    rows = read_rows(data / "plan_2wiki" / "train.jsonl")
    texts = [(row.segments[1].removesuffix(_TEXT_END), row.id) for row in rows]
    plain = [(text, row_id) for text, row_id in texts if "\\" not in text and "#" not in text]
    return [Subject(text, "general", "general", Quote("plan_2wiki", row_id)) for text, row_id in plain]
