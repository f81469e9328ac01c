"""An answer from logits that are given: what ends it and when, and what it tells of every token."""

from typing import Any

import pytest
import torch

from experts.engine.answer import Answer
from experts.engine.detokenizer import Detokenizer
from experts.engine.events import TokenEvent
from experts.engine.grammar import GrammarCompiler
from experts.sampling_params import Grammar, SamplingParams
from tests.experts.families import END_ID, VOCAB_SIZE, byte_tokenizer

TOKENIZER = byte_tokenizer()
COMPILER = GrammarCompiler(TOKENIZER, VOCAB_SIZE, frozenset({END_ID}))
A, B, C = TOKENIZER.encode("abc", add_special_tokens=False)


def answer_of(grammar: str | None = None, **params: Any) -> Answer:
    asked = SamplingParams(**params)
    matcher = COMPILER.compile(Grammar(kind="regex", value=grammar)) if grammar else None
    detokenizer = Detokenizer(TOKENIZER, asked.stop, asked.min_tokens)
    return Answer(asked, detokenizer, matcher, frozenset({END_ID}), [A, A])


def logits_of(*order: int) -> torch.Tensor:
    """The likeliest tokens, in this order; all others are far behind."""
    logits = torch.full((VOCAB_SIZE,), -9.0)
    logits[list(order)] = torch.arange(len(order), 0, -1.0)
    return logits


def events_of(answer: Answer, *steps: torch.Tensor) -> list[TokenEvent]:
    """One event for each step's logits; only the last one may end the answer."""
    events = [answer.take(*answer.choose(logits)) for logits in steps]
    assert all(event.finish_reason is None for event in events[:-1])
    return events


def text_of(events: list[TokenEvent]) -> str:
    return "".join(event.text for event in events)


END = logits_of(END_ID, A, B)


def test_an_answer_ends_with_its_end_token_which_is_not_shown() -> None:
    event = events_of(answer_of(), logits_of(A), END)[-1]
    assert (event.token_ids, event.finish_reason) == ((), "stop")
    assert event.usage is not None
    assert event.usage.num_output_tokens == 2


def test_before_min_tokens_the_end_cannot_be_drawn() -> None:
    events = events_of(answer_of(min_tokens=2), END, END, END)
    assert (text_of(events), events[-1].finish_reason) == ("aa", "stop")


@pytest.mark.parametrize("ignore_eos", [False, True])
def test_a_stop_token_ends_the_answer_and_is_not_shown(ignore_eos: bool) -> None:
    answer = answer_of(stop_token_ids=(C,), ignore_eos=ignore_eos)
    events = events_of(answer, logits_of(A), logits_of(C))
    assert (text_of(events), events[-1].token_ids, events[-1].finish_reason) == ("a", (), "stop")


def test_before_min_tokens_a_stop_token_cannot_be_drawn() -> None:
    events = events_of(answer_of(min_tokens=1, stop_token_ids=(C, 10**6)), logits_of(C, B), logits_of(C, B))
    assert (text_of(events), events[-1].finish_reason) == ("b", "stop")


def test_before_min_tokens_a_stop_string_is_text() -> None:
    events = events_of(answer_of(min_tokens=1, stop=("a",)), logits_of(A), logits_of(B), logits_of(A))
    assert (text_of(events), events[-1].finish_reason) == ("ab", "stop")


def test_where_the_grammar_allows_only_its_end_it_ends_in_spite_of_min_tokens() -> None:
    assert text_of(events_of(answer_of("b", min_tokens=5), logits_of(A, B))) == "b"
    ended = events_of(answer_of("(ab)?", min_tokens=5, stop_token_ids=(A,)), END)
    assert (text_of(ended), ended[-1].finish_reason) == ("", "stop")


def test_a_stop_token_that_the_grammar_forces_ends_the_answer_there() -> None:
    event = events_of(answer_of("abcb", stop_token_ids=(C,)), logits_of(A))[0]
    assert (event.text, event.token_ids, event.finish_reason) == ("ab", (A, B), "stop")


def test_a_stop_token_that_the_grammar_forces_too_early_is_text() -> None:
    event = events_of(answer_of("abcb", stop_token_ids=(B,), min_tokens=3), logits_of(A))[0]
    assert (event.text, event.finish_reason) == ("abc", "stop")


def test_tokens_that_the_grammar_forces_do_not_exceed_max_tokens() -> None:
    event = events_of(answer_of("a{9}", max_tokens=4), logits_of(A))[0]
    assert (event.text, event.finish_reason) == ("aaaa", "length")


def test_a_grammar_that_ends_with_the_last_token_has_ended() -> None:
    event = events_of(answer_of("a{4}", max_tokens=4), logits_of(A))[0]
    assert (event.text, event.finish_reason) == ("aaaa", "stop")


def test_top_logprobs_are_of_the_likeliest_tokens_in_order() -> None:
    logits = logits_of(C, A, B)
    event = events_of(answer_of(top_logprobs=2), logits)[0]

    logprobs = torch.log_softmax(logits, dim=-1)
    assert event.top_logprobs == (((C, pytest.approx(float(logprobs[C]))), (A, pytest.approx(float(logprobs[A])))),)
    assert event.logprobs[0] == event.top_logprobs[0][0][1]


def test_top_logprobs_are_those_of_the_model_before_penalties_and_temperature() -> None:
    steps = [logits_of(C, A, B)] * 2
    plain = events_of(answer_of(top_logprobs=3), *steps)
    changed = events_of(answer_of(top_logprobs=3, presence_penalty=2, temperature=0.01, seed=1, min_tokens=5), *steps)
    assert [event.top_logprobs for event in changed] == [event.top_logprobs for event in plain]
    assert changed[1].token_ids != plain[1].token_ids


def test_top_logprobs_are_taken_after_the_grammar_and_empty_for_what_it_forces() -> None:
    event = events_of(answer_of("(ac|b)c", top_logprobs=5), logits_of(C, A, B))[0]
    assert event.token_ids == (A, C, C)
    assert [[token_id for token_id, _ in top] for top in event.top_logprobs] == [[A, B], [], []]


def test_without_being_asked_for_there_are_no_top_logprobs() -> None:
    assert events_of(answer_of(), logits_of(A))[0].top_logprobs == ()


def test_penalties_count_drawn_and_forced_tokens() -> None:
    answer = answer_of("(ab|c)*", frequency_penalty=2.0)
    assert text_of(events_of(answer, logits_of(A, C, B), logits_of(A, C, B))) == "abc"


@pytest.mark.parametrize(
    "params",
    [
        {"temperature": 1.0},
        {"repetition_penalty": 1.1},
        {"presence_penalty": 0.1},
        {"frequency_penalty": 0.1},
        {"min_tokens": 1},
        {"top_logprobs": 1},
        {"grammar": "a+"},
    ],
    ids=lambda params: next(iter(params)),
)
def test_whatever_changes_the_choice_or_what_is_told_of_it_is_not_plain(params: dict[str, Any]) -> None:
    assert not answer_of(**params).is_plain_greedy


def test_the_likeliest_token_alone_is_plain_and_so_is_it_behind_min_tokens() -> None:
    assert answer_of(stop=("x",), stop_token_ids=(C,), seed=1, min_p=0.5, top_k=3).is_plain_greedy
    answer = answer_of(min_tokens=1)
    events_of(answer, logits_of(A))
    assert answer.is_plain_greedy
