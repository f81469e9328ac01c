"""transformers' own `generate` on the same requests: padded batches, every prompt computed whole."""

import time
from collections.abc import Callable
from collections.abc import Sequence as Many
from typing import Any

import torch

from experts.benchmark import workload
from experts.benchmark.throughput import Throughput

Options = Callable[[Many[int]], dict[str, Any]]
"""What `generate` is told about a batch, from the experts of its rows."""


class TransformersBenchmark:
    """A model, greedy, to a fixed number of tokens."""

    def __init__(self, name: str, model: Any, tokenizer: Any, options: Options = lambda _: {}) -> None:
        self._name, self._model, self._tokenizer, self._options = name, model, tokenizer, options
        self._generate([(0, [1, 2, 3])], 1)  # what is made once is made before the clock runs

    def mixed(self) -> Throughput:
        """The mixed workload in batches of as many requests as may run at once."""
        requests = [(expert, self._tokenizer.encode(text)) for expert, text in workload.mixed()]
        start = time.perf_counter()
        for first in range(0, len(requests), workload.MAX_CONCURRENT):
            self._generate(requests[first : first + workload.MAX_CONCURRENT], workload.NEW_TOKENS)
        seconds = time.perf_counter() - start
        return Throughput(f"{self._name}: mixed", len(requests) * workload.NEW_TOKENS, seconds)

    def one_stream(self) -> Throughput:
        """A single sequence, without its prefill."""
        prompt = self._tokenizer.encode(workload.mixed()[0][1])
        seconds: list[float] = []
        for num_new in (1, 1 + 2 * workload.NEW_TOKENS):
            start = time.perf_counter()
            self._generate([(0, prompt)], num_new)
            seconds.append(time.perf_counter() - start)
        return Throughput(f"{self._name}: one stream, decode", 2 * workload.NEW_TOKENS, seconds[1] - seconds[0])

    def hand_off(self) -> Throughput:
        """One growing context that passes through the experts in turn; every step reads it anew."""
        context, steps = workload.hand_off()
        tokens, start = list(self._tokenizer.encode(context)), time.perf_counter()
        for expert, instruction in steps:
            tokens += self._tokenizer.encode(instruction)
            tokens += self._generate([(expert, tokens)], workload.NEW_TOKENS)[0]
        seconds = time.perf_counter() - start
        return Throughput(f"{self._name}: growing context", len(steps) * workload.NEW_TOKENS, seconds)

    def _generate(self, requests: Many[tuple[int, Many[int]]], num_new: int) -> list[list[int]]:
        """The new tokens of each request (expert, prompt)."""
        longest = max(len(prompt) for _, prompt in requests)
        pad = [longest - len(prompt) for _, prompt in requests]
        input_ids = [[0] * missing + list(prompt) for missing, (_, prompt) in zip(pad, requests, strict=True)]
        mask = [[0] * missing + [1] * (longest - missing) for missing in pad]
        with torch.inference_mode():
            found = self._model.generate(
                input_ids=torch.tensor(input_ids),
                attention_mask=torch.tensor(mask),
                max_new_tokens=num_new,
                min_new_tokens=num_new,
                do_sample=False,
                pad_token_id=0,
                **self._options([expert for expert, _ in requests]),
            )
        return found[:, longest:].tolist()
