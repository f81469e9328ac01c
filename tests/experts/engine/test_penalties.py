"""Penalties by their definitions: of what prompt and answer have said, or only of the answer."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.generation.logits_process import RepetitionPenaltyLogitsProcessor

from experts.engine.penalties import Penalties
from experts.sampling_params import SamplingParams

VOCAB_SIZE = 12
LOGITS = torch.linspace(-3, 3, VOCAB_SIZE)
TOKENS = st.lists(st.integers(0, VOCAB_SIZE - 1), min_size=1, max_size=10)


def penalized(params: SamplingParams, prompt: list[int], *new: list[int]) -> torch.Tensor:
    """Logits behind a prompt and an answer that came in pieces."""
    penalties = Penalties(params, prompt)
    for token_ids in new:
        penalties.add(token_ids)
    return penalties.apply(LOGITS)


@given(TOKENS, TOKENS, st.floats(0.25, 4.0))
def test_the_repetition_penalty_is_that_of_transformers_over_prompt_and_answer(
    prompt: list[int], answer: list[int], penalty: float
) -> None:
    ours = penalized(SamplingParams(repetition_penalty=penalty), prompt, answer)

    input_ids, scores = torch.tensor([prompt + answer]), LOGITS[None].clone()
    theirs = RepetitionPenaltyLogitsProcessor(penalty)(torch.LongTensor(input_ids), torch.FloatTensor(scores))
    torch.testing.assert_close(ours, theirs[0])


@given(TOKENS, TOKENS, TOKENS, st.floats(-2, 2), st.floats(-2, 2))
def test_presence_and_frequency_are_counted_in_the_answer_only(
    prompt: list[int], first: list[int], second: list[int], presence: float, frequency: float
) -> None:
    params = SamplingParams(presence_penalty=presence, frequency_penalty=frequency)
    answer = first + second

    wanted = [logit - answer.count(i) * frequency - (i in answer) * presence for i, logit in enumerate(LOGITS.tolist())]
    torch.testing.assert_close(penalized(params, prompt, first, second), torch.tensor(wanted))


def test_repetition_comes_before_the_subtractions() -> None:
    params = SamplingParams(repetition_penalty=2.0, presence_penalty=1.0)
    assert float(penalized(params, [0], [11])[11]) == 3.0 / 2.0 - 1.0


def test_before_the_answer_begins_only_the_prompt_counts() -> None:
    params = SamplingParams(repetition_penalty=2.0, presence_penalty=1.0, frequency_penalty=1.0)
    assert penalized(params, [0, 11]).tolist() == [-6.0, *LOGITS[1:-1].tolist(), 1.5]


def test_what_a_grammar_forbids_stays_forbidden() -> None:
    forbidden = LOGITS.masked_fill(torch.arange(VOCAB_SIZE) != 5, float("-inf"))
    penalties = Penalties(SamplingParams(repetition_penalty=0.5, presence_penalty=-2.0), [3])
    penalties.add([4])

    assert penalties.apply(forbidden).argmax() == 5
    assert int(penalties.apply(forbidden).isneginf().sum()) == VOCAB_SIZE - 1
