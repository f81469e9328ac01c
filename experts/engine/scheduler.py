"""Which sequences run in the next engine step, and how many tokens of each. No tensors."""

from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Sequence as Many

from experts.config import SchedulerConfig
from experts.engine.block_manager import BlockManager
from experts.engine.sequence import Scheduled, Sequence


class Scheduler:
    """Continuous batching without phases: every step, each sequence catches up with its tokens as far as limits allow.

    Running sequences go first, then waiting ones are admitted: from the flow that has been given the fewest tokens, and
    of one flow by priority. When blocks run out, the sequence that would be served last gives up its blocks and
    waits; it starts again from what is still cached.
    """

    def __init__(self, config: SchedulerConfig, blocks: BlockManager) -> None:
        self._config, self._blocks = config, blocks
        self._waiting: list[Sequence] = []
        self._running: list[Sequence] = []
        self._served: dict[str, int] = defaultdict(int)
        """Tokens by flow, of the flows that have sequences here."""
        self.num_preemptions = 0
        self.num_reused_backbone_tokens = 0
        self.num_reused_upper_tokens = 0

    @property
    def waiting(self) -> Many[Sequence]:
        return self._waiting

    @property
    def running(self) -> Many[Sequence]:
        return self._running

    def add(self, sequence: Sequence) -> None:
        """Let a sequence wait for its turn. It must fit the blocks of an empty engine."""
        assert 0 < sequence.num_tokens <= self._blocks.max_tokens
        if sequence.share.flow not in self._served:  # a newcomer does not make up for the time before it came
            self._served[sequence.share.flow] = min(self._served.values(), default=0)
        self._waiting.append(sequence)

    def remove(self, sequence: Sequence) -> None:
        """Forget a sequence that has ended or is no longer wanted, at any time between two steps."""
        (self._running if sequence in self._running else self._waiting).remove(sequence)
        self._blocks.release(sequence)
        if all(other.share.flow != sequence.share.flow for other in (*self._running, *self._waiting)):
            del self._served[sequence.share.flow]

    def schedule(self) -> list[Scheduled]:
        """The work of the next step; blocks for it are allocated. Empty if and only if there is no sequence."""
        scheduled: dict[int, Scheduled] = {}
        budget, num_preemptions = self._config.max_step_tokens, self.num_preemptions
        for sequence in sorted(self._running, key=self._order):
            if sequence not in self._running or not budget:
                continue  # preempted by one before it, or no room in this step
            num_new_tokens = min(sequence.num_uncomputed_tokens, budget, self._config.max_chunk_tokens)
            if self._make_room(sequence, num_new_tokens, scheduled):
                scheduled[sequence.id] = Scheduled(sequence, num_new_tokens)
                budget -= num_new_tokens
        if self.num_preemptions == num_preemptions:  # or who just gave up blocks would take them back
            scheduled |= {one.sequence.id: one for one in self._admit(budget)}
        for one in scheduled.values():
            self._served[one.sequence.share.flow] += one.num_new_tokens
        return list(scheduled.values())

    def update(self, scheduled: list[Scheduled]) -> None:
        """The step has been computed."""
        for one in scheduled:
            end = one.upper_positions.stop
            one.sequence.backbone.num_tokens = max(end, one.sequence.backbone.num_tokens)
            if not one.sequence.is_prefix:
                one.sequence.upper.num_tokens = end
            self._blocks.commit(one.sequence)

    def check_integrity(self) -> None:
        """Assert that no block is lost or held twice over."""
        assert not set(self._running) & set(self._waiting)
        assert all(not one.backbone.blocks and not one.upper.blocks for one in self._waiting)
        assert set(self._served) == {one.share.flow for one in (*self._running, *self._waiting)}
        self._blocks.check_integrity(self._running)

    def _order(self, sequence: Sequence) -> tuple[int, float, int]:
        return self._served[sequence.share.flow], -sequence.share.priority, sequence.id

    def _admit(self, budget: int) -> Iterator[Scheduled]:
        for sequence in sorted(self._waiting, key=self._order):
            if not budget or len(self._running) >= self._config.max_running:
                return
            self._blocks.take_cached_prefix(sequence)
            num_new_tokens = min(sequence.num_uncomputed_tokens, budget, self._config.max_chunk_tokens)
            if not self._blocks.allocate(sequence, sequence.num_computed_tokens + num_new_tokens):
                self._blocks.release(sequence)
                return
            sequence.num_reused_tokens = sequence.backbone.num_tokens
            self.num_reused_backbone_tokens += sequence.num_reused_tokens
            self.num_reused_upper_tokens += sequence.upper.num_tokens
            self._waiting.remove(sequence)
            self._running.append(sequence)
            budget -= num_new_tokens
            yield Scheduled(sequence, num_new_tokens)

    def _make_room(self, sequence: Sequence, num_new_tokens: int, scheduled: dict[int, Scheduled]) -> bool:
        """Blocks for a running sequence, taken from those that would be served after it if need be."""
        while not self._blocks.allocate(sequence, sequence.num_computed_tokens + num_new_tokens):
            others = [one for one in self._running if one.id not in scheduled]
            last = max(others, key=self._order)
            self._preempt(last)
            if last is sequence:
                return False
        return True

    def _preempt(self, sequence: Sequence) -> None:
        self._running.remove(sequence)
        self._blocks.release(sequence)
        self._waiting.append(sequence)
        self.num_preemptions += 1
