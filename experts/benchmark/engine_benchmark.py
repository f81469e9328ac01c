"""The engine on the mixed workload, the hand-over of a prefix, and one stream alone."""

import time
from collections import deque
from collections.abc import Sequence as Many
from dataclasses import dataclass, replace
from pathlib import Path

from experts.backbone import Backbone
from experts.benchmark import workload
from experts.benchmark.random_experts import make_entries
from experts.config import EngineConfig
from experts.engine.answer import Answer
from experts.engine.detokenizer import Detokenizer
from experts.engine.engine import Engine
from experts.engine.model_pool import ModelPool
from experts.engine.sequence import ExpertKey
from experts.registry import Registry
from experts.sampling_params import SamplingParams


@dataclass(frozen=True, slots=True)
class Throughput:
    """Output tokens of a workload and the wall-clock seconds that they took."""

    name: str
    num_output_tokens: int
    seconds: float

    @property
    def tokens_per_second(self) -> float:
        return self.num_output_tokens / self.seconds


@dataclass(frozen=True, slots=True)
class HandOver:
    """A prefix prefilled afresh by an expert, and taken over by it from another one."""

    num_tokens: int
    fresh_seconds: float
    taken_over_seconds: float
    reused_backbone_tokens: int
    reused_upper_tokens: int

    @property
    def ratio(self) -> float:
        return self.taken_over_seconds / self.fresh_seconds


class EngineBenchmark:
    """Runs workloads on engines with an empty cache; greedy, to a fixed number of tokens."""

    def __init__(self, backbone: Backbone, config: EngineConfig, folder: Path) -> None:
        entries = make_entries(backbone, workload.NUM_EXPERTS, folder)
        pool = ModelPool(backbone, Registry(None, builtin=None), config)
        scheduler = replace(config.scheduler, max_running=workload.MAX_CONCURRENT)
        self._pool, self._config = pool, replace(config, scheduler=scheduler)
        for entry in entries:
            pool.registry.add(entry)
        self._experts = [pool.load(entry) for entry in entries]

    def mixed(self) -> Throughput:
        """The workload over all experts in turn."""
        return self._throughput("mixed, five experts", self._experts)

    def one_expert(self) -> Throughput:
        """The same requests, all for the first expert."""
        return self._throughput("mixed, one expert", self._experts[:1])

    def one_stream(self) -> Throughput:
        """A single sequence."""
        engine = Engine(self._pool, self._config)
        self._add(engine, self._experts[0], self._prompts()[0][1], 2 * workload.NEW_TOKENS)
        engine.step()
        start, num_tokens = time.perf_counter(), 0
        while engine.num_sequences:
            num_tokens += len(engine.step())
        return Throughput("one stream, decode", num_tokens, time.perf_counter() - start)

    def hand_over(self, num_tokens: int = 400) -> HandOver:
        """A prefix computed by the first expert and taken over by the second, which has none of its own blocks."""
        tokens = self._pool.backbone.tokenizer.encode(workload.hand_off(num_words=2 * num_tokens)[0])[:num_tokens]
        self._prefill(Engine(self._pool, self._config), self._experts[1], tokens)
        fresh = self._prefill(Engine(self._pool, self._config), self._experts[1], tokens)
        engine = Engine(self._pool, self._config)
        self._prefill(engine, self._experts[0], tokens)
        taken_over = self._prefill(engine, self._experts[1], tokens)
        scheduler = engine.scheduler
        reused = (scheduler.num_reused_backbone_tokens, scheduler.num_reused_upper_tokens)
        return HandOver(len(tokens), fresh, taken_over, *reused)

    def _throughput(self, name: str, experts: Many[ExpertKey]) -> Throughput:
        engine, waiting = Engine(self._pool, self._config), deque(self._prompts())
        start, num_tokens = time.perf_counter(), 0
        while waiting or engine.num_sequences:
            while waiting and engine.num_sequences < workload.MAX_CONCURRENT:
                index, prompt = waiting.popleft()
                self._add(engine, experts[index % len(experts)], prompt, workload.NEW_TOKENS)
            num_tokens += len(engine.step())
        return Throughput(name, num_tokens, time.perf_counter() - start)

    def _prompts(self) -> list[tuple[int, list[int]]]:
        return [(index, self._pool.backbone.tokenizer.encode(text)) for index, text in workload.mixed()]

    def _prefill(self, engine: Engine, expert: ExpertKey, prompt: Many[int]) -> float:
        """Seconds to the first token."""
        self._add(engine, expert, prompt, 1)
        start = time.perf_counter()
        while engine.num_sequences:
            engine.step()
        return time.perf_counter() - start

    def _add(self, engine: Engine, expert: ExpertKey, prompt: Many[int], num_new: int) -> None:
        backbone = self._pool.backbone
        params = SamplingParams(max_tokens=num_new, ignore_eos=True)
        answer = Answer(params, Detokenizer(backbone.tokenizer, ()), None, backbone.eos_token_ids, prompt)
        engine.add(expert, prompt, answer)
