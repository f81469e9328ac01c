"""From what is asked to sequences: prompts rendered, grammars compiled, lengths checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from experts.card import ExpertCard
from experts.engine.answer import Answer
from experts.engine.detokenizer import Detokenizer
from experts.engine.engine import Pooling, Scoring, Work
from experts.engine.grammar import GrammarCompiler
from experts.engine.model_pool import ModelPool
from experts.errors import PromptInvalid, PromptTooLong
from experts.prompt import PromptParts, PromptRenderer
from experts.registry import Entry
from experts.sampling_params import SamplingParams

Prompt = PromptParts | Sequence[int] | Sequence[dict[str, str]]
"""What can be asked: parts in the service's layout, token ids, or chat messages."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A sequence to be added: its expert (None: the shared layers alone), its prompt and what becomes of it."""

    entry: Entry | None
    token_ids: list[int]
    work: Work


class Intake:
    """Makes sequences for the experts of a pool; prompt and answer fit `max_tokens`."""

    def __init__(self, pool: ModelPool, max_tokens: int) -> None:
        backbone = pool.backbone
        self._backbone, self._max_tokens = backbone, max_tokens
        self._renderer = PromptRenderer(backbone.tokenizer)
        self._vocab_size = int(backbone.model.config.vocab_size)
        self._grammars = GrammarCompiler(backbone.tokenizer, self._vocab_size, backbone.eos_token_ids)

    def answers(self, entry: Entry, prompt: Prompt, params: SamplingParams) -> list[Asked]:
        """All `params.n` answers to a prompt. Raises PromptTooLong, PromptInvalid or GrammarError."""
        token_ids = self._render(prompt, entry.card)
        room = self._max_tokens - len(token_ids)
        if room < 1:
            raise PromptTooLong(len(token_ids), self._max_tokens)
        params = params.model_copy(update={"max_tokens": min(params.max_tokens, room)})
        matcher = self._grammars.compile(params.grammar) if params.grammar else None

        def answer(index: int) -> Answer:
            detokenizer = Detokenizer(self._backbone.tokenizer, params.stop, params.min_tokens)
            own = matcher.copy() if matcher else None
            return Answer(params, detokenizer, own, self._backbone.eos_token_ids, token_ids, index)

        return [Asked(entry, token_ids, answer(index)) for index in range(params.n)]

    def scoring(self, entry: Entry, prompt: Prompt, candidate: str) -> Asked:
        """A candidate behind a prompt. Raises PromptTooLong or PromptInvalid."""
        token_ids = self._render(prompt, entry.card)
        scoring = Scoring(tuple(self._renderer.encode(candidate)))
        if not scoring.token_ids:
            raise PromptInvalid("a candidate is empty; only text has a log-probability")
        if len(token_ids) + len(scoring.token_ids) > self._max_tokens:
            raise PromptTooLong(len(token_ids), self._max_tokens)
        return Asked(entry, token_ids, scoring)

    def pooling(self, task: str) -> Asked:
        """What every prompt for a task begins with. Raises PromptTooLong."""
        token_ids = self._renderer.beginning(task)
        if len(token_ids) >= self._max_tokens:
            raise PromptTooLong(len(token_ids), self._max_tokens)
        return Asked(None, token_ids, Pooling(self._renderer.num_opening_tokens))

    def _render(self, prompt: Prompt, card: ExpertCard) -> list[int]:
        if isinstance(prompt, PromptParts):
            return self._renderer.render(prompt, card.suffix)
        if prompt and isinstance(prompt[0], dict):
            return self._renderer.render_messages(cast(Sequence[dict[str, str]], prompt))
        token_ids = list(cast(Sequence[int], prompt))
        if not token_ids or not all(0 <= token_id < self._vocab_size for token_id in token_ids):
            raise PromptInvalid(f"a prompt of token ids needs at least one, each from 0 to {self._vocab_size - 1}")
        return token_ids
