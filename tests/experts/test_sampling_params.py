"""Wrong values are refused; through the engine, the others hold alone, in a batch and for many answers."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from experts.backbone import Backbone
from experts.config import SchedulerConfig
from experts.engine.async_engine import AsyncEngine
from experts.engine.block_manager import BlockManager
from experts.engine.events import TokenEvent
from experts.engine.generation import generate
from experts.engine.grammar import GrammarCompiler
from experts.errors import EngineBusy, GrammarError
from experts.prompt import PromptParts
from experts.sampling_params import Grammar, SamplingParams
from tests.experts.conftest import engine_config
from tests.experts.families import VOCAB_SIZE

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"min_p": -0.1}, "greater than or equal to 0"),
    ({"min_p": 1.1}, "less than or equal to 1"),
    ({"repetition_penalty": 0.0}, "greater than or equal to 0.01"),
    ({"repetition_penalty": float("inf")}, "finite number"),
    ({"presence_penalty": 2.1}, "less than or equal to 2"),
    ({"frequency_penalty": -2.1}, "greater than or equal to -2"),
    ({"min_tokens": -1}, "greater than or equal to 0"),
    ({"min_tokens": 9, "max_tokens": 8}, r"min_tokens \(9\) must not exceed max_tokens \(8\)"),
    ({"stop": ("",)}, "stop strings must not be empty"),
    ({"stop_token_ids": (-1,)}, "greater than or equal to 0"),
    ({"top_logprobs": 21}, "less than or equal to 20"),
    ({"n": 0}, "greater than or equal to 1"),
    ({"n": 17}, "less than or equal to 16"),
    ({"best_of": 2}, "not permitted"),
]


@pytest.mark.parametrize(("values", "reason"), WRONG, ids=lambda value: str(value))
def test_a_wrong_value_is_refused_with_the_reason(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        SamplingParams(**values)


def test_every_option_is_off_by_default() -> None:
    params = SamplingParams()
    assert (params.n, params.min_p, params.min_tokens, params.top_logprobs, params.stop_token_ids) == (1, 0, 0, 0, ())
    assert not params.has_penalties


@pytest.mark.parametrize("values", [{"repetition_penalty": 0.9}, {"presence_penalty": -1}, {"frequency_penalty": 1}])
def test_a_penalty_of_any_kind_counts_as_one(values: dict[str, Any]) -> None:
    assert SamplingParams(**values).has_penalties


TASK = PromptParts("Say something about the weather, and about what you would do if it changed")


async def collect(engine: AsyncEngine, params: SamplingParams, expert: str = "law") -> list[TokenEvent]:
    return [event async for event in engine.generate(expert, TASK, params)]


def text_of(events: list[TokenEvent], index: int = 0) -> str:
    return "".join(event.text for event in events if event.index == index)


def ids_of(events: list[TokenEvent], index: int = 0) -> list[int]:
    return [token_id for event in events if event.index == index for token_id in event.token_ids]


def sampled(**more: Any) -> SamplingParams:
    options: dict[str, Any] = {"max_tokens": 12, "temperature": 1.0, "seed": 5, "ignore_eos": True, **more}
    return SamplingParams(**options)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"min_p": 0.02, "top_k": 40, "top_p": 0.95},
    {"repetition_penalty": 1.3, "presence_penalty": 0.5, "frequency_penalty": 0.5},
    {"min_tokens": 6, "stop_token_ids": (1, 2, 3), "top_logprobs": 3},
    {"grammar": Grammar(kind="regex", value="([a-f]{3} ?)+")},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: next(iter(options), "plain"))
async def test_a_seed_draws_the_same_alone_as_in_a_batch(engine: AsyncEngine, options: dict[str, Any]) -> None:
    params = sampled(**options)
    alone = await collect(engine, params)
    others = [engine.generate(name, TASK, sampled(max_tokens=140, seed=9)) for name in ("law", "math")]
    for other in others:
        await anext(other)

    together = await asyncio.gather(*(collect(engine, params) for _ in range(3)))

    assert engine._engine.num_sequences == len(others)  # pyright: ignore[reportPrivateUsage]
    assert [ids_of(events) for events in together] == [ids_of(alone)] * 3
    for other in others:
        await other.aclose()  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: next(iter(options), "plain"))
async def test_the_engine_draws_what_the_reference_draws(
    engine: AsyncEngine, backbone: Backbone, options: dict[str, Any]
) -> None:
    params, ends = sampled(**options), backbone.eos_token_ids
    compiler = GrammarCompiler(backbone.tokenizer, VOCAB_SIZE, ends)
    matcher = compiler.compile(params.grammar) if params.grammar else None
    prompt = list(b"a prompt of tokens")

    ours = [event async for event in engine.generate("general", prompt, params)]

    reference = list(generate(backbone.model, backbone.tokenizer, prompt, params, matcher, ends))
    assert ids_of(ours) == ids_of(reference)
    assert [[i for i, _ in top] for event in ours for top in event.top_logprobs] == [
        [i for i, _ in top] for event in reference for top in event.top_logprobs
    ]


async def test_min_tokens_put_off_the_end(engine: AsyncEngine) -> None:
    likeliest = ids_of(await collect(engine, SamplingParams(max_tokens=1, ignore_eos=True)))

    at_once = await collect(engine, SamplingParams(max_tokens=9, stop_token_ids=tuple(likeliest)))
    later = await collect(engine, SamplingParams(max_tokens=9, stop_token_ids=tuple(likeliest), min_tokens=4))

    assert (text_of(at_once), at_once[-1].finish_reason) == ("", "stop")
    assert len(ids_of(later)) >= 4
    assert likeliest[0] not in ids_of(later)


async def test_top_logprobs_begin_with_a_greedy_answers_own_tokens(engine: AsyncEngine) -> None:
    events = await collect(engine, SamplingParams(max_tokens=6, top_logprobs=2, ignore_eos=True))
    plain = await collect(engine, SamplingParams(max_tokens=6, ignore_eos=True))

    assert [top[0][0] for event in events for top in event.top_logprobs] == ids_of(events) == ids_of(plain)
    assert [top[0][1] for event in events for top in event.top_logprobs] == pytest.approx(
        [logprob for event in plain for logprob in event.logprobs], abs=1e-5
    )


async def test_many_answers_are_each_whole_and_of_their_own(engine: AsyncEngine) -> None:
    events = await collect(engine, sampled(n=4))

    last = {event.index: event for event in events}
    assert set(last) == {0, 1, 2, 3}
    assert len({tuple(ids_of(events, index)) for index in last}) == 4
    for index, event in last.items():
        assert event.usage is not None
        assert event.usage.num_output_tokens == len(ids_of(events, index)) == 12
    assert sum(event.finish_reason is not None for event in events) == 4


async def test_the_first_of_many_answers_is_the_one_alone(engine: AsyncEngine) -> None:
    assert ids_of(await collect(engine, sampled(n=3))) == ids_of(await collect(engine, sampled()))


async def test_greedy_answers_are_all_the_same(engine: AsyncEngine) -> None:
    events = await collect(engine, SamplingParams(n=3, max_tokens=8))
    assert ids_of(events, 0) == ids_of(events, 1) == ids_of(events, 2)


async def test_each_of_many_answers_keeps_to_the_grammar(engine: AsyncEngine) -> None:
    grammar = Grammar(kind="choice", value=["red", "green", "blue"])
    events = await collect(engine, SamplingParams(n=8, temperature=10.0, seed=1, grammar=grammar))

    texts = [text_of(events, index) for index in range(8)]
    assert set(texts) <= {"red", "green", "blue"}
    assert len(set(texts)) > 1


async def test_many_answers_compute_their_prompt_once(engine: AsyncEngine) -> None:
    scheduler = engine._engine.scheduler  # pyright: ignore[reportPrivateUsage]
    blocks: BlockManager = scheduler._blocks  # pyright: ignore[reportPrivateUsage]
    events = await collect(engine, sampled(n=3))

    usage = events[-1].usage
    assert usage is not None
    in_full_blocks = (usage.num_prompt_tokens - 1) // blocks.block_size * blocks.block_size
    assert in_full_blocks > 0
    assert scheduler.num_reused_upper_tokens == 2 * in_full_blocks


async def test_answers_that_end_at_once_do_not_keep_the_others_from_beginning(engine: AsyncEngine) -> None:
    events = await collect(engine, sampled(n=5, max_tokens=1))
    assert sorted(event.index for event in events if event.finish_reason) == [0, 1, 2, 3, 4]


async def test_leaving_the_stream_cancels_all_answers(engine: AsyncEngine) -> None:
    stream = engine.generate("law", TASK, sampled(n=3, max_tokens=150))
    seen: set[int] = set()
    while len(seen) < 3:
        seen.add((await anext(stream)).index)
    await stream.aclose()  # pyright: ignore[reportAttributeAccessIssue]
    await engine.score("general", TASK, ["a"])  # what was asked before it has been done

    assert engine.num_sequences == 0
    assert engine._engine.num_sequences == 0  # pyright: ignore[reportPrivateUsage]


async def test_every_answer_counts_as_a_sequence(model_directory: Path, tmp_path: Path) -> None:
    engine = await AsyncEngine.start(engine_config(model_directory, tmp_path / "experts", max_sequences=3))
    stream = engine.generate("general", TASK, sampled(n=2, max_tokens=99))
    await anext(stream)

    assert engine.num_sequences == 2
    with pytest.raises(EngineBusy):
        await collect(engine, sampled(n=2), "general")
    assert len(await collect(engine, sampled(max_tokens=1), "general")) == 1

    await stream.aclose()  # pyright: ignore[reportAttributeAccessIssue]
    await engine.close()


async def test_a_grammar_that_is_none_is_refused_for_many_answers_too(engine: AsyncEngine) -> None:
    with pytest.raises(GrammarError, match="not a valid regex"):
        await collect(engine, sampled(n=2, grammar=Grammar(kind="regex", value="(")))
    assert engine.num_sequences == 0


async def test_grammars_hold_through_chunked_prompts_and_preemption(
    engine: AsyncEngine, model_directory: Path, tmp_path: Path
) -> None:
    """A mask that was prepared is neither lost nor used twice, however often a sequence has to wait."""
    limits = SchedulerConfig(max_step_tokens=24, max_chunk_tokens=16)
    small = await AsyncEngine.start(
        engine_config(model_directory, tmp_path / "small", scheduler=limits, block_size=4, cache_bytes=150_000)
    )
    asked = [sampled(max_tokens=40, seed=i, grammar=Grammar(kind="regex", value="([a-f]{3} ?)+")) for i in range(4)]

    together = await asyncio.gather(*(collect(small, params, "general") for params in asked))

    assert small._engine.scheduler.num_preemptions > 0  # pyright: ignore[reportPrivateUsage]
    assert [ids_of(events) for events in together] == [
        ids_of(await collect(engine, params, "general")) for params in asked
    ]
    await small.close()


async def test_closing_the_engine_stops_the_thread_of_the_masks(model_directory: Path, tmp_path: Path) -> None:
    engine = await AsyncEngine.start(engine_config(model_directory, tmp_path / "experts"))
    await collect(engine, sampled(grammar=Grammar(kind="regex", value="[ab]+")), "general")
    await engine.close()

    with pytest.raises(RuntimeError, match="after shutdown"):
        engine._engine._executor.submit(print)  # pyright: ignore[reportPrivateUsage]
