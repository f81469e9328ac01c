"""What may come next, computed when it is needed or beforehand on another thread."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import llguidance.hf
import pytest
import torch
from llguidance import LLMatcher, LLParserLimits

from experts.engine.grammar import GrammarCompiler, Matcher
from experts.errors import GrammarError
from experts.sampling_params import Grammar
from tests.experts.families import END_ID, VOCAB_SIZE, byte_tokenizer

TOKENIZER = byte_tokenizer()
COMPILER = GrammarCompiler(TOKENIZER, VOCAB_SIZE, frozenset({END_ID}))
A, B = TOKENIZER.encode("ab", add_special_tokens=False)


class CountingExecutor(ThreadPoolExecutor):
    """One thread that counts what it is given."""

    def __init__(self) -> None:
        super().__init__(max_workers=1)
        self.num_submitted = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        self.num_submitted += 1
        return super().submit(fn, *args, **more)


@pytest.fixture
def executor() -> Iterator[CountingExecutor]:
    with CountingExecutor() as executor:
        yield executor


def matcher_of(expression: str) -> Matcher:
    return COMPILER.compile(Grammar(kind="regex", value=expression))


def allowed(matcher: Matcher) -> set[int]:
    logits = torch.zeros(VOCAB_SIZE)
    masked = matcher.mask(logits)
    assert not logits.any()
    return set(masked.isfinite().nonzero()[:, 0].tolist())


def test_a_mask_allows_what_the_grammar_allows() -> None:
    matcher = matcher_of("a(b|a)?")
    assert allowed(matcher) == {A}
    matcher.accept(A)
    assert allowed(matcher) == {A, B, END_ID}


def test_a_prepared_mask_is_the_same(executor: Executor) -> None:
    matcher = matcher_of("(ab?)+")
    for token_id in (A, B, A):
        there = matcher.copy()
        there.prepare(executor)
        assert allowed(there) == allowed(matcher)
        matcher.accept(token_id)


def test_a_mask_is_prepared_once_until_a_token_is_accepted(executor: CountingExecutor) -> None:
    matcher = matcher_of("[ab]{9}")
    for num_accepted in (1, 2):
        for _ in range(3):
            matcher.prepare(executor)
        assert allowed(matcher) == allowed(matcher) == {A, B}
        assert executor.num_submitted == num_accepted
        matcher.accept(A)


def test_a_copy_goes_its_own_way() -> None:
    matcher = matcher_of("a[ab]b")
    matcher.accept(A)
    copy = matcher.copy()
    copy.accept(B)

    assert copy.is_finished
    assert allowed(matcher) == {A, B}


def test_an_error_on_the_other_thread_is_told_to_whoever_waits(executor: Executor) -> None:
    tokenizer = llguidance.hf.from_tokenizer(TOKENIZER, n_vocab=VOCAB_SIZE, eos_token=[END_ID])
    text = LLMatcher.grammar_from_lark('start: ("a" | "b" start)+')
    matcher = Matcher(LLMatcher(tokenizer, text, log_level=0, limits=LLParserLimits(step_max_items=1)))

    matcher.prepare(executor)

    with pytest.raises(GrammarError, match=r"the grammar stopped the generation: .*; shorten what is asked$"):
        matcher.mask(torch.zeros(VOCAB_SIZE))


def test_a_token_that_the_grammar_forbids_is_an_error() -> None:
    with pytest.raises(GrammarError):
        matcher_of("a+").accept(B)
