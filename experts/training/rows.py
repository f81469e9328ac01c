"""Training rows: a prompt in the service's own layout and the answer to learn."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experts.errors import DatasetError
from experts.prompt import PromptParts
from experts.training.chat import parts_and_answer

_FORMS = "{id, prompt, response}, {id, messages} or {id, question, steps}"


@dataclass(frozen=True, slots=True)
class Quote:
    """A row of a data set that stands in a composed one."""

    dataset: str
    row_id: str


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One example. `target` is what a metric compares with: a final answer, a label, a query.

    The response is in segments, tokenised apart where the service decodes them apart.
    """

    id: str
    parts: PromptParts
    segments: tuple[str, ...]
    target: str = ""
    quotes: tuple[Quote, ...] = ()
    """Rows of data sets that a composed row quotes."""

    @property
    def response(self) -> str:
        """The whole answer to learn."""
        return "".join(self.segments)

    @property
    def text(self) -> str:
        """The row's own words, without the layout."""
        earlier = (text for turn in self.parts.turns for text in (turn.task, turn.answer))
        return "\n".join((*earlier, self.parts.task, self.parts.step, self.response))


def read_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and object of each line. Raises DatasetError naming file and line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            path, None, f"cannot be read ({error}); name another file, or set CCOE_DATA to the data directory"
        ) from error
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DatasetError(path, number, f"not JSON: {error.msg}") from error
        if not isinstance(row, dict):
            raise DatasetError(path, number, f"not an object; a row is {_FORMS}")
        yield number, row


def read_rows(path: Path) -> list[TrainingRow]:
    """Rows of a file in the shared format: prompt and response, messages, or question and steps.

    Raises DatasetError naming file, line and field.
    """
    rows = [_row(path, number, raw) for number, raw in read_json_lines(path)]
    if not rows:
        raise DatasetError(path, None, "has no rows")
    return rows


def _row(path: Path, number: int, raw: dict[str, Any]) -> TrainingRow:
    identifier = str(raw.get("id", f"{path.stem}-{number}"))
    if "steps" in raw:
        return _plan_row(path, number, raw, identifier)
    if "messages" in raw:
        return _chat_row(path, number, raw, identifier)
    for field in ("prompt", "response"):
        if not isinstance(raw.get(field), str) or not raw[field].strip():
            raise DatasetError(path, number, f"field {field!r} must be a text that is not empty")
    meta = raw.get("meta") or {}
    prompt, response = raw["prompt"].strip(), raw["response"].strip()
    if raw.get("domain") == "sql":
        return TrainingRow(identifier, sql_parts(prompt), (response,), response)
    if "test_list" in meta:  # what a program has to pass
        tests = "\n".join([str(meta.get("test_setup_code", "")), *map(str, meta["test_list"])])
        return TrainingRow(identifier, PromptParts(prompt), (response,), tests)
    if "expr" in meta:  # the tool computes the value, so the expert writes the expression alone
        return TrainingRow(identifier, PromptParts(prompt), (meta["expr"],), str(meta["answer"]))
    return TrainingRow(identifier, PromptParts(prompt), (response,), str(meta.get("answer", response)))


def sql_parts(prompt: str) -> PromptParts:
    """`Tables: …`, `Question: …`, `SQL:` in the service's layout: the tables are the tool's context."""
    tables, _, rest = prompt.partition("\nQuestion:")
    question = rest.removesuffix("SQL:").strip()
    return PromptParts(question or prompt, context=tables.replace("Table:", "Tables:", 1) if question else "")


def _chat_row(path: Path, number: int, raw: dict[str, Any], identifier: str) -> TrainingRow:
    try:
        parts, answer = parts_and_answer(raw["messages"])
    except ValueError as error:
        raise DatasetError(path, number, str(error)) from error
    return TrainingRow(identifier, parts, (answer,), answer)


PLAN_STYLE = "Decompose the question in the style of {style}."


def _plan_row(path: Path, number: int, raw: dict[str, Any], identifier: str) -> TrainingRow:
    question, steps = raw.get("question"), raw.get("steps")
    if not isinstance(question, str) or not question.strip() or not isinstance(steps, list) or not steps:
        raise DatasetError(path, number, "a plan row needs a question and at least one step")
    texts = [str(step["text"]) for step in steps if isinstance(step, dict) and step.get("text")]
    if len(texts) != len(steps):
        raise DatasetError(path, number, "every step needs a text")
    segments = plan_segments([(text, "general") for text in texts])
    style = PLAN_STYLE.format(style=path.parent.name.removeprefix("plan_"))
    return TrainingRow(identifier, PromptParts(question.strip(), context=style), segments, "".join(segments))


def plan_segments(steps: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """The canonical text of a plan, compact JSON, cut where the planner scores the experts and forces the best.

    `[{"id":1,"text":"` · `…","expert":"` · `sql"` · `},{"id":2,"text":"` · `…","expert":"` · `math"` · `}]`
    """
    segments: list[str] = []
    for number, (text, expert) in enumerate(steps, 1):
        opening = "[" if number == 1 else "},"
        body = json.dumps(text, ensure_ascii=False)[1:-1]
        segments += [f'{opening}{{"id":{number},"text":"', f'{body}","expert":"', f'{expert}"']
    return (*segments, "}]")
