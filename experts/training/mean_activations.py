"""Mean boundary activations of texts, as the service's prompts begin with them, and kept on disk.

<cache>/gate/<key>.bin   for each text 32 bytes, the hash of its tokens, and `[hidden]` in float32
"""

import copy
import hashlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache

from experts.backbone import Backbone
from experts.errors import TrainingFileError
from experts.file_lock import locked
from experts.prompt import PromptRenderer
from experts.training.activations import EncodedRow, batches, pad, stack_of

_MAX_BATCH_TOKENS = 2048
_MAX_TEXT_TOKENS = 512
"""Of a longer text the beginning is read here; the service reads all of it."""
_DIGEST_BYTES = 32
OnTexts = Callable[[int], None]
"""Gets the number of texts just found or computed."""


@dataclass(frozen=True, slots=True)
class MeanStore:
    """A directory with a file for each backbone and split; only texts that are not in it are computed."""

    directory: Path

    def means(self, backbone: Backbone, texts: Sequence[str], on_done: OnTexts) -> Tensor:
        """`[num_texts, hidden]` in float32; `on_done` gets the number of texts just found or computed.

        A run that was killed goes on where it was. Raises TrainingFileError.
        """
        rows = encoded(backbone, texts)
        digests = [hashlib.sha256(array("i", row.token_ids).tobytes()).digest() for row in rows]
        path = self.directory / f"{_key(backbone)}.bin"
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with locked(path.with_suffix(".lock")):
                found = _read(path, backbone.embeddings.shape[1])
                missing = {digest: row for digest, row in zip(digests, rows, strict=True) if digest not in found}
                on_done(sum(digest in found for digest in digests))
                for group, means in mean_activations(backbone, list(missing.values())):
                    new = {digest: means[i] for i, digest in enumerate(list(missing)[j] for j in group)}
                    _append(path, new)
                    found |= new
                    on_done(sum(digest in new for digest in digests))
        except OSError as error:
            raise TrainingFileError(path, error.strerror or str(error)) from error
        return torch.from_numpy(np.stack([found[digest] for digest in digests]))


def encoded(backbone: Backbone, texts: Sequence[str]) -> list[EncodedRow]:
    """What every prompt for each text begins with; the template's opening ends at `num_prompt_tokens`."""
    renderer = PromptRenderer(backbone.tokenizer)
    first = renderer.num_opening_tokens
    return [EncodedRow((*renderer.beginning(text)[: first + _MAX_TEXT_TOKENS],), first) for text in texts]


@torch.inference_mode()
def mean_activations(backbone: Backbone, rows: Sequence[EncodedRow]) -> Iterator[tuple[list[int], Any]]:
    """Groups of indices with the means of their rows behind the opening, `[num_rows, hidden]` in float32.

    The opening, which all rows have, is computed once.
    """
    if not rows:
        return
    base, first = backbone.model.base_model, rows[0].num_prompt_tokens
    tails = [EncodedRow(row.token_ids[first:], 0) for row in rows]
    opening = DynamicCache(config=backbone.model.config)
    lower = backbone.layers[: backbone.num_shared_layers]
    for number, group in enumerate(batches(tails, _MAX_BATCH_TOKENS)):
        with stack_of(backbone, lower, (), norm=False):
            if first and not number:
                base(input_ids=torch.tensor([rows[0].token_ids[:first]]), cache=opening, use_cache=True)
            cache = copy.deepcopy(opening)
            if first:
                cache.batch_repeat_interleave(len(group))
            output: Tensor = base(input_ids=pad([tails[i] for i in group]), cache=cache, use_cache=True)[0]
        means = [each[: tails[i].num_tokens].float().mean(dim=0) for i, each in zip(group, output, strict=True)]
        yield group, torch.stack(means).numpy()


def _key(backbone: Backbone) -> str:
    parts = (backbone.hash, backbone.num_shared_layers, backbone.model.dtype)
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:32]


def _read(path: Path, hidden: int) -> dict[bytes, Any]:
    """Every whole record; what a killed run left of one at the end is passed over by `_append`."""
    if not path.is_file():
        return {}
    content, size = path.read_bytes(), _DIGEST_BYTES + 4 * hidden
    starts = range(0, len(content) - size + 1, size)
    split = _DIGEST_BYTES
    return {content[i : i + split]: np.frombuffer(content[i + split : i + size], np.float32) for i in starts}


def _append(path: Path, new: dict[bytes, Any]) -> None:
    size = _DIGEST_BYTES + next(iter(new.values())).nbytes
    with path.open("ab") as file:
        file.truncate(file.tell() // size * size)
        file.write(b"".join(digest + mean.tobytes() for digest, mean in new.items()))
