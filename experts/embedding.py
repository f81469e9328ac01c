"""Texts as vectors: the backbone's output, the mean over a text's tokens."""

from collections.abc import Sequence
from threading import Lock

import numpy as np

from experts.backbone import Backbone
from experts.config import BackboneConfig
from experts.source import load_backbone
from experts.training.activations import EncodedRow, batches, computed_batches

MAX_TOKENS = 256
"""Of one text; what comes behind is not looked at."""
_MAX_BATCH_TOKENS = 2048


class Embedder:
    """A backbone of its own, beside an engine's: its weights are read from the same file."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self._computing = Lock()  # other layers stand in the model's stack meanwhile

    @classmethod
    def load(cls, config: BackboneConfig) -> "Embedder":
        """Raises an ExpertError if the backbone cannot be loaded."""
        return cls(load_backbone(config))

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """`[num_texts, hidden]`, float32. Special tokens in a text are read as text.

        The first token, on which all others rest whatever it is (Xiao et al. 2023, arXiv 2309.17453), is one that does
        not count; those that do count alike, whatever their length.
        """
        tokenize, first = self._backbone.tokenizer, min(self._backbone.eos_token_ids)
        ids = [tokenize(text, add_special_tokens=False, split_special_tokens=True).input_ids for text in texts]
        rows = [EncodedRow((first, *(one[:MAX_TOKENS] or [first])), 0) for one in ids]
        found = np.zeros((len(rows), self._backbone.model.config.hidden_size), dtype=np.float32)
        with self._computing:
            for group, outputs in computed_batches(self._backbone, rows, batches(rows, _MAX_BATCH_TOKENS)):
                for index, output in zip(group, outputs, strict=True):
                    tokens = output[1:].float()
                    found[index] = (tokens / tokens.norm(dim=1, keepdim=True)).mean(dim=0).numpy()
        return found
