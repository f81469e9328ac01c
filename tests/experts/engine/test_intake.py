"""A text that is read to choose its expert is read once."""

import pytest

from experts.engine.async_engine import AsyncEngine
from experts.errors import PromptTooLong
from experts.sampling_params import SamplingParams
from tests.experts.engine.test_async_engine import TASK, collect


async def test_the_expert_that_is_chosen_finds_what_was_read_to_choose_it(engine: AsyncEngine) -> None:
    pooled = await engine.pool(TASK.task)
    assert len(pooled.mean) == 32

    events = await collect(engine, "law", SamplingParams(max_tokens=5))

    metrics = await engine.metrics()
    assert events[-1].usage is not None
    num_prompt_tokens = events[-1].usage.num_prompt_tokens
    assert 0 < pooled.num_reusable_tokens <= pooled.num_tokens < num_prompt_tokens
    assert metrics.num_reused_backbone_tokens == pooled.num_reusable_tokens
    assert metrics.num_prefix_tokens == pooled.num_tokens
    assert metrics.experts["law"].num_prefill_tokens == num_prompt_tokens  # in its own layers


async def test_a_text_past_the_context_is_not_read(engine: AsyncEngine) -> None:
    with pytest.raises(PromptTooLong, match="256"):
        await engine.pool("x" * 300)
    assert engine.num_sequences == 0
