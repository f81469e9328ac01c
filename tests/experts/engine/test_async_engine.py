"""The engine's interface: events, concurrency, cancellation, push and pop, and every refusal."""

import asyncio
import json
from pathlib import Path
from unittest.mock import Mock

import pytest

from experts.backbone import Backbone
from experts.checkpoint import save_expert
from experts.engine.async_engine import AsyncEngine
from experts.engine.events import TokenEvent
from experts.engine.model_runner import ModelRunner
from experts.errors import (
    CheckpointError,
    EngineBusy,
    EngineClosed,
    ExpertDetached,
    GrammarError,
    PromptInvalid,
    PromptTooLong,
    UnknownExpert,
)
from experts.prompt import PromptParts
from experts.sampling_params import Grammar, SamplingParams
from tests.experts.conftest import engine_config, full_expert

TASK = PromptParts("Say something about the weather")


async def collect(
    engine: AsyncEngine, expert: str, params: SamplingParams, prompt: PromptParts = TASK
) -> list[TokenEvent]:
    return [event async for event in engine.generate(expert, prompt, params)]


def text_of(events: list[TokenEvent]) -> str:
    return "".join(event.text for event in events)


def ids_of(events: list[TokenEvent]) -> list[int]:
    return [token_id for event in events for token_id in event.token_ids]


async def test_a_generation_ends_with_a_reason_and_its_usage(engine: AsyncEngine) -> None:
    events = await collect(engine, "general", SamplingParams(max_tokens=5))

    assert [event.finish_reason for event in events] == [None] * (len(events) - 1) + [events[-1].finish_reason]
    assert events[-1].finish_reason in ("stop", "length")
    assert events[-1].usage is not None
    assert 1 <= events[-1].usage.num_output_tokens <= 5
    assert events[-1].usage.num_prompt_tokens > len(TASK.task)


async def test_experts_running_together_answer_as_each_alone(engine: AsyncEngine) -> None:
    params = SamplingParams(max_tokens=16)
    names = ["general", "law", "math", "law", "general"]
    alone = [ids_of(await collect(engine, name, params)) for name in names]

    together = await asyncio.gather(*(collect(engine, name, params) for name in names))

    assert [ids_of(events) for events in together] == alone
    assert alone[0] != alone[1] != alone[2]


async def test_the_same_seed_draws_the_same_tokens(engine: AsyncEngine) -> None:
    draws = [
        ids_of(await collect(engine, "law", SamplingParams(max_tokens=12, temperature=2.0, seed=seed)))
        for seed in (7, 7, 8)
    ]
    assert draws[0] == draws[1] != draws[2]


async def test_a_schema_is_kept_to(engine: AsyncEngine) -> None:
    schema = {"type": "object", "properties": {"a": {"enum": [1, 2]}, "b": {"type": "boolean"}}, "required": ["a", "b"]}
    grammar = Grammar(kind="json_schema", value={**schema, "additionalProperties": False})

    events = await collect(engine, "math", SamplingParams(max_tokens=40, grammar=grammar))
    document = json.loads(text_of(events))

    assert document["a"] in (1, 2)
    assert isinstance(document["b"], bool)
    assert events[-1].finish_reason == "stop"


@pytest.mark.parametrize(
    ("kind", "value", "allowed"),
    [
        ("choice", ["red", "blue"], {"red", "blue"}),
        ("regex", "a{3}", {"aaa"}),
        ("lark", 'start: "x" | "yy"', {"x", "yy"}),
    ],
)
async def test_grammars_of_all_kinds(engine: AsyncEngine, kind: str, value: object, allowed: set[str]) -> None:
    grammar = Grammar.model_validate({"kind": kind, "value": value})
    assert text_of(await collect(engine, "law", SamplingParams(max_tokens=20, grammar=grammar))) in allowed


async def test_a_stop_string_ends_the_answer_and_is_not_shown(engine: AsyncEngine) -> None:
    whole = text_of(await collect(engine, "law", SamplingParams(max_tokens=24)))
    stop = whole[3:6]

    events = await collect(engine, "law", SamplingParams(max_tokens=24, stop=(stop,)))

    assert text_of(events) == whole[: whole.index(stop)]
    assert events[-1].finish_reason == "stop"


async def test_scores_are_of_whole_candidates(engine: AsyncEngine) -> None:
    short, long = await engine.score("law", TASK, ["a", "ab"])
    assert 0 > short > long


async def test_leaving_the_stream_cancels_the_generation(engine: AsyncEngine) -> None:
    stream = engine.generate(
        "general", TASK, SamplingParams(max_tokens=150, grammar=Grammar(kind="regex", value="a{150}b"))
    )
    async for _ in stream:
        break
    await stream.aclose()  # pyright: ignore[reportAttributeAccessIssue]

    assert engine.num_sequences == 0
    assert text_of(await collect(engine, "general", SamplingParams(max_tokens=3))) is not None


async def test_a_caller_that_leaves_while_its_sequence_is_added_leaves_nothing_behind(engine: AsyncEngine) -> None:
    params = SamplingParams(max_tokens=200, ignore_eos=True)
    asking = asyncio.create_task(collect(engine, "general", params))
    await asyncio.sleep(0)  # it has asked the engine's thread and waits for the answer
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    await engine.score("general", TASK, ["a"])  # what was asked before it has been done

    assert engine._engine.num_sequences == 0  # pyright: ignore[reportPrivateUsage]


async def test_a_prompt_past_the_context_is_refused(engine: AsyncEngine) -> None:
    with pytest.raises(PromptTooLong, match="256"):
        await collect(engine, "law", SamplingParams(), PromptParts("x" * 300))


async def test_an_answer_stops_where_the_context_ends(engine: AsyncEngine) -> None:
    parts = PromptParts("x" * 180)
    grammar = Grammar(kind="regex", value="a+")
    events = await collect(engine, "law", SamplingParams(max_tokens=1000, grammar=grammar), parts)

    assert events[-1].usage is not None
    assert events[-1].usage.num_prompt_tokens + events[-1].usage.num_output_tokens <= 256


@pytest.mark.parametrize("kind", ["json_schema", "lark", "regex", "choice"])
async def test_a_grammar_that_is_none_is_refused(engine: AsyncEngine, kind: str) -> None:
    value = {"json_schema": {"type": "no such type"}, "lark": "start: (", "regex": "(", "choice": []}[kind]
    with pytest.raises(GrammarError, match=f"not a valid {kind}"):
        await collect(engine, "law", SamplingParams(grammar=Grammar.model_validate({"kind": kind, "value": value})))


async def test_unknown_experts_are_refused_with_the_known_ones(engine: AsyncEngine) -> None:
    with pytest.raises(UnknownExpert, match="known: general, law, math"):
        await collect(engine, "finance", SamplingParams())


async def test_push_and_pop_while_a_generation_runs(engine: AsyncEngine, backbone: Backbone, tmp_path: Path) -> None:
    """A running sequence keeps the version it began with; the next one gets the new one, or a refusal."""
    params = SamplingParams(max_tokens=20)
    before = ids_of(await collect(engine, "law", params))
    save_expert(full_expert(backbone, "law", seed=5), tmp_path / "new")

    stream = engine.generate("law", TASK, params)
    running = ids_of([await anext(stream)])
    await engine.push(tmp_path / "new")
    running += ids_of([event async for event in stream])
    after = ids_of(await collect(engine, "law", params))
    await engine.pop("law")

    assert running == before != after
    with pytest.raises(UnknownExpert):
        await collect(engine, "law", params)


async def test_a_damaged_expert_is_refused_and_the_old_one_stays(
    engine: AsyncEngine, backbone: Backbone, tmp_path: Path
) -> None:
    save_expert(full_expert(backbone, "law", seed=5), tmp_path / "new")
    (tmp_path / "new" / "weights.safetensors").write_bytes(b"damaged")
    version = engine.registry.get("law").card.version

    with pytest.raises(CheckpointError):
        await engine.push(tmp_path / "new")

    assert engine.registry.get("law").card.version == version


async def test_a_detached_expert_can_end_its_sequences_at_once(engine: AsyncEngine) -> None:
    params = SamplingParams(max_tokens=150, ignore_eos=True)
    law, general = (engine.generate(name, TASK, params) for name in ("law", "general"))
    await anext(law)
    await anext(general)

    await engine.pop("law", drain=False)

    with pytest.raises(ExpertDetached, match="ask another one"):
        async for _ in law:
            pass
    assert len([event async for event in general]) > 0, "the others go on"


@pytest.mark.parametrize("prompt", [[], [264], [-1]])
async def test_token_ids_that_the_model_does_not_know_are_refused(engine: AsyncEngine, prompt: list[int]) -> None:
    with pytest.raises(PromptInvalid, match="from 0 to 263"):
        async for _ in engine.generate("law", prompt, SamplingParams()):
            pass


async def test_an_empty_candidate_is_refused_and_the_others_are_ended(engine: AsyncEngine) -> None:
    with pytest.raises(PromptInvalid, match="empty"):
        await engine.score("law", TASK, ["a", "b", "", "c"])

    await engine.metrics()  # what was asked before it has been done
    assert engine._engine.num_sequences == 0  # pyright: ignore[reportPrivateUsage]


async def test_a_step_that_breaks_ends_its_sequences_and_no_others(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = ids_of(await collect(engine, "law", SamplingParams(max_tokens=4)))
    with monkeypatch.context() as broken:
        broken.setattr(ModelRunner, "run", Mock(side_effect=IndexError("broken")))
        with pytest.raises(IndexError, match="broken"):
            await collect(engine, "law", SamplingParams())

    assert ids_of(await collect(engine, "law", SamplingParams(max_tokens=4))) == expected


async def test_metrics_count_tokens_by_expert_and_what_was_reused(engine: AsyncEngine) -> None:
    params = SamplingParams(max_tokens=5, ignore_eos=True)
    usage = (await collect(engine, "law", params))[-1].usage
    await collect(engine, "law", params)
    await collect(engine, "math", params)

    found = await engine.metrics()

    assert usage is not None
    assert found.experts["law"].num_decode_tokens == 2 * (usage.num_output_tokens - 1)
    assert found.experts["math"].num_prefill_tokens == usage.num_prompt_tokens
    cached = (usage.num_prompt_tokens - 1) // 16 * 16
    assert (found.num_reused_upper_tokens, found.num_reused_backbone_tokens) == (cached, 2 * cached)
    assert found.num_prefill_tokens == 3 * usage.num_prompt_tokens - cached
    assert (found.num_running, found.num_waiting, found.num_preemptions) == (0, 0, 0)
    assert 0 < found.batch_occupancy < 1


async def test_a_draining_engine_ends_what_it_began_and_refuses_the_rest(engine: AsyncEngine) -> None:
    stream = engine.generate("law", TASK, SamplingParams(max_tokens=30, ignore_eos=True))
    running = [await anext(stream)]
    draining = asyncio.create_task(engine.drain())
    await asyncio.sleep(0)

    with pytest.raises(EngineClosed, match="ask another one"):
        await collect(engine, "law", SamplingParams())
    assert not draining.done()
    running += [event async for event in stream]
    await draining

    assert running[-1].finish_reason == "length"
    assert engine.num_sequences == 0


async def test_too_many_sequences_are_refused_as_busy(model_directory: Path, tmp_path: Path) -> None:
    engine = await AsyncEngine.start(engine_config(model_directory, tmp_path / "experts", max_sequences=1))
    stream = engine.generate(
        "general", TASK, SamplingParams(max_tokens=100, grammar=Grammar(kind="regex", value="[ab]{99}"))
    )
    await anext(stream)
    with pytest.raises(EngineBusy, match="retry"):
        await collect(engine, "general", SamplingParams())
    await stream.aclose()  # pyright: ignore[reportAttributeAccessIssue]
    await engine.close()


async def test_closing_ends_what_runs_and_refuses_what_comes(model_directory: Path, tmp_path: Path) -> None:
    engine = await AsyncEngine.start(engine_config(model_directory, tmp_path / "experts"))
    stream = engine.generate(
        "general", TASK, SamplingParams(max_tokens=150, grammar=Grammar(kind="regex", value="[ab]{149}"))
    )
    await anext(stream)
    await engine.close()

    with pytest.raises(EngineClosed, match="before the answer was complete"):
        _ = [event async for event in stream]
    with pytest.raises(EngineClosed):
        await collect(engine, "general", SamplingParams())
