"""Threads in Redis: they live as long as they are used, and never expire while a run of theirs is open."""

from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from graphs.events import Answered, StepFinished, StepResult
from graphs.plan import Plan, Step
from orchestrator.claimed_run import ClaimedRun
from orchestrator.errors import RunNotFoundError
from orchestrator.events import RunFinished
from orchestrator.keys import Keys
from orchestrator.run import IfBusy, Run, RunStatus
from orchestrator.run_store import RunStore
from orchestrator.thread import NUM_PINNED_TURNS, ThreadStatus
from orchestrator.thread_errors import ThreadBusyError, ThreadExistsError, ThreadNotFoundError, ThreadRefusedError
from orchestrator.thread_store import ThreadStore
from tests.orchestrator.records import a_run, claimed, kept

pytestmark = pytest.mark.usefixtures("server")

KEYS = Keys("default")


async def entered(threads: ThreadStore, runs: RunStore, thread_id: str, task: str = "how many?") -> Run:
    """An open run of the thread."""
    run = await kept(runs, a_run(task, thread_id=thread_id))
    await threads.enter(run, IfBusy.ENQUEUE)
    await threads.keep(run)
    return run


async def answered(runs: RunStore, run: Run, answer: str, status: RunStatus = RunStatus.SUCCESS) -> ClaimedRun:
    """The run, ended with an answer."""
    claim = await claimed(runs, run)
    await claim.append_answer(Answered(answer=answer, source="joiner"))
    await claim.finish(RunFinished(run_id=run.id, status=status))
    return claim


async def test_a_thread_is_made_read_and_changed(threads: ThreadStore) -> None:
    made = await threads.create("shop-1", {"user": "ann", "tags": ["a", 1], "empty": {}}, owner="key-1")
    assert (made.id, made.tenant, made.owner, made.status) == ("shop-1", "default", "key-1", ThreadStatus.IDLE)
    changed = await threads.update("shop-1", {"user": None, "topic": "bikes"})
    assert changed.metadata == {"tags": ["a", 1], "empty": {}, "topic": "bikes"}
    assert changed.updated > made.updated and changed.created == made.created
    with pytest.raises(ThreadExistsError):
        await threads.create("shop-1")


async def test_a_thread_needs_a_usable_id_and_bounded_metadata(threads: ThreadStore) -> None:
    for name in ("", ".", "a/b", "x" * 65, "{a}"):
        with pytest.raises(ThreadRefusedError, match="no id of a thread"):
            await threads.create(name)
    with pytest.raises(ThreadRefusedError, match="'notes' has more than"):
        await threads.create(metadata={"notes": "x" * 20_000})
    for missing in (threads.get("a"), threads.update("a", {}), threads.delete("a"), threads.runs("a", 5)):
        with pytest.raises(ThreadNotFoundError):
            await missing
    assert await threads.newest() == []


async def test_the_thread_that_was_used_last_is_listed_first(threads: ThreadStore, redis: Redis) -> None:
    first, second = await threads.create(), await threads.create()
    assert [thread.id for thread in await threads.newest()] == [second.id, first.id]
    await threads.update(first.id, {"a": 1})
    assert [thread.id for thread in await threads.newest(1)] == [first.id]
    await redis.delete(*KEYS.of_conversation(first.id))
    assert [thread.id for thread in await threads.newest()] == [second.id]
    assert await redis.zrange(KEYS.threads, 0, -1) == [second.id]


async def test_all_keys_expire_together_once_no_run_is_open(threads: ThreadStore, runs: RunStore, redis: Redis) -> None:
    thread = await threads.create()
    one, two = await entered(threads, runs, thread.id), await entered(threads, runs, thread.id)
    assert (await threads.get(thread.id)).status is ThreadStatus.BUSY
    for run in (one, two):
        lives = [await redis.ttl(key) for key in KEYS.of_conversation(thread.id) if await redis.exists(key)]
        assert len(lives) > 2 and set(lives) == {-1}
        await answered(runs, run, "24")
        await threads.settle(run.id)
    existing = [key for key in KEYS.of_conversation(thread.id) if await redis.exists(key)]
    assert len(existing) == 3
    assert min([await redis.ttl(key) for key in existing]) > 0
    assert (await threads.get(thread.id)).status is ThreadStatus.IDLE


async def test_a_run_that_has_ended_is_a_turn_once(threads: ThreadStore, runs: RunStore) -> None:
    thread = await threads.create()
    run = await entered(threads, runs, thread.id, "What is 24 times 12?")
    await threads.settle(run.id)
    assert await threads.turns(thread.id, 10) == []  # it has not ended
    claim = await claimed(runs, run)
    plan = Plan(steps=(Step(id=1, text="What is 24 times 12?", expert="math"),))
    claim.hold_step(StepFinished(result=StepResult(id=1, status="success", result="288")))
    await claim.write_held()
    await claim._write(("HSET", 1, "plan", plan.model_dump_json()))  # pyright: ignore[reportPrivateUsage]
    await claim.append_answer(Answered(answer="It is 288.", source="joiner"))
    await claim.finish(RunFinished(run_id=run.id, status=RunStatus.SUCCESS))
    for _ in range(2):
        await threads.settle(run.id)
    [turn] = await threads.turns(thread.id, 10)
    assert (turn.run_id, turn.task, turn.answer, turn.result) == (run.id, run.task, "It is 288.", "288")
    found = await threads.get(thread.id)
    assert (found.num_turns, found.title) == (1, "What is 24 times 12?")
    assert [one.id for one in await threads.runs(thread.id, 10)] == [run.id]


@pytest.mark.parametrize("status", [RunStatus.ERROR, RunStatus.CANCELLED])
async def test_what_failed_is_no_turn(threads: ThreadStore, runs: RunStore, status: RunStatus) -> None:
    thread = await threads.create()
    run = await entered(threads, runs, thread.id)
    await answered(runs, run, "- how many? → not answered", status)
    await threads.settle(run.id)
    assert await threads.turns(thread.id, 10) == []
    assert (await threads.get(thread.id)).status is ThreadStatus.IDLE


async def test_turns_are_pinned_at_the_first_claim(threads: ThreadStore, runs: RunStore) -> None:
    """Whoever takes the run over sees the same, whatever was said meanwhile."""
    thread = await threads.create()
    await answered(runs, before := await entered(threads, runs, thread.id, "first"), "x" * 9_000)
    await threads.settle(before.id)
    run = await entered(threads, runs, thread.id, "second")
    pinned = await threads.pin(await claimed(runs, run))
    assert [turn.task for turn in pinned] == ["first"] and len(pinned[0].answer) == 4_000
    await answered(runs, late := await entered(threads, runs, thread.id, "third"), "b")
    await threads.settle(late.id)
    again = await claimed(runs, run, "w2")
    assert again.run.fence == 2
    assert await threads.pin(again) == pinned == again.run.turns
    await runs.cancel(run.id, "enough")
    await threads.settle(run.id)


async def test_a_run_sees_the_newest_turns(threads: ThreadStore, runs: RunStore) -> None:
    thread = await threads.create()
    for number in range(NUM_PINNED_TURNS + 2):
        await answered(runs, run := await entered(threads, runs, thread.id, f"task {number}"), "a")
        await threads.settle(run.id)
    last = await entered(threads, runs, thread.id)
    pinned = await threads.pin(await claimed(runs, last))
    assert [turn.task for turn in pinned] == [f"task {number}" for number in range(2, NUM_PINNED_TURNS + 2)]
    await runs.cancel(last.id, "enough")
    await threads.settle(last.id)


async def test_a_run_that_would_not_wait_is_refused_while_another_is_open(threads: ThreadStore, runs: RunStore) -> None:
    thread = await threads.create()
    run = await entered(threads, runs, thread.id)
    other = await kept(runs, a_run(thread_id=thread.id))
    with pytest.raises(ThreadBusyError):
        await threads.enter(other, IfBusy.REJECT)
    await runs.cancel(run.id, "enough")  # it is still in the queue, and leaves when its turn comes
    await threads.enter(other, IfBusy.REJECT)
    await threads.withdraw(other)
    await runs.cancel(other.id, "enough")
    assert [one.id for one in await threads.runs(thread.id, 10)] == [run.id]


async def test_whoever_dies_before_the_run_is_queued_leaves_the_thread_free(
    threads: ThreadStore, runs: RunStore, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = await threads.create()
    lost = a_run(thread_id=thread.id)
    await runs.create(lost)
    monkeypatch.setattr("orchestrator.thread_store._UNQUEUED_SECONDS", -1)
    await threads.enter(lost, IfBusy.ENQUEUE)
    assert await redis.ttl(KEYS.of_conversation(thread.id)[0]) > 0
    other = await kept(runs, a_run(thread_id=thread.id))
    await threads.enter(other, IfBusy.REJECT)
    await runs.cancel(other.id, "enough")
    await runs.drop(lost.id)
    await threads.settle(other.id)


async def test_a_thread_is_deleted_with_its_runs(threads: ThreadStore, runs: RunStore, redis: Redis) -> None:
    thread = await threads.create()
    await answered(runs, ended := await entered(threads, runs, thread.id), "24")
    await threads.settle(ended.id)
    opened = await entered(threads, runs, thread.id)
    claim = await claimed(runs, opened)
    await threads.delete(thread.id)
    for run in (ended, opened):
        with pytest.raises(RunNotFoundError):
            await runs.get(run.id)
    with pytest.raises(RunNotFoundError):
        await claim.check()
    with pytest.raises(ThreadNotFoundError):
        await threads.get(thread.id)
    await threads.settle(opened.id)  # its worker comes too late
    assert await threads.turns(thread.id, 10) == []
    assert not [key for key in await redis.keys() if thread.id in str(key)]


async def test_a_record_of_before_has_no_thread(runs: RunStore) -> None:
    run = await kept(runs, a_run())
    assert ((await runs.get(run.id)).thread_id, run.turns, run.created < datetime.now(UTC)) == (None, None, True)
    await runs.cancel(run.id, "enough")
