"""What a run of a workload came to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Throughput:
    """Output tokens of a workload and the wall-clock seconds that they took."""

    name: str
    num_output_tokens: int
    seconds: float

    @property
    def tokens_per_second(self) -> float:
        return self.num_output_tokens / self.seconds
