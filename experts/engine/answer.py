"""One answer while it grows: which token comes next, what text is certain, when it ends."""

import math
from collections.abc import Sequence
from concurrent.futures import Executor

import torch
from torch import Tensor

from experts.engine.detokenizer import Detokenizer
from experts.engine.events import FinishReason, TokenEvent, TopLogprobs, Usage
from experts.engine.grammar import Matcher
from experts.engine.penalties import Penalties
from experts.engine.sampler import sample
from experts.sampling_params import SamplingParams


class Answer:
    """From logits to events. The caller has checked that prompt and `max_tokens` fit the context.

    `index` says which of the answers to its prompt it is.
    """

    def __init__(
        self,
        params: SamplingParams,
        detokenizer: Detokenizer,
        matcher: Matcher | None,
        eos_token_ids: frozenset[int],
        prompt: Sequence[int],
        index: int = 0,
    ) -> None:
        self._params, self._detokenizer, self._matcher, self._index = params, detokenizer, matcher, index
        self._penalties = Penalties(params, prompt) if params.has_penalties else None
        self._eos_token_ids, self._num_prompt_tokens = eos_token_ids, len(prompt)
        self._num_output_tokens = 0

    @property
    def is_plain_greedy(self) -> bool:
        """The next token is the likeliest, whatever came before, and nothing is asked about the others."""
        is_free = self._matcher is None and self._penalties is None and not self._is_too_short(0)
        return is_free and self._params.temperature == 0.0 and not self._params.top_logprobs

    def prepare(self, executor: Executor) -> None:
        """Let be computed elsewhere what the next choice needs besides the logits."""
        if self._matcher is not None:
            self._matcher.prepare(executor)

    def choose(self, logits: Tensor) -> tuple[int, float, TopLogprobs]:
        """The next token from logits `[vocabulary]`, its log-probability and the likeliest tokens.

        Raises GrammarError if the grammar cannot say what may come next.
        """
        logits = logits.float() if self._matcher is None else self._matcher.mask(logits.float())
        choosable = self._without_ends(logits) if self._is_too_short(0) else logits
        if self._penalties is not None:
            choosable = self._penalties.apply(choosable)
        position = self._num_prompt_tokens + self._num_output_tokens
        token_id = sample(choosable, self._params, position, self._index)
        logprobs = torch.log_softmax(logits, dim=-1)
        return token_id, float(logprobs[token_id]), self._likeliest(logprobs)

    def take(self, token_id: int, logprob: float, top_logprobs: TopLogprobs = ()) -> TokenEvent:
        """Append the token and those that the grammar leaves no choice about. Raises GrammarError."""
        new, finish = self._with_forced(token_id)
        is_shown = finish is None or not self._is_end(new[-1], len(new) - 1)
        room = self._params.max_tokens - self._num_output_tokens
        if len(new) > room or (len(new) == room and finish is None):
            new, finish, is_shown = new[:room], "length", True
        self._num_output_tokens += len(new)
        if self._penalties is not None:
            self._penalties.add(new)
        visible = new if is_shown else new[:-1]
        text = self._detokenizer.add(visible)
        if self._detokenizer.is_stopped:
            finish = "stop"
        logprobs = (logprob, *(0.0 for _ in new[1:]))
        tops = (top_logprobs, *(() for _ in new[1:]))[: len(visible)] if self._params.top_logprobs else ()
        if finish is None:
            return TokenEvent(text, tuple(visible), logprobs, None, None, tops, self._index)
        text, usage = text + self._detokenizer.finish(), Usage(self._num_prompt_tokens, self._num_output_tokens)
        return TokenEvent(text, tuple(visible), logprobs, finish, usage, tops, self._index)

    def _with_forced(self, token_id: int) -> tuple[list[int], FinishReason | None]:
        """The token and those that follow without a choice, up to the first that ends the answer."""
        if self._is_end(token_id, 0):
            return [token_id], "stop"
        forced = [] if self._matcher is None else self._matcher.accept(token_id)
        for index, forced_id in enumerate(forced, 1):
            if self._is_end(forced_id, index):
                return [token_id, *forced[:index]], "stop"
        is_finished = self._matcher is not None and self._matcher.is_finished
        return [token_id, *forced], "stop" if is_finished else None

    def _is_end(self, token_id: int, num_before: int) -> bool:
        """Whether a token, behind so many other new ones, ends the answer and is no part of it."""
        if token_id in self._eos_token_ids and (self._matcher is not None or not self._params.ignore_eos):
            return True  # a grammar's end is reached even in too short an answer
        return token_id in self._params.stop_token_ids and not self._is_too_short(num_before)

    def _is_too_short(self, num_new: int) -> bool:
        return self._num_output_tokens + num_new < self._params.min_tokens

    def _without_ends(self, logits: Tensor) -> Tensor:
        ends = [i for i in {*self._eos_token_ids, *self._params.stop_token_ids} if i < len(logits)]
        others = logits.index_fill(0, torch.tensor(ends, dtype=torch.long, device=logits.device), -math.inf)
        return others if others.max() > -math.inf else logits

    def _likeliest(self, logprobs: Tensor) -> TopLogprobs:
        if not self._params.top_logprobs:
            return ()
        values, token_ids = logprobs.topk(min(self._params.top_logprobs, len(logprobs)))
        found = zip(token_ids.tolist(), values.tolist(), strict=True)
        return tuple((token_id, value) for token_id, value in found if value > -math.inf)
