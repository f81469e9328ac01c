"""Hours in minutes: more callers than the engine takes, who leave when they like, while experts come and go."""

import asyncio
import random
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from experts.benchmark import workload
from experts.benchmark.resident import resident_bytes
from experts.engine.async_engine import AsyncEngine
from experts.errors import EngineBusy, ExpertDetached, UnknownExpert
from experts.sampling_params import SamplingParams

_SAMPLE_SECONDS = 1.0
_RETRY_SECONDS = 0.05


@dataclass(slots=True)
class SoakReport:
    """What happened, and the process's memory while it did."""

    num_answers: int = 0
    num_left: int = 0
    """Callers that left before their answer was complete."""
    num_busy: int = 0
    """Refusals because the engine was full; the caller tried again."""
    num_detached: int = 0
    """Calls to an expert that was gone, or went while it answered."""
    num_tokens: int = 0
    num_exchanges: int = 0
    """An expert was detached and attached again."""
    samples: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """Seconds since the start, MB resident."""

    @property
    def slope(self) -> float:
        """MB a minute over the last two thirds, by least squares."""
        late = self.samples[len(self.samples) // 3 :]
        seconds, sizes = ([sample[i] for sample in late] for i in (0, 1))
        mean_seconds, mean_size = sum(seconds) / len(late), sum(sizes) / len(late)
        spread = sum((second - mean_seconds) ** 2 for second in seconds)
        both = sum((second - mean_seconds) * (size - mean_size) for second, size in late)
        return 60 * both / spread if spread else 0.0


class Soak:
    """Callers at twice the engine's capacity; one expert is detached and attached again all the while."""

    def __init__(self, engine: AsyncEngine, exchanged: Path, seconds: float, max_words: int = 100) -> None:
        self._engine, self._exchanged, self._seconds, self._max_words = engine, exchanged, seconds, max_words
        self._random = random.Random(0)
        self._names = [exchanged.name, *(entry.card.name for entry in engine.registry.list())]
        self.report = SoakReport()

    async def run(self, max_sequences: int) -> SoakReport:
        """Run for the given seconds; all callers have ended when it returns."""
        self._start = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for _ in range(2 * max_sequences):
                group.create_task(self._call())
            group.create_task(self._exchange())
            group.create_task(self._watch())
        return self.report

    @property
    def _is_over(self) -> bool:
        return time.monotonic() - self._start >= self._seconds

    async def _call(self) -> None:
        while not self._is_over:
            try:
                await self._ask()
            except EngineBusy:
                self.report.num_busy += 1
                await asyncio.sleep(_RETRY_SECONDS)
            except (UnknownExpert, ExpertDetached):
                self.report.num_detached += 1
                await asyncio.sleep(_RETRY_SECONDS)

    async def _ask(self) -> None:
        """A prompt that may begin as others do; every third caller leaves somewhere on the way."""
        draw = self._random
        start = draw.choice(("", "one two three " * draw.randrange(1, self._max_words // 6)))
        words = [draw.choice(workload.WORDS) for _ in range(draw.randrange(1, self._max_words // 2))]
        prompt = [{"role": "user", "content": start + " ".join(words)}]
        temperature = draw.choice((0.0, 0.8))
        params = SamplingParams(max_tokens=draw.randrange(1, 48), temperature=temperature, ignore_eos=True)
        patience = draw.randrange(1, 20) if draw.random() < 1 / 3 else None
        stream = self._engine.generate(draw.choice(self._names), prompt, params)
        async with aclosing(stream) as events:
            async for event in events:
                self.report.num_tokens += len(event.token_ids)
                if event.finish_reason is not None:
                    self.report.num_answers += 1
                elif patience is not None:
                    patience -= 1
                    if not patience:
                        self.report.num_left += 1
                        return

    async def _exchange(self) -> None:
        name = self._exchanged.name
        while not self._is_over:
            await self._engine.push(self._exchanged)
            await asyncio.sleep(_SAMPLE_SECONDS)
            await self._engine.pop(name, drain=self._random.random() < 0.5)
            self.report.num_exchanges += 1

    async def _watch(self) -> None:
        while not self._is_over:
            self.report.samples.append((time.monotonic() - self._start, resident_bytes() / 1e6))
            await asyncio.sleep(_SAMPLE_SECONDS)
