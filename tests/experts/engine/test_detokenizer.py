"""Text from tokens: whole characters, and stop strings that never show, not even in part."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.engine.detokenizer import Detokenizer
from tests.experts.families import byte_tokenizer

TOKENIZER = byte_tokenizer()


def encode(text: str) -> list[int]:
    return TOKENIZER.encode(text, add_special_tokens=False)


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=30))
def test_pieces_join_to_the_whole_text(text: str) -> None:
    detokenizer = Detokenizer(TOKENIZER, ())
    pieces = [detokenizer.add([token_id]) for token_id in encode(text)]

    assert "".join(pieces) + detokenizer.finish() == TOKENIZER.decode(encode(text), skip_special_tokens=True)
    assert "\ufffd" in text or not any("\ufffd" in piece for piece in pieces)


@given(st.text("ab", max_size=20), st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3))
def test_the_text_ends_before_the_first_complete_stop_string(text: str, stop: list[str]) -> None:
    detokenizer, shown = Detokenizer(TOKENIZER, stop), ""
    for token_id in encode(text):
        shown += detokenizer.add([token_id])
        if detokenizer.is_stopped:
            break
    shown += detokenizer.finish()

    complete = [end for end in range(len(text) + 1) if any(text[:end].endswith(one) for one in stop)]
    if complete:
        first = text[: complete[0]]
        assert shown == first[: min(first.find(one) for one in stop if one in first)]
    else:
        assert shown == text
    assert detokenizer.is_stopped == bool(complete)


def test_half_a_character_is_held_back() -> None:
    detokenizer = Detokenizer(TOKENIZER, ())
    first, second = encode("é")

    assert detokenizer.add([first]) == ""
    assert detokenizer.add([second]) == "é"


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_possible_beginning_of_a_stop_string_is_held_back(step: int) -> None:
    detokenizer = Detokenizer(TOKENIZER, ("END",))
    ids = encode("x EN")
    shown = "".join(detokenizer.add(ids[i : i + step]) for i in range(0, len(ids), step))

    assert shown == "x "
    assert detokenizer.finish() == "EN"


@given(st.text("ab", max_size=20), st.text("ab", min_size=1, max_size=3), st.integers(0, 8), st.integers(1, 5))
def test_a_stop_string_counts_if_it_is_complete_behind_the_first_tokens(
    text: str, stop: str, min_tokens: int, num_together: int
) -> None:
    detokenizer, shown, token_ids = Detokenizer(TOKENIZER, (stop,), min_tokens), "", encode(text)
    for start in range(0, len(token_ids), num_together):
        shown += detokenizer.add(token_ids[start : start + num_together])
        if detokenizer.is_stopped:
            break
    shown += detokenizer.finish()

    ends = [end for end in range(min_tokens + 1, len(text) + 1) if text[:end].endswith(stop)]
    assert detokenizer.is_stopped == bool(ends)
    assert shown == (text[: ends[0] - len(stop)] if ends else text)
