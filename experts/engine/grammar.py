"""Constrained decoding by llguidance: what may come next, as a mask over the vocabulary."""

import json
from typing import TYPE_CHECKING, Any

import llguidance.hf
from llguidance import LLMatcher
from llguidance.torch import allocate_token_bitmask, apply_token_bitmask_inplace, fill_next_token_bitmask
from torch import Tensor

from experts.errors import GrammarError
from experts.sampling_params import Grammar

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions


class Matcher:
    """The state of one constrained generation."""

    def __init__(self, matcher: LLMatcher, vocab_size: int) -> None:
        self._matcher, self._bitmask = matcher, allocate_token_bitmask(1, vocab_size)

    def mask(self, logits: Tensor) -> None:
        """Set what may not come next to minus infinity, in place; logits `[1, vocabulary]`."""
        fill_next_token_bitmask(self._matcher, self._bitmask)
        apply_token_bitmask_inplace(logits, self._bitmask)

    def accept(self, token_id: int) -> list[int]:
        """Take a token; returns the tokens that the grammar leaves no choice about, already taken."""
        self._matcher.consume_token(token_id)
        forced: list[int] = self._matcher.compute_ff_tokens()
        if forced:
            self._matcher.consume_tokens(forced)
        self._check()
        return forced

    @property
    def is_finished(self) -> bool:
        """Nothing more can come."""
        return self._matcher.is_stopped()

    def _check(self) -> None:
        if self._matcher.is_error():
            raise GrammarError(f"the grammar stopped the generation: {self._matcher.get_error()}")


class GrammarCompiler:
    """Compiles grammars for one tokenizer; its tables are made once."""

    def __init__(self, tokenizer: Any, vocab_size: int, eos_token_ids: frozenset[int]) -> None:
        self._vocab_size = vocab_size
        self._tokenizer = llguidance.hf.from_tokenizer(tokenizer, n_vocab=vocab_size, eos_token=sorted(eos_token_ids))

    def compile(self, grammar: Grammar) -> Matcher:
        """A matcher at its start. Raises GrammarError with the compiler's reason."""
        try:
            text = _to_llguidance(grammar)
        except ValueError as error:
            raise GrammarError(f"not a valid {grammar.kind}: {error}") from error
        if reason := LLMatcher.validate_grammar(text, self._tokenizer):
            raise GrammarError(f"not a valid {grammar.kind}: {reason}")
        return Matcher(LLMatcher(self._tokenizer, text, log_level=0), self._vocab_size)


def _to_llguidance(grammar: Grammar) -> str:
    match grammar.kind:
        case "json_schema":
            compact: JsonCompileOptions = {"whitespace_flexible": False}
            return LLMatcher.grammar_from_json_schema(json.dumps(grammar.value), defaults=compact)
        case "regex":
            return LLMatcher.grammar_from_regex(str(grammar.value))
        case "choice":
            choices = [json.dumps(str(choice), ensure_ascii=False) for choice in grammar.value]
            if not choices:
                raise ValueError("a choice needs at least one alternative")
            return LLMatcher.grammar_from_lark(f"start: {' | '.join(choices)}")
        case "lark":
            return LLMatcher.grammar_from_lark(str(grammar.value))
