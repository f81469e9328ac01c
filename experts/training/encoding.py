"""Rows as token ids, as the service would ask them, and bounded in length."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experts.backbone import Backbone
from experts.errors import DatasetError
from experts.prompt import PromptRenderer
from experts.training.activations import EncodedRow
from experts.training.datasets import Dataset
from experts.training.rows import TrainingRow

MAX_ROW_TOKENS = 1024
Rows = Mapping[Dataset, Sequence[TrainingRow]]
"""Rows by data set."""


@dataclass(frozen=True, slots=True)
class RowLimits:
    """How long a row may be, and what becomes of a longer one: it is an error, or left out. None is ever cut."""

    max_tokens: int = MAX_ROW_TOKENS
    """The backbone's context bounds it too."""
    skip_long: bool = False


@dataclass(frozen=True, slots=True)
class EncodedRows:
    """The rows that are used, as they are and as token ids in the same order."""

    rows: Rows
    encoded: list[EncodedRow]
    num_skipped: int
    max_tokens: int


def encode(backbone: Backbone, row: TrainingRow, suffix: str) -> EncodedRow:
    """A row as the service would ask it, its answer with the end-of-answer token behind."""
    renderer = PromptRenderer(backbone.tokenizer)
    prompt = renderer.render(row.parts, suffix)
    answer = [i for segment in row.segments for i in renderer.encode(segment)]
    return EncodedRow((*prompt, *answer, min(backbone.eos_token_ids)), len(prompt))


def encode_rows(backbone: Backbone, rows: Rows, suffix: str, limits: RowLimits) -> EncodedRows:
    """All rows that are short enough.

    Raises DatasetError naming the first row that is too long and their number, unless they are to be left out; then
    only if no row is left.
    """
    limit = min(limits.max_tokens, backbone.max_context)
    encoded = [(of, row, encode(backbone, row, suffix)) for of, part in rows.items() for row in part]
    long = [(of, row, tokens.num_tokens) for of, row, tokens in encoded if tokens.num_tokens > limit]
    if long and not limits.skip_long:
        of, row, num_tokens = long[0]
        remedy = "shorten it or leave it out (--skip-long leaves all such rows out)"
        more = "" if len(long) == 1 else f"; {len(long)} rows are too long"
        reason = f"row {row.id!r} has {num_tokens} tokens, more than {limit}; {remedy}{more}"
        raise DatasetError(Path(of.name), None, reason)
    short = [(of, row, tokens) for of, row, tokens in encoded if tokens.num_tokens <= limit]
    if long and not short:
        raise DatasetError(Path(long[0][0].name), None, f"every row has more than {limit} tokens; shorten them")
    used = {one: tuple(row for of, row, _ in short if of == one) for one in rows}
    return EncodedRows(used, [tokens for _, _, tokens in short], len(long), limit)
