"""One answer while it grows: which token comes next, what text is certain, when it ends."""

from concurrent.futures import Executor

import torch
from torch import Tensor

from experts.engine.detokenizer import Detokenizer
from experts.engine.events import FinishReason, TokenEvent, Usage
from experts.engine.grammar import Matcher
from experts.engine.sampler import sample
from experts.sampling_params import SamplingParams


class Answer:
    """From logits to events. The caller has checked that prompt and `max_tokens` fit the context."""

    def __init__(
        self,
        params: SamplingParams,
        detokenizer: Detokenizer,
        matcher: Matcher | None,
        eos_token_ids: frozenset[int],
        num_prompt_tokens: int,
    ) -> None:
        self._params, self._detokenizer, self._matcher = params, detokenizer, matcher
        self._eos_token_ids, self._num_prompt_tokens = eos_token_ids, num_prompt_tokens
        self._num_output_tokens = 0

    @property
    def is_plain_greedy(self) -> bool:
        """The next token is the likeliest, whatever came before."""
        return self._matcher is None and self._params.temperature == 0.0

    def prepare(self, executor: Executor) -> None:
        """Let be computed elsewhere what the next choice needs besides the logits."""
        if self._matcher is not None:
            self._matcher.prepare(executor)

    def choose(self, logits: Tensor) -> tuple[int, float]:
        """The next token from logits `[vocabulary]` and its log-probability. Raises GrammarError."""
        if self._matcher is not None:
            logits = self._matcher.mask(logits)
        token_id = sample(logits, self._params, self._num_prompt_tokens + self._num_output_tokens)
        return token_id, float(torch.log_softmax(logits.float(), dim=-1)[token_id])

    def take(self, token_id: int, logprob: float) -> TokenEvent:
        """Append the token and those that the grammar leaves no choice about. Raises GrammarError."""
        new, logprobs, finish = self._with_forced(token_id, logprob)
        room = self._params.max_tokens - self._num_output_tokens
        if len(new) >= room and finish is None:
            new, logprobs, finish = new[:room], logprobs[:room], "length"
        self._num_output_tokens += len(new)
        visible = new[:-1] if finish == "stop" and new[-1] in self._eos_token_ids else new
        text = self._detokenizer.add(visible)
        is_complete = finish == "length" and self._matcher is not None and self._matcher.is_finished
        if self._detokenizer.is_stopped or is_complete:
            finish = "stop"
        if finish is None:
            return TokenEvent(text, tuple(visible), tuple(logprobs))
        usage = Usage(self._num_prompt_tokens, self._num_output_tokens)
        return TokenEvent(text + self._detokenizer.finish(), tuple(visible), tuple(logprobs), finish, usage)

    def _with_forced(self, token_id: int, logprob: float) -> tuple[list[int], list[float], FinishReason | None]:
        if token_id in self._eos_token_ids and not self._params.ignore_eos:
            return [token_id], [logprob], "stop"
        forced = [] if self._matcher is None else self._matcher.accept(token_id)
        is_finished = self._matcher is not None and self._matcher.is_finished
        return [token_id, *forced], [logprob, *(0.0 for _ in forced)], "stop" if is_finished else None
