"""A trace does not grow without bound: text is left out in marked places, and everything else is kept."""

import asyncio

import pytest
from redis.asyncio import Redis

from graphs.events import Answered, Planned, StepFinished, StepResult, StepToken
from graphs.plan import Plan, Step
from orchestrator.events import RunFinished, TraceCut, TraceEntry
from orchestrator.keys import Keys
from orchestrator.recorder import Recorder
from orchestrator.retention import TraceLimits
from orchestrator.run import Run, RunStatus
from orchestrator.run_store import RunStore
from orchestrator.trace_store import TraceStore
from tests.orchestrator.conditions import until
from tests.orchestrator.records import a_run, claimed, kept

pytestmark = pytest.mark.usefixtures("server")

LIMIT = 10
PLAN = Plan(steps=(Step(id=1, text="a", expert="x"), Step(id=2, text="b", expert="x")))


@pytest.fixture
def runs(redis: Redis) -> RunStore:
    return RunStore(redis, Keys("default"), 3600, TraceLimits(max_entries=LIMIT, seconds=60))


@pytest.fixture
async def run(runs: RunStore) -> Run:
    return await kept(runs, a_run())


async def written(recorder: Recorder, step: int, num_events: int) -> None:
    """Events of text that are not grouped: each is let into the trace before the next comes."""
    for k in range(num_events):
        await recorder.emit(StepToken(step=step, text=f"{k % 10}"))
        await recorder.close()


async def test_text_is_left_out_and_all_else_is_kept(runs: RunStore, traces: TraceStore, run: Run) -> None:
    recorder = Recorder(await claimed(runs, run))
    await recorder.begin()
    await recorder.emit(Planned(plan=PLAN))
    async with asyncio.timeout(20):
        for step in (1, 2):
            for _ in range(3):
                for k in range(LIMIT):
                    await recorder.emit(StepToken(step=step, text=f"{k}"))
                await recorder.close()
            await written(recorder, step, LIMIT)
            await recorder.emit(StepFinished(result=StepResult(id=step, status="success")))
        await recorder.emit(Answered(answer="48", source="joiner"))
    events = [entry.event for entry in await traces.read(run.id)]
    kinds = [event.type for event in events]
    assert [kind for kind in kinds if kind not in ("step_token", "trace_cut")] == [
        "run_started", "planned", "step_finished", "step_finished", "answered",
    ]  # fmt: skip
    assert kinds.index("trace_cut") == LIMIT
    assert kinds.count("step_token") == LIMIT - 2
    text = "".join(event.text for event in events if isinstance(event, StepToken))
    cuts = [event for event in events if isinstance(event, TraceCut)]
    assert len(text) + sum(cut.num_chars for cut in cuts) == 2 * 4 * LIMIT
    assert {cut.max_entries for cut in cuts} == {LIMIT}


async def test_one_event_stands_for_a_gap_while_it_grows(runs: RunStore, traces: TraceStore, run: Run) -> None:
    recorder = Recorder(await claimed(runs, run))
    await written(recorder, 1, LIMIT)
    seen: list[TraceEntry] = []

    async def follow() -> None:
        async for entry in traces.follow(run.id):
            seen.append(entry)

    following = asyncio.create_task(follow())
    num_emitted = 0

    async def is_told_twice() -> bool:
        nonlocal num_emitted
        await recorder.emit(StepToken(step=1, text="ab"))
        num_emitted += 1
        return sum(isinstance(entry.event, TraceCut) for entry in seen) > 1

    await until(is_told_twice, "followers hear of a gap while it grows")
    await recorder.emit(StepFinished(result=StepResult(id=1, status="success")))
    following.cancel()
    *before, cut, last = [entry.event for entry in await traces.read(run.id)]
    assert len(before) == LIMIT
    assert isinstance(cut, TraceCut)
    assert cut.num_chars == 2 * num_emitted
    assert last.type == "step_finished"


async def test_a_worker_that_takes_over_finds_the_trace_as_long_as_it_is(
    runs: RunStore, traces: TraceStore, run: Run
) -> None:
    await written(Recorder(await claimed(runs, run)), 1, LIMIT)
    second = Recorder(await claimed(runs, run, "w2"))
    await second.begin()
    await second.emit(StepToken(step=1, text="a"))
    await second.close()
    assert [entry.event.type for entry in await traces.read(run.id)][LIMIT:] == ["run_started", "trace_cut"]


async def test_a_trace_may_leave_before_its_record(runs: RunStore, redis: Redis, run: Run) -> None:
    claim = await claimed(runs, run)
    await Recorder(claim).begin()
    await claim.finish(RunFinished(run_id=run.id, status=RunStatus.SUCCESS))
    assert 0 < await redis.ttl(runs.keys.events(run.id)) <= 60 < await redis.ttl(runs.keys.run(run.id))
