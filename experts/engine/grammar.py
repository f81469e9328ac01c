"""Constrained decoding by llguidance: what may come next, as a mask over the vocabulary."""

import json
import math
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

import llguidance.hf
import torch
from llguidance import LLMatcher
from torch import Tensor

from experts.errors import GrammarError
from experts.sampling_params import Grammar

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions


class Matcher:
    """The state of one constrained generation."""

    def __init__(self, matcher: LLMatcher) -> None:
        self._matcher = matcher
        self._forbidden: Future[Tensor] | None = None
        """Of the next token, if it has been prepared."""

    def copy(self) -> "Matcher":
        """Another generation from the same state."""
        return Matcher(self._matcher.deep_copy())

    def prepare(self, executor: Executor) -> None:
        """Let the next mask be computed elsewhere; until a token is accepted, asking again does nothing."""
        if self._forbidden is None:
            self._forbidden = executor.submit(self._compute)

    def mask(self, logits: Tensor) -> Tensor:
        """Logits `[vocabulary]` with minus infinity for what may not come next. Raises GrammarError."""
        forbidden = self._compute() if self._forbidden is None else self._forbidden.result()
        return logits.masked_fill(forbidden.to(logits.device), -math.inf)

    def accept(self, token_id: int) -> list[int]:
        """Take a token; returns the tokens that the grammar leaves no choice about, already taken.

        Raises GrammarError if the grammar does not allow the token.
        """
        self._forbidden = None
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

    def _compute(self) -> Tensor:
        """Whether a token may not come next, `[vocabulary]`; llguidance holds no lock of Python meanwhile."""
        allowed = self._matcher.compute_logit_bias()
        self._check()
        return torch.frombuffer(bytearray(allowed), dtype=torch.uint8) == 0

    def _check(self) -> None:
        if self._matcher.is_error():
            reason = self._matcher.get_error().partition("\n")[0]  # what follows are all tokens
            raise GrammarError(f"the grammar stopped the generation: {reason}; shorten what is asked")


class GrammarCompiler:
    """Compiles grammars for one tokenizer; its tables are made once."""

    def __init__(self, tokenizer: Any, vocab_size: int, eos_token_ids: frozenset[int]) -> None:
        self._tokenizer = llguidance.hf.from_tokenizer(tokenizer, n_vocab=vocab_size, eos_token=sorted(eos_token_ids))

    def compile(self, grammar: Grammar) -> Matcher:
        """A matcher at its start. Raises GrammarError with the compiler's reason."""
        try:
            text = _to_llguidance(grammar)
        except ValueError as error:
            raise GrammarError(f"not a valid {grammar.kind}: {error}") from error
        if reason := LLMatcher.validate_grammar(text, self._tokenizer):
            raise GrammarError(f"not a valid {grammar.kind}: {reason}")
        return Matcher(LLMatcher(self._tokenizer, text, log_level=0))


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
