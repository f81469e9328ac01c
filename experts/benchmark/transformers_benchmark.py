"""transformers' own `generate` with a single model on the same requests: no experts, padded batches."""

import time
from collections.abc import Sequence as Many
from typing import Any

import torch

from experts.backbone import Backbone
from experts.benchmark import workload
from experts.benchmark.engine_benchmark import Throughput


class TransformersBenchmark:
    """The backbone's whole original model, greedy, to a fixed number of tokens."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone

    def mixed(self) -> Throughput:
        """The mixed workload in batches of as many requests as may run at once."""
        prompts = [self._backbone.tokenizer.encode(text) for _, text in workload.mixed()]
        start = time.perf_counter()
        for first in range(0, len(prompts), workload.MAX_CONCURRENT):
            self._generate(prompts[first : first + workload.MAX_CONCURRENT], workload.NEW_TOKENS)
        seconds = time.perf_counter() - start
        return Throughput("transformers, one model, mixed", len(prompts) * workload.NEW_TOKENS, seconds)

    def one_stream(self) -> Throughput:
        """A single sequence, without its prefill."""
        prompt = self._backbone.tokenizer.encode(workload.mixed()[0][1])
        seconds: list[float] = []
        for num_new in (1, 1 + 2 * workload.NEW_TOKENS):
            start = time.perf_counter()
            self._generate([prompt], num_new)
            seconds.append(time.perf_counter() - start)
        return Throughput("transformers, one stream, decode", 2 * workload.NEW_TOKENS, seconds[1] - seconds[0])

    def _generate(self, prompts: Many[Many[int]], num_new: int) -> None:
        longest = max(map(len, prompts))
        input_ids = torch.tensor([[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts])
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        generator: Any = self._backbone.model
        with torch.inference_mode():
            generator.generate(
                input_ids=input_ids,
                attention_mask=mask,
                max_new_tokens=num_new,
                min_new_tokens=num_new,
                do_sample=False,
                pad_token_id=0,
            )
