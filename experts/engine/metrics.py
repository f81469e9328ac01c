"""What an engine has done, and what it has to do."""

from collections import Counter
from collections.abc import Sequence as Many
from dataclasses import dataclass

from experts.engine.sequence import ExpertKey, Scheduled


@dataclass(frozen=True, slots=True)
class ExpertMetrics:
    """Of one expert, over all its versions."""

    num_prefill_tokens: int
    num_decode_tokens: int
    num_running: int
    num_waiting: int


@dataclass(frozen=True, slots=True)
class EngineMetrics:
    """Counts since the start; sequences and bytes as they are now."""

    num_waiting: int
    num_running: int
    num_steps: int
    num_prefill_tokens: int
    """Computed by experts' layers for prompts, those computed again after a preemption too."""
    num_decode_tokens: int
    """Computed for tokens of answers and scored candidates, those computed again after a preemption too."""
    num_prefix_tokens: int
    """Computed by the shared layers alone, for prompts of which no expert was chosen yet."""
    num_reused_backbone_tokens: int
    """Found in the cache of the shared layers instead of computed, by new sequences and by preempted ones."""
    num_reused_upper_tokens: int
    """Found in the cache of an expert's own layers."""
    num_preemptions: int
    batch_occupancy: float
    """Mean part of the sequences that may run at once, over all steps."""
    num_free_backbone_blocks: int
    num_free_upper_blocks: int
    shared_bytes: int
    """Of weights that all experts share."""
    expert_bytes: int
    """Of weights of the experts in memory."""
    experts: dict[str, ExpertMetrics]


class StepCounter:
    """Counts tokens step by step."""

    def __init__(self) -> None:
        self.num_steps = 0
        self.num_scheduled = 0
        """Sequences, over all steps."""
        self.prefill_tokens: Counter[str] = Counter()
        """By expert."""
        self.decode_tokens: Counter[str] = Counter()
        self.num_prefix_tokens = 0

    def count(self, scheduled: Many[Scheduled]) -> None:
        """A step that is about to be computed."""
        self.num_steps += 1
        self.num_scheduled += len(scheduled)
        for one in scheduled:
            if one.sequence.is_prefix:
                self.num_prefix_tokens += one.num_new_tokens
                continue
            name, positions = one.sequence.expert[0], one.upper_positions
            num_prefill = max(0, min(positions.stop, one.sequence.num_prompt_tokens) - positions.start)
            self.prefill_tokens[name] += num_prefill
            self.decode_tokens[name] += len(positions) - num_prefill

    def by_expert(self, running: Many[ExpertKey], waiting: Many[ExpertKey]) -> dict[str, ExpertMetrics]:
        """Of all experts that were asked."""
        num_running, num_waiting = (Counter(name for name, _ in keys) for keys in (running, waiting))
        names = sorted({*self.prefill_tokens, *num_running, *num_waiting})
        return {
            name: ExpertMetrics(
                self.prefill_tokens[name], self.decode_tokens[name], num_running[name], num_waiting[name]
            )
            for name in names
        }
