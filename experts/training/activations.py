"""Boundary activations: the backbone is frozen, so its output for a row is computed once and every epoch reads it."""

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from experts.backbone import Backbone
from experts.stand_ins import Passing

MAX_BATCH_TOKENS = 2048
"""Padded tokens that the backbone computes at once."""
OnDone = Callable[[int], None]
"""Gets the number of tokens just finished."""


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """A row as token ids; the answer begins at `num_prompt_tokens` and ends with the end-of-answer token."""

    token_ids: tuple[int, ...]
    num_prompt_tokens: int

    @property
    def num_tokens(self) -> int:
        return len(self.token_ids)

    @property
    def num_answer_tokens(self) -> int:
        return self.num_tokens - self.num_prompt_tokens


def rows_hash(rows: Sequence[EncodedRow]) -> str:
    """SHA-256 over all token ids and where the answers begin, in the rows' order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"{row.num_prompt_tokens}:{','.join(map(str, row.token_ids))};".encode())
    return digest.hexdigest()


def boundary_activations(
    backbone: Backbone, rows: Sequence[EncodedRow], on_done: OnDone, max_batch_tokens: int = MAX_BATCH_TOKENS
) -> list[Tensor]:
    """The backbone's output for each row, `[num_tokens, hidden]`, in the rows' order.

    `on_done` gets the number of tokens just finished.
    """
    found: dict[int, Tensor] = {}
    for batch, output in computed_batches(backbone, rows, batches(rows, max_batch_tokens)):
        found.update(zip(batch, output, strict=True))
        on_done(sum(rows[i].num_tokens for i in batch))
    return [found[i] for i in range(len(rows))]


@torch.inference_mode()
def computed_batches(
    backbone: Backbone, rows: Sequence[EncodedRow], groups: Iterable[list[int]]
) -> Iterator[tuple[list[int], list[Tensor]]]:
    """Each group of indices with its rows' activations, `[num_tokens, hidden]` each.

    The whole stack runs with its upper layers and final norm replaced by nothing, so masks and positions are the
    library's own.
    """
    base = backbone.model.base_model
    for group in groups:
        with stack_of(backbone, backbone.layers[: backbone.num_shared_layers], (), norm=False):
            output = base(input_ids=pad([rows[i] for i in group]), use_cache=False)[0]
        yield group, [each[: rows[i].num_tokens].clone() for i, each in zip(group, output, strict=True)]


@contextmanager
def stack_of(
    backbone: Backbone, lower: Iterable[nn.Module], upper: Iterable[nn.Module], *, norm: bool
) -> Generator[None]:
    """For a while, other layers in the model's stack: `lower` first, `upper` last, layers that pass between them.

    Every kept layer stays at its own index, where the model looks up its mask. Without `norm` the norm passes too.
    """
    base, original, final_norm = backbone.model.base_model, backbone.layers, backbone.model.base_model.norm
    kept_lower, kept_upper = list(lower), list(upper)
    implementation: Any = backbone.model.config._attn_implementation  # pyright: ignore[reportPrivateUsage]
    passing = [Passing() for _ in range(backbone.num_layers - len(kept_lower) - len(kept_upper))]
    base.layers = nn.ModuleList([*kept_lower, *passing, *kept_upper])
    base.norm = final_norm if norm else Passing()
    backbone.model.set_attn_implementation("eager")  # a fifth faster than torch's CPU kernel for grouped queries
    try:
        yield
    finally:
        base.layers, base.norm = original, final_norm
        backbone.model.set_attn_implementation(implementation)


def batches(rows: Sequence[EncodedRow], max_batch_tokens: int) -> list[list[int]]:
    """Indices of rows of similar length, at most so many padded tokens together."""
    groups: list[list[int]] = []
    for index in sorted(range(len(rows)), key=lambda i: rows[i].num_tokens):
        longest = rows[index].num_tokens  # ascending, so this row is the longest of its group
        if not groups or (len(groups[-1]) + 1) * longest > max_batch_tokens:
            groups.append([])
        groups[-1].append(index)
    return groups


def pad(rows: Sequence[EncodedRow]) -> Tensor:
    """Token ids `[num_rows, longest]`, padded on the right, so that a causal model needs no mask."""
    ids = [torch.tensor(row.token_ids) for row in rows]
    return nn.utils.rnn.pad_sequence(ids, batch_first=True)
