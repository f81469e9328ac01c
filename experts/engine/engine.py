"""The engine: all sequences of all experts advance together, one step at a time."""

from collections.abc import Iterator
from collections.abc import Sequence as Many
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import torch
from torch import Tensor

from experts.config import EngineConfig
from experts.engine.answer import Answer
from experts.engine.block_manager import BlockManager
from experts.engine.events import Pooled, TokenEvent
from experts.engine.kv_cache import KVCache, block_bytes
from experts.engine.metrics import EngineMetrics, StepCounter
from experts.engine.model_pool import ModelPool
from experts.engine.model_runner import ModelRunner
from experts.engine.scheduler import Scheduler
from experts.engine.sequence import EQUAL, ExpertKey, Scheduled, Sequence, Share
from experts.errors import GrammarError

Output = TokenEvent | float | Pooled | GrammarError
"""An event of an answer, the score of a candidate, a prefix's activations, or why a sequence ended early."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """A candidate behind a prompt: its tokens, and their log-probabilities as far as they are known."""

    token_ids: tuple[int, ...]
    logprobs: dict[int, float] = field(default_factory=dict[int, float])
    """By index in the candidate."""


@dataclass(frozen=True, slots=True)
class Pooling:
    """A prompt's beginning of which the boundary activations are wanted, as their mean from token `first` on."""

    first: int


Work = Answer | Scoring | Pooling
"""What becomes of a sequence's logits, or of its boundary activations."""


class Engine:
    """Continuous batching over the experts of one backbone. Not thread-safe."""

    def __init__(self, pool: ModelPool, config: EngineConfig) -> None:
        blocks = _block_manager(pool, config)
        cache = KVCache(pool.backbone, blocks.backbone.num_blocks, blocks.upper.num_blocks, blocks.block_size)
        self.scheduler, self._blocks = Scheduler(config.scheduler, blocks), blocks
        self.max_tokens = min(blocks.max_tokens, pool.backbone.max_context)
        """Of a prompt and its answer."""
        self._pool = pool
        self._runner = ModelRunner(pool.backbone, cache, pool.loader.shared_layers, pool.loader.head, pool.layers)
        self._sequences: dict[int, tuple[Sequence, Work]] = {}
        self._num_added = 0
        self._counter = StepCounter()
        self._max_running = config.scheduler.max_running
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ccoe-masks")

    @property
    def num_sequences(self) -> int:
        return len(self._sequences)

    def add(self, expert: ExpertKey, prompt: Many[int], work: Work, share: Share = EQUAL) -> int:
        """Take a sequence of a loaded expert, or of NO_EXPERT for a Pooling; returns its id.

        Prompt and answer fit `max_tokens`.
        """
        self._num_added += 1
        tokens, first_logit = list(prompt), None
        if isinstance(work, Scoring):
            tokens, first_logit = [*prompt, *work.token_ids[:-1]], len(prompt) - 1
        elif isinstance(work, Pooling):
            first_logit = len(prompt)
        sequence = Sequence(self._num_added, expert, tokens, len(prompt), share, first_logit)
        self.scheduler.add(sequence)
        self._sequences[sequence.id] = (sequence, work)
        self.unload()
        return sequence.id

    def abort(self, sequence_id: int) -> None:
        """Forget a sequence; one that has ended is forgotten already."""
        if (found := self._sequences.pop(sequence_id, None)) is not None:
            self.scheduler.remove(found[0])
            self.unload()

    def of_expert(self, name: str) -> list[int]:
        """The sequences of an expert, in any version."""
        return [number for number, (sequence, _) in self._sequences.items() if sequence.expert[0] == name]

    def unload(self) -> None:
        """Let go of experts that are detached or past the budget, as far as no sequence uses them."""
        self._pool.unload({sequence.expert for sequence, _ in self._sequences.values()})

    def step(self) -> list[tuple[int, Output]]:
        """Advance every sequence as far as one step allows; returns what came of it, by sequence."""
        scheduled = self.scheduler.schedule()
        self._counter.count(scheduled)
        self._prepare(scheduled)
        logits = self._runner.run(scheduled)
        wanted = [(one, position) for one in scheduled for position in one.logit_positions]
        self.scheduler.update(scheduled)
        outputs = [*self._pooled(scheduled), *self._collect(wanted, logits)]
        for sequence_id, output in outputs:
            if not isinstance(output, TokenEvent) or output.finish_reason is not None:
                self.abort(sequence_id)
        return outputs

    def metrics(self) -> EngineMetrics:
        """What has been done and what there is to do."""
        counter, scheduler, blocks = self._counter, self.scheduler, self._blocks
        running, waiting = (
            [one.expert for one in ones if not one.is_prefix] for ones in (scheduler.running, scheduler.waiting)
        )
        return EngineMetrics(
            num_waiting=len(waiting),
            num_running=len(running),
            num_steps=counter.num_steps,
            num_prefill_tokens=counter.prefill_tokens.total(),
            num_decode_tokens=counter.decode_tokens.total(),
            num_prefix_tokens=counter.num_prefix_tokens,
            num_reused_backbone_tokens=scheduler.num_reused_backbone_tokens,
            num_reused_upper_tokens=scheduler.num_reused_upper_tokens,
            num_preemptions=scheduler.num_preemptions,
            batch_occupancy=counter.num_scheduled / (max(1, counter.num_steps) * self._max_running),
            num_free_backbone_blocks=blocks.backbone.num_free,
            num_free_upper_blocks=blocks.upper.num_free,
            shared_bytes=self._pool.loader.num_bytes,
            expert_bytes=self._pool.num_bytes,
            experts=counter.by_expert(running, waiting),
        )

    def close(self) -> None:
        """Stop the thread that prepares masks; no step may follow."""
        self._executor.shutdown(cancel_futures=True)

    def _prepare(self, scheduled: list[Scheduled]) -> None:
        """While the forward runs, what its logits will be masked with is computed beside it."""
        for one in scheduled:
            work = self._sequences[one.sequence.id][1]
            if isinstance(work, Answer) and one.logit_positions:
                work.prepare(self._executor)

    def _pooled(self, scheduled: list[Scheduled]) -> Iterator[tuple[int, Output]]:
        """The means of prefixes that are complete."""
        for sequence in (one.sequence for one in scheduled if one.sequence.is_prefix):
            if not sequence.num_uncomputed_tokens:
                work, size = self._sequences[sequence.id][1], self._blocks.block_size
                assert isinstance(work, Pooling)
                mean = tuple(self._runner.pooled(sequence, work.first).tolist())
                num_tokens = sequence.num_tokens
                yield sequence.id, Pooled(mean, num_tokens, sequence.num_reused_tokens, num_tokens // size * size)

    def _collect(self, wanted: list[tuple[Scheduled, int]], logits: Tensor) -> Iterator[tuple[int, Output]]:
        likeliest = logits.max(dim=-1).indices
        # log_softmax and a gather: torch's logsumexp takes twenty times as long on a CPU
        logprobs = torch.log_softmax(logits.float(), dim=-1).gather(1, likeliest[:, None])[:, 0]
        greedy = list(zip(likeliest.tolist(), logprobs.tolist(), strict=True))
        for row, (one, position) in enumerate(wanted):
            sequence, work = self._sequences[one.sequence.id]
            if isinstance(work, Scoring):
                if (score := _score(work, position - sequence.num_prompt_tokens + 1, logits[row])) is not None:
                    yield sequence.id, score
                continue
            assert isinstance(work, Answer)
            try:
                plain = work.is_plain_greedy
                event = work.take(*greedy[row]) if plain else work.take(*work.choose(logits[row]))
            except GrammarError as error:
                yield sequence.id, error
                continue
            sequence.token_ids += event.token_ids
            yield sequence.id, event


def _score(work: Scoring, index: int, logits: Tensor) -> float | None:
    """Note the log-probability of one token of the candidate; the sum when all are known."""
    work.logprobs[index] = float(torch.log_softmax(logits.float(), dim=-1)[work.token_ids[index]])
    return sum(work.logprobs.values()) if len(work.logprobs) == len(work.token_ids) else None


def _block_manager(pool: ModelPool, config: EngineConfig) -> BlockManager:
    """As many blocks as the budget gives: an upper one for every backbone one, and as many again for other experts."""
    backbone_bytes, upper_bytes = block_bytes(pool.backbone, config.block_size)
    in_budget = config.cache_bytes // (backbone_bytes + 2 * upper_bytes)
    useful = config.scheduler.max_running * -(-pool.backbone.max_context // config.block_size)
    num_blocks = max(1, min(in_budget, useful))
    return BlockManager(num_blocks, 2 * num_blocks, config.block_size)
