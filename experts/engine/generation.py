"""The slow path: one sequence, one assembled model, transformers' own cache and forward.

It is the reference that the engine is compared with, and what experts are scored with after training.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from experts.engine.answer import Answer
from experts.engine.detokenizer import Detokenizer
from experts.engine.events import TokenEvent
from experts.engine.grammar import Matcher
from experts.sampling_params import SamplingParams


class ModelState:
    """An assembled model with the keys and values of one sequence."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model, self._cache = model, DynamicCache(config=model.config)

    @torch.inference_mode()
    def forward(self, token_ids: Sequence[int]) -> Tensor:
        """Logits `[1, vocabulary]` behind the last of these tokens."""
        input_ids = torch.tensor([list(token_ids)], device=self._model.device)
        output: Any = self._model(input_ids=input_ids, cache=self._cache, use_cache=True, logits_to_keep=1)
        return output.logits[:, -1]

    @torch.inference_mode()
    def score(self, candidates: Sequence[Sequence[int]], logits: Tensor) -> list[float]:
        """Log-probability of each whole candidate behind the tokens so far; `logits` is what the last forward gave.

        All candidates are one batch on the repeated cache, which is used up.
        """
        longest = max(len(candidate) for candidate in candidates)
        padded = torch.zeros(len(candidates), longest, dtype=torch.long)
        for row, candidate in enumerate(candidates):
            padded[row, : len(candidate)] = torch.tensor(list(candidate))
        self._cache.batch_repeat_interleave(len(candidates))
        output: Any = self._model(input_ids=padded, cache=self._cache, use_cache=True)
        first = logits.float().expand(len(candidates), -1)[:, None]
        every = torch.log_softmax(torch.cat([first, output.logits[:, :-1].float()], dim=1), dim=-1)
        chosen = every.gather(2, padded[..., None])[..., 0]  # [num_candidates, longest]
        return [float(chosen[row, : len(candidate)].sum()) for row, candidate in enumerate(candidates)]


def generate(
    model: PreTrainedModel,
    tokenizer: Any,
    prompt: Sequence[int],
    params: SamplingParams,
    matcher: Matcher | None,
    eos_token_ids: frozenset[int],
) -> Iterator[TokenEvent]:
    """Yield an event after each forward, of one answer.

    The caller has checked that prompt and `max_tokens` fit the context.
    """
    assert prompt
    assert params.n == 1
    detokenizer = Detokenizer(tokenizer, params.stop, params.min_tokens)
    answer = Answer(params, detokenizer, matcher, eos_token_ids, prompt)
    state, pending = ModelState(model), list(prompt)
    while True:
        event = answer.take(*answer.choose(state.forward(pending)[0]))
        yield event
        if event.finish_reason is not None:
            return
        pending = list(event.token_ids)
