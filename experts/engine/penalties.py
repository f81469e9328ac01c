"""What was said before becomes less likely, or more."""

from collections.abc import Sequence

import torch
from torch import Tensor

from experts.sampling_params import SamplingParams


class Penalties:
    """The repetition, frequency and presence penalties of one answer, over the tokens it has seen."""

    def __init__(self, params: SamplingParams, prompt: Sequence[int]) -> None:
        self._params = params
        self._seen = torch.tensor(list(prompt)).unique()
        """In prompt or answer, each once."""
        self._answer = torch.tensor([], dtype=torch.long)

    def add(self, token_ids: Sequence[int]) -> None:
        """Take new tokens of the answer."""
        new = torch.tensor(list(token_ids))
        self._answer = torch.cat([self._answer, new])
        self._seen = torch.cat([self._seen, new]).unique()

    def apply(self, logits: Tensor) -> Tensor:
        """Logits `[vocabulary]` with the penalties, in a new tensor."""
        params, seen = self._params, self._seen.to(logits.device)
        values = logits[seen]
        repeated = torch.where(values > 0, values / params.repetition_penalty, values * params.repetition_penalty)
        penalized = logits.index_copy(0, seen, repeated)
        token_ids, counts = self._answer.to(logits.device).unique(return_counts=True)
        return penalized.index_add(0, token_ids, -(counts * params.frequency_penalty + params.presence_penalty))
