"""One generation in the engine: its tokens, how far they are computed, and the blocks that hold them."""

from dataclasses import dataclass, field

ExpertKey = tuple[str, str]
"""Name and version."""
NO_EXPERT: ExpertKey = ("", "")
"""Of a prefix: the shared layers alone run over it."""


@dataclass(frozen=True, slots=True)
class Share:
    """Whose turn it is when not all can run."""

    flow: str = ""
    """Whom a sequence belongs to, for instance a run; flows get equal shares."""
    priority: float = 0.0
    """Within its flow: a higher one goes first, for instance the steps on a run's critical path."""


EQUAL = Share()


@dataclass(slots=True)
class BlockTable:
    """The blocks of a sequence in one layer group: position p is in `blocks[p // block_size]`."""

    blocks: list[int] = field(default_factory=list[int])
    num_tokens: int = 0
    """So many of the sequence's first tokens are computed."""
    keys: list[bytes] = field(default_factory=list[bytes])
    """Of its first blocks, as far as they were needed."""


@dataclass(eq=False, slots=True)
class Sequence:
    """Tokens of one prompt and its answer.

        token_ids           |------- prompt -------|--- answer so far ---|
        upper.num_tokens    |--- keys and values of all layers ---|
        backbone.num_tokens |--- those of the shared layers, and the boundary activations ---|

    An engine step advances both towards `num_tokens`; there are no phases. The backbone's is ahead where another expert
    has computed the same prefix.
    """

    id: int
    expert: ExpertKey
    token_ids: list[int]
    num_prompt_tokens: int
    share: Share = EQUAL
    first_logit: int | None = None
    """The first position whose logits are wanted; None: only the last one's, from which the next token is drawn. A
    prefix names the position behind its end."""
    backbone: BlockTable = field(default_factory=BlockTable)
    upper: BlockTable = field(default_factory=BlockTable)
    num_reused_tokens: int = 0
    """Of the shared layers, found in the cache when it was last admitted."""

    @property
    def is_prefix(self) -> bool:
        """Whether only the boundary activations are wanted; it has no blocks in upper layers."""
        return self.expert == NO_EXPERT

    @property
    def num_tokens(self) -> int:
        return len(self.token_ids)

    @property
    def first_wanted(self) -> int:
        """The first position whose logits are wanted; it is computed even where its block is cached."""
        return self.num_tokens - 1 if self.first_logit is None else self.first_logit

    @property
    def num_computed_tokens(self) -> int:
        return (self.backbone if self.is_prefix else self.upper).num_tokens

    @property
    def num_uncomputed_tokens(self) -> int:
        return self.num_tokens - self.num_computed_tokens


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A sequence in this engine step and how many of its tokens are computed in it."""

    sequence: Sequence
    num_new_tokens: int

    @property
    def backbone_positions(self) -> range:
        """What the shared layers compute."""
        return range(max(self.sequence.backbone.num_tokens, self.sequence.num_computed_tokens), self._end)

    @property
    def upper_positions(self) -> range:
        """What the expert's layers compute; nothing of a prefix."""
        return range(self._end if self.sequence.is_prefix else self.sequence.num_computed_tokens, self._end)

    @property
    def logit_positions(self) -> range:
        """Whose logits are wanted."""
        return range(max(self.sequence.first_wanted, self.sequence.num_computed_tokens), self._end)

    @property
    def _end(self) -> int:
        return self.sequence.num_computed_tokens + self.num_new_tokens
