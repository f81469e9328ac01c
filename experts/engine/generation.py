"""The plain generation loop: one sequence, one assembled model, transformers' own cache and forward.

It is also the reference that a faster engine is compared with: greedy, it gives the tokens of transformers' `generate`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from experts.engine.detokenizer import Detokenizer
from experts.engine.events import FinishReason, TokenEvent, Usage
from experts.engine.grammar import Matcher
from experts.engine.sampler import sample
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
    """Yield an event after each forward. The caller has checked that prompt and `max_tokens` fit the context."""
    assert prompt
    state, detokenizer = ModelState(model), Detokenizer(tokenizer, params.stop)
    pending, num_output = list(prompt), 0
    while True:
        logits = state.forward(pending).clone()
        new, logprobs, finish = _choose(logits, params, matcher, eos_token_ids, len(prompt) + num_output)
        room = params.max_tokens - num_output
        if len(new) >= room and finish is None:
            new, logprobs, finish = new[:room], logprobs[:room], "length"
        num_output += len(new)
        visible = new[:-1] if new and new[-1] in eos_token_ids else new
        text = detokenizer.add(visible)
        if detokenizer.is_stopped or (finish == "length" and matcher is not None and matcher.is_finished):
            finish = "stop"
        if finish is not None:
            usage = Usage(len(prompt), num_output)
            yield TokenEvent(text + detokenizer.finish(), tuple(visible), tuple(logprobs), finish, usage)
            return
        yield TokenEvent(text, tuple(visible), tuple(logprobs))
        pending = new


def _choose(
    logits: Tensor, params: SamplingParams, matcher: Matcher | None, eos_token_ids: frozenset[int], position: int
) -> tuple[list[int], list[float], FinishReason | None]:
    """The next token and those that the grammar forces behind it, their log-probabilities, and why this is the end."""
    if matcher is not None:
        matcher.mask(logits)
    token_id = sample(logits[0], params, position)
    logprob = float(torch.log_softmax(logits[0].float(), dim=-1)[token_id])
    if token_id in eos_token_ids:
        return [token_id], [logprob], "stop"
    forced = [] if matcher is None else matcher.accept(token_id)
    finished = matcher is not None and matcher.is_finished
    new = [token_id, *forced]
    return new, [logprob, *(0.0 for _ in forced)], "stop" if finished else None
