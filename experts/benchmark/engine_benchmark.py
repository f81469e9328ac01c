"""The engine on the mixed workload, the growing context, one stream alone, and a prefix handed over."""

import time
from collections import deque
from collections.abc import Sequence as Many
from dataclasses import dataclass, replace
from pathlib import Path

from experts.backbone import Backbone
from experts.benchmark import workload
from experts.benchmark.random_experts import make_entries
from experts.benchmark.throughput import Throughput
from experts.config import EngineConfig
from experts.engine.answer import Answer
from experts.engine.detokenizer import Detokenizer
from experts.engine.engine import Engine
from experts.engine.events import TokenEvent
from experts.engine.model_pool import ModelPool
from experts.engine.sequence import ExpertKey
from experts.registry import Registry
from experts.sampling_params import SamplingParams


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
    """Runs workloads on engines with an empty cache; greedy, to a fixed number of tokens.

    The experts are random and low-rank; `general` is not in memory, unless experts are compact.
    """

    def __init__(self, backbone: Backbone, config: EngineConfig, folder: Path, num_experts: int) -> None:
        entries = make_entries(backbone, num_experts, folder)
        scheduler = replace(config.scheduler, max_running=workload.MAX_CONCURRENT)
        self._config = replace(config, scheduler=scheduler)
        self._pool = ModelPool(backbone, Registry(None, builtin=None), self._config)
        for entry in entries:
            self._pool.registry.add(entry)
        self._experts = [self._pool.load(entry) for entry in entries]
        self._prefill(self._engine(), self._experts[0], [1, 2, 3])  # what is made once is made before the clock runs

    @property
    def weight_bytes(self) -> int:
        """Of all weights in memory."""
        return self._pool.loader.num_bytes + self._pool.num_bytes

    def mixed(self) -> Throughput:
        """The workload over all experts in turn."""
        name = f"{self._config.expert_form}: mixed, {len(self._experts)} experts"
        return self._throughput(name, [deque(self._requests(self._experts))])

    def one_expert(self) -> Throughput:
        """The same requests, all for the first expert."""
        name = f"{self._config.expert_form}: mixed, one expert"
        return self._throughput(name, [deque(self._requests(self._experts[:1]))])

    def one_by_one(self) -> Throughput:
        """The same requests, expert after expert, each as one batch: as if each were a model of its own."""
        requests = self._requests(self._experts)
        queues = [deque(request for request in requests if request[0] == expert) for expert in self._experts]
        return self._throughput("one model each", queues)

    def one_stream(self) -> Throughput:
        """A single sequence, without its prefill."""
        engine = self._engine()
        self._add(engine, self._experts[0], self._requests(self._experts)[0][1], 2 * workload.NEW_TOKENS)
        while not engine.step():
            pass
        start, num_tokens = time.perf_counter(), 0
        while engine.num_sequences:
            num_tokens += len(engine.step())
        name = f"{self._config.expert_form}: one stream, decode"
        return Throughput(name, num_tokens, time.perf_counter() - start)

    def hand_off(self) -> Throughput:
        """One growing context that passes through the experts in turn."""
        engine, encode = self._engine(), self._pool.backbone.tokenizer.encode
        context, steps = workload.hand_off()
        tokens, num_tokens, start = list(encode(context)), 0, time.perf_counter()
        for expert, instruction in steps:
            tokens += encode(instruction)
            self._add(engine, self._experts[expert % len(self._experts)], tokens, workload.NEW_TOKENS)
            while engine.num_sequences:
                for _, event in engine.step():
                    assert isinstance(event, TokenEvent)
                    tokens += event.token_ids
                    num_tokens += 1
        name = f"{self._config.expert_form}: growing context, four experts in turn"
        return Throughput(name, num_tokens, time.perf_counter() - start)

    def hand_over(self, num_tokens: int = 400) -> HandOver:
        """A prefix computed by the first expert and taken over by the second, which has none of its own blocks."""
        tokens = self._pool.backbone.tokenizer.encode(workload.hand_off(num_words=2 * num_tokens)[0])[:num_tokens]
        self._prefill(self._engine(), self._experts[1], tokens)
        fresh = self._prefill(self._engine(), self._experts[1], tokens)
        engine = self._engine()
        self._prefill(engine, self._experts[0], tokens)
        taken_over = self._prefill(engine, self._experts[1], tokens)
        found = engine.metrics()
        return HandOver(len(tokens), fresh, taken_over, found.num_reused_backbone_tokens, found.num_reused_upper_tokens)

    def _engine(self) -> Engine:
        return Engine(self._pool, self._config)

    def _throughput(self, name: str, queues: Many[deque[tuple[ExpertKey, list[int]]]]) -> Throughput:
        """Queue after queue, each with as many requests at once as may run."""
        engine, start, num_tokens = self._engine(), time.perf_counter(), 0
        for waiting in queues:
            while waiting or engine.num_sequences:
                while waiting and engine.num_sequences < workload.MAX_CONCURRENT:
                    self._add(engine, *waiting.popleft(), workload.NEW_TOKENS)
                num_tokens += len(engine.step())
        return Throughput(name, num_tokens, time.perf_counter() - start)

    def _requests(self, experts: Many[ExpertKey]) -> list[tuple[ExpertKey, list[int]]]:
        """As many as the workload has, or one for each expert if they are more."""
        texts = [self._pool.backbone.tokenizer.encode(text) for _, text in workload.mixed()]
        number = max(len(texts), len(experts))
        return [(experts[i % len(experts)], texts[i % len(texts)]) for i in range(number)]

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
