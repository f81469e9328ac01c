"""Blocks are shared by prefix, counted, and forgotten least recently used first."""

import pytest

from experts.engine.block_manager import BlockManager
from experts.engine.sequence import Sequence

LAW, LAW_2, MATH = ("law", "v1"), ("law", "v2"), ("math", "v1")


def computed(blocks: BlockManager, tokens: list[int], expert: tuple[str, str] = LAW) -> Sequence:
    """A sequence all of whose tokens have been computed."""
    sequence = Sequence(1, expert, tokens, len(tokens))
    blocks.take_cached_prefix(sequence)
    assert blocks.allocate(sequence, len(tokens))
    sequence.backbone.num_tokens = sequence.upper.num_tokens = len(tokens)
    blocks.commit(sequence)
    return sequence


def cached(blocks: BlockManager, tokens: list[int], expert: tuple[str, str] = LAW) -> tuple[int, int]:
    """How many tokens a new sequence would find, in the backbone's pool and in the upper one."""
    sequence = Sequence(2, expert, tokens, len(tokens))
    blocks.take_cached_prefix(sequence)
    found = (sequence.backbone.num_tokens, sequence.upper.num_tokens)
    blocks.release(sequence)
    return found


TOKENS = list(range(10))


@pytest.mark.parametrize(
    ("tokens", "expert", "found"),
    [
        (TOKENS, LAW, (8, 8)),
        (TOKENS, MATH, (8, 0)),
        (TOKENS, LAW_2, (8, 0)),
        (TOKENS[:8], LAW, (8, 4)),  # logits of the last token are wanted: the upper layers compute it again
        ([*TOKENS[:7], 99, 8, 9], LAW, (4, 4)),
        ([99, *TOKENS[1:]], LAW, (0, 0)),
        ([*TOKENS[4:8], *TOKENS[4:8]], LAW, (0, 0)),  # the same tokens behind others are another prefix
    ],
)
def test_what_is_found_of_a_prefix(tokens: list[int], expert: tuple[str, str], found: tuple[int, int]) -> None:
    blocks = BlockManager(8, 8, block_size=4)
    computed(blocks, TOKENS)

    assert cached(blocks, tokens, expert) == found


def test_a_prefix_outlives_its_sequence_until_its_blocks_are_needed() -> None:
    blocks = BlockManager(4, 4, block_size=4)
    blocks.release(computed(blocks, TOKENS))
    assert cached(blocks, TOKENS) == (8, 8)

    blocks.release(computed(blocks, [50, 51, 52, 53, 54, 55, 56, 57, 58]))

    # three blocks were needed, one was empty: the end of the old prefix is forgotten before its beginning
    assert cached(blocks, TOKENS)[0] < 8
    assert cached(blocks, [50, 51, 52, 53, 54, 55, 56, 57, 58]) == (8, 8)


def test_nothing_is_taken_when_there_is_too_little() -> None:
    blocks = BlockManager(4, 2, block_size=4)
    sequence = Sequence(1, LAW, TOKENS, 10)

    assert not blocks.allocate(sequence, 10)

    assert not sequence.backbone.blocks and not sequence.upper.blocks
    blocks.check_integrity([sequence])


def test_integrity_fails_when_a_block_is_lost() -> None:
    blocks = BlockManager(4, 4, block_size=4)
    sequence = computed(blocks, TOKENS)
    sequence.upper.blocks.pop()

    with pytest.raises(AssertionError):
        blocks.check_integrity([sequence])
