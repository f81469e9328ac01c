"""What a run has found is there for the next one, for a time, and no trouble with it is a run's trouble."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from redis.asyncio import Redis

from graphs.events import StepResult, StepStarted
from orchestrator.keys import Keys
from orchestrator.redis_connection import redis_connection
from orchestrator.run import Run, RunStatus
from orchestrator.service import Service
from orchestrator.settings import Settings, read_settings
from orchestrator.step_cache import MAX_ENTRY_BYTES, RedisStepCache
from tests.orchestrator.redis_troubles import troubled_server
from tests.orchestrator.scripted_experts import A_STEP_THAT_FAILS, TWO_STEPS, ScriptedExperts, open_scripted_experts

pytestmark = pytest.mark.usefixtures("server")

KEYS = Keys("default")
RESULT = StepResult(id=3, status="success", result="48 Bäume", token_ids=(4, 8), warnings=("the expert was unsure",))


def cache_of(redis: Redis, keys: Keys = KEYS, **changes: object) -> RedisStepCache:
    cache = RedisStepCache.of(read_settings(**{"step_cache_seconds": 60, **changes}), redis, keys)
    assert cache is not None
    return cache


async def cached(redis: Redis) -> Sequence[str]:
    return [str(key) for key in await redis.keys() if ":step_cache:" in str(key)]


async def test_without_a_time_there_is_no_cache(redis: Redis, settings: Settings) -> None:
    assert RedisStepCache.of(settings, redis, KEYS) is None


async def test_a_result_is_found_under_its_key_until_its_time_is_over(redis: Redis) -> None:
    cache = cache_of(redis)
    assert await cache.load("k") is None
    await cache.keep("k", RESULT)
    assert await cache.load("k") == RESULT
    assert await cache.load("another") is None
    (key,) = await cached(redis)
    assert 0 < await redis.ttl(key) <= 60


async def test_an_entry_lives_no_longer_than_a_finished_run(redis: Redis) -> None:
    await cache_of(redis, run_ttl_seconds=30).keep("k", RESULT)
    (key,) = await cached(redis)
    assert 0 < await redis.ttl(key) <= 30


async def test_another_tenant_and_other_weights_find_nothing(redis: Redis) -> None:
    await cache_of(redis).keep("k", RESULT)
    others = [
        cache_of(redis, Keys("other")),
        cache_of(redis, decode_weights="int4"),
        cache_of(redis, expert_form="compact"),
    ]
    assert [await cache.load("k") for cache in others] == [None, None, None]


async def test_a_long_result_is_not_kept(redis: Redis) -> None:
    cache, long = cache_of(redis), RESULT.model_copy(update={"result": "ä" * (MAX_ENTRY_BYTES // 2)})
    await cache.keep("k", long)
    assert await cached(redis) == []


async def test_a_damaged_entry_is_none_and_the_next_result_takes_its_place(redis: Redis) -> None:
    cache = cache_of(redis)
    await cache.keep("k", RESULT)
    (key,) = await cached(redis)
    await redis.set(key, "{", ex=60)
    assert await cache.load("k") is None
    await cache.keep("k", RESULT)
    assert await cache.load("k") == RESULT


async def test_a_redis_that_fails_is_told_in_the_log_and_nowhere_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with troubled_server(tmp_path) as server:
        monkeypatch.setenv("REDIS_URL", f"unix://{server.socket}")
        async with redis_connection(read_settings()) as redis:
            cache = cache_of(redis)
            server.stop()
            await cache.keep("k", RESULT)
            assert await cache.load("k") is None
    assert [record.levelname for record in caplog.records if record.name == "orchestrator.step_cache"] == 2 * [
        "WARNING"
    ]


async def ran(service: Service, plan: object = TWO_STEPS) -> Run:
    run = await service.submit("how many patients?", plan)
    await service.wait(run.id)
    return await service.runs.get(run.id)


def experts_of(service: Service) -> ScriptedExperts:
    assert isinstance(service.experts, ScriptedExperts)
    return service.experts


async def test_a_second_run_takes_its_steps_from_the_first(redis: Redis, settings: Settings) -> None:
    own = settings.model_copy(update={"step_cache_seconds": 60})
    async with Service.open(own, open_scripted_experts) as service:
        first, second = await ran(service), await ran(service)
        assert second.status is RunStatus.SUCCESS
        assert [result.is_cached for result in first.steps.values()] == [False, False]
        assert {k: (one.result, one.is_cached, one.num_prompt_tokens) for k, one in second.steps.items()} == {
            1: ("48", True, 0),
            2: ("48 patients", True, 0),
        }
        assert experts_of(service).num_asked == 2 + 2, "of the second run the answer alone"
        assert second.usage.num_prompt_tokens < first.usage.num_prompt_tokens
        events = [entry.event for entry in await service.traces.read(second.id)]
        assert not [event for event in events if isinstance(event, StepStarted)]
        memo = await redis.hgetall(KEYS.memo(second.id))
        kept = [json.loads(value) for field, value in memo.items() if str(field).startswith("1.")]
        assert [one["is_cached"] for one in kept] == [True, True], "another worker goes on without the cache"


async def test_a_pushed_version_is_asked(redis: Redis, settings: Settings, tmp_path: Path) -> None:
    own = settings.model_copy(update={"step_cache_seconds": 60})
    plan = [{"id": 1, "text": "say yes", "expert": "law"}]
    async with Service.open(own, open_scripted_experts) as service:
        await service.experts.push(tmp_path / "law")
        runs = [await ran(service, plan), await ran(service, plan)]
        await service.experts.rollback("law", "p2")
        runs.append(await ran(service, plan))
        assert [run.steps[1].is_cached for run in runs] == [False, True, False]


async def test_what_failed_is_tried_again(redis: Redis, settings: Settings) -> None:
    own = settings.model_copy(update={"step_cache_seconds": 60})
    async with Service.open(own, open_scripted_experts) as service:
        for _ in range(2):
            assert (await ran(service, A_STEP_THAT_FAILS)).status is RunStatus.ERROR
        assert experts_of(service).num_asked == 2
    assert await cached(redis) == []


async def test_it_is_off_by_default(redis: Redis, service: Service, experts: ScriptedExperts) -> None:
    for _ in range(2):
        run = await ran(service)
        assert not any(result.is_cached for result in run.steps.values())
    assert (experts.num_asked, await cached(redis)) == (6, [])
