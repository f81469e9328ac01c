"""`ccoe doctor` and `ccoe gc` in the terminal."""

import json

from redis.asyncio import Redis

from orchestrator.keys import Keys
from orchestrator.run_store import RunStore
from tests.orchestrator.processes import ccoe
from tests.orchestrator.records import a_run, kept


async def test_what_is_wrong_is_told_repaired_and_removed(redis: Redis, runs: RunStore) -> None:
    run = await kept(runs, a_run())
    await redis.set("ccoe:stray", "1")
    code, output, _ = await ccoe("doctor")
    assert code == 1
    assert f"run {run.id} is pending in no queue" in output
    assert "remedy: ccoe doctor --fix" in output

    code, output, _ = await ccoe("doctor", "--fix", "--json")
    document = json.loads(output)
    assert code == 1
    assert [finding["subject"] for finding in document["repaired"]] == ["runs"]
    assert [finding["subject"] for finding in document["findings"]] == ["keys"]
    assert document["memory"]["run"]["num_keys"] == 1

    code, output, _ = await ccoe("gc")
    assert (code, "keys of no class" in output, "nothing was changed" in output) == (0, True, True)
    assert await redis.exists("ccoe:stray")
    code, output, _ = await ccoe("gc", "--yes", "--json")
    assert (code, json.loads(output)["found"][0]["names"]) == (0, ["ccoe:stray"])
    assert await ccoe("gc") == (0, "nothing is left behind\n", "")

    code, output, _ = await ccoe("doctor")
    assert (code, "nothing is wrong" in output) == (0, True)


async def test_the_cache_of_steps_is_weighed_and_emptied(redis: Redis) -> None:
    key = Keys("default").cached_step("a")
    await redis.set(key, "{}", ex=60)
    _, output, _ = await ccoe("doctor", "--json")
    assert json.loads(output)["memory"]["step_cache"]["num_keys"] == 1
    assert await ccoe("gc") == (0, "nothing is left behind\n", "")
    code, output, _ = await ccoe("gc", "--step-cache", "--yes", "--json")
    assert (code, json.loads(output)["found"][0]["names"]) == (0, [key])
    assert not await redis.exists(key)
