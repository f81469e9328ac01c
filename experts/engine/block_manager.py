"""Blocks of the paged cache: who holds which, and which prefixes they contain. No tensors.

Two pools, because experts share only what the backbone computes:

    backbone   keys and values of the shared layers, boundary activations   found by tokens
    upper      keys and values of one expert's upper layers                 found by expert, version and tokens

A full block gets the key of its whole prefix and may then be held by many sequences; nobody writes to it again. A block
that nobody holds keeps its content until it is the least recently used one when another is needed.
"""

import hashlib
from array import array
from collections import Counter, OrderedDict
from collections.abc import Iterable

from experts.engine.sequence import BlockTable, Sequence


class BlockPool:
    """Blocks of one kind, counted by reference, with the keys of those that can be found again."""

    def __init__(self, num_blocks: int) -> None:
        self.num_blocks = num_blocks
        self._references = [0] * num_blocks
        self._free: OrderedDict[int, None] = OrderedDict.fromkeys(range(num_blocks))
        """Least recently used first."""
        self._keys: dict[int, bytes] = {}
        self._blocks: dict[bytes, int] = {}

    @property
    def num_free(self) -> int:
        return len(self._free)

    def hold(self, key: bytes) -> int | None:
        """A reference to the block with this prefix, if there is one."""
        block = self._blocks.get(key)
        if block is not None:
            self._free.pop(block, None)
            self._references[block] += 1
        return block

    def allocate(self) -> int:
        """A block to write to: the least recently used free one, whose old content is forgotten."""
        block, _ = self._free.popitem(last=False)
        if (key := self._keys.pop(block, None)) is not None:
            del self._blocks[key]
        self._references[block] = 1
        return block

    def release(self, blocks: Iterable[int]) -> None:
        """Give references back; blocks with a key can be found until they are allocated again."""
        for block in blocks:
            assert self._references[block] > 0
            self._references[block] -= 1
            if not self._references[block]:
                self._free[block] = None
                if block not in self._keys:
                    self._free.move_to_end(block, last=False)

    def has_key(self, block: int) -> bool:
        return block in self._keys

    def remember(self, block: int, key: bytes) -> None:
        """Let a full block be found by its prefix, unless another one is already."""
        if key not in self._blocks:
            self._keys[block], self._blocks[key] = key, block

    def check_integrity(self, held: Iterable[int]) -> None:
        """Assert that counts, free blocks and keys agree with what sequences hold."""
        counts = Counter(held)
        assert self._references == [counts[block] for block in range(self.num_blocks)]
        assert set(self._free) == {block for block in range(self.num_blocks) if not counts[block]}
        assert self._blocks == {key: block for block, key in self._keys.items()}


class BlockManager:
    """Gives sequences their blocks in both pools, shared where a prefix is there already."""

    def __init__(self, num_backbone_blocks: int, num_upper_blocks: int, block_size: int) -> None:
        self.block_size = block_size
        self.backbone, self.upper = BlockPool(num_backbone_blocks), BlockPool(num_upper_blocks)

    @property
    def max_tokens(self) -> int:
        """Tokens that a sequence alone may have."""
        return min(self.backbone.num_blocks, self.upper.num_blocks) * self.block_size

    def take_cached_prefix(self, sequence: Sequence) -> None:
        """Let a sequence without blocks hold what is cached of it: of upper layers, while no logits are wanted."""
        self._take(sequence, sequence.backbone, self.backbone, sequence.num_tokens // self.block_size)
        # new tokens need the lower layers of the prefix too, so the upper layers' part cannot be longer
        num_blocks = min(len(sequence.backbone.blocks), sequence.first_wanted // self.block_size)
        self._take(sequence, sequence.upper, self.upper, num_blocks)

    def allocate(self, sequence: Sequence, num_tokens: int) -> bool:
        """Make room for the first `num_tokens` in both pools, of a prefix in the backbone's alone.

        False, and nothing is done, if there is too little.
        """
        num_blocks = -(-num_tokens // self.block_size)
        wanted = ((sequence.backbone, num_blocks), (sequence.upper, 0 if sequence.is_prefix else num_blocks))
        missing = [max(0, num - len(table.blocks)) for table, num in wanted]
        if missing[0] > self.backbone.num_free or missing[1] > self.upper.num_free:
            return False
        sequence.backbone.blocks += [self.backbone.allocate() for _ in range(missing[0])]
        sequence.upper.blocks += [self.upper.allocate() for _ in range(missing[1])]
        return True

    def commit(self, sequence: Sequence) -> None:
        """Let the blocks that are full now be found by others."""
        for table, pool in ((sequence.backbone, self.backbone), (sequence.upper, self.upper)):
            for index in reversed(range(table.num_tokens // self.block_size)):
                if pool.has_key(table.blocks[index]):
                    break
                pool.remember(table.blocks[index], self._key(sequence, table, index))

    def release(self, sequence: Sequence) -> None:
        """Take all blocks from a sequence. The ends of prefixes are forgotten before their beginnings."""
        for table, pool in ((sequence.backbone, self.backbone), (sequence.upper, self.upper)):
            pool.release(reversed(table.blocks))
            table.blocks.clear()
            table.num_tokens = 0

    def check_integrity(self, sequences: Iterable[Sequence]) -> None:
        """Assert that the pools agree with the tables of all sequences that hold blocks."""
        sequences = list(sequences)
        self.backbone.check_integrity(block for one in sequences for block in one.backbone.blocks)
        self.upper.check_integrity(block for one in sequences for block in one.upper.blocks)
        for one in sequences:
            assert one.upper.num_tokens <= one.backbone.num_tokens <= one.num_tokens
            assert one.backbone.num_tokens <= len(one.backbone.blocks) * self.block_size
            assert one.upper.num_tokens <= len(one.upper.blocks) * self.block_size

    def _take(self, sequence: Sequence, table: BlockTable, pool: BlockPool, num_blocks: int) -> None:
        assert not table.blocks
        for index in range(num_blocks):
            block = pool.hold(self._key(sequence, table, index))
            if block is None:
                break
            table.blocks.append(block)
        table.num_tokens = len(table.blocks) * self.block_size

    def _key(self, sequence: Sequence, table: BlockTable, index: int) -> bytes:
        """The key of a full block: its tokens and, through the key of the block before, all tokens before them."""
        while len(table.keys) <= index:
            start = len(table.keys) * self.block_size
            tokens = array("i", sequence.token_ids[start : start + self.block_size]).tobytes()
            origin = b"" if table is sequence.backbone else hashlib.sha256(repr(sequence.expert).encode()).digest()
            before = table.keys[-1] if table.keys else origin
            table.keys.append(hashlib.blake2b(tokens, key=before, digest_size=32).digest())
        return table.keys[index]
