"""What `ccoe bench runs` measures is what really happened."""

import json

import pytest
from redis.asyncio import Redis

from orchestrator.benchmark.event_throughput import event_throughput
from orchestrator.benchmark.http_throughput import http_throughput
from orchestrator.benchmark.queue_throughput import NUM_STEPS, STEP_SECONDS, QueueThroughput, queue_throughput
from orchestrator.settings import Settings
from tests.orchestrator.processes import ccoe


async def test_events_are_counted_where_they_arrive(redis: Redis) -> None:
    found = await event_throughput(redis, "default", 4000, 50)
    assert found.tokens_per_second > found.entries_per_second > 0
    assert found.results_per_second > 0
    await redis.flushall()  # its runs have no end


async def test_runs_over_http_are_followed_to_their_end(redis: Redis, settings: Settings) -> None:
    found = await http_throughput(settings, num_alone=2, num_at_once=3)
    assert found.num_at_once == 3
    assert found.milliseconds_alone > 0 < found.steps_per_second


async def test_each_run_is_executed_exactly_once(redis: Redis, settings: Settings) -> None:
    found = await queue_throughput(redis, settings, 2, 20)
    # on a machine that is busy for seconds, a lease may be lost and its run taken again
    assert found.is_right or found.num_claimed_again
    assert (found.num_workers, found.num_runs, found.num_successes) == (2, 20, 20)
    assert found.seconds > NUM_STEPS * STEP_SECONDS


@pytest.mark.parametrize("wrong", [{"num_successes": 1}, {"num_claimed_again": 1}, {"num_done_again": 1}])
def test_what_is_not_exactly_once_is_not_right(wrong: dict[str, int]) -> None:
    counted = {"num_successes": 2, "num_claimed_again": 0, "num_done_again": 0}
    assert QueueThroughput(1, 2, 1.0, 1.0, **counted).is_right
    assert not QueueThroughput(1, 2, 1.0, 1.0, **{**counted, **wrong}).is_right


@pytest.mark.slow
async def test_the_command_prints_one_document() -> None:
    code, output, errors = await ccoe("bench", "runs", "--runs", "4", "--events", "1000", "--json")
    document = json.loads(output)
    assert (code, [queue["num_workers"] for queue in document["queue"]]) == (0, [1, 2]), errors
    assert all(queue["is_right"] for queue in document["queue"])
