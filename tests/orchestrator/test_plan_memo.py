"""What was written of a plan is committed step by step, and found by whoever takes the run over."""

import pytest

from graphs.events import Drafted, GraphEvent, PlanToken, StepPlanned
from graphs.plan import Step
from orchestrator.errors import LeaseLostError
from orchestrator.plan_memo import RedisPlanMemo, draft_field
from orchestrator.recorder import Recorder
from orchestrator.run import Run
from orchestrator.run_store import RunStore
from orchestrator.trace_store import TraceStore
from tests.orchestrator.records import a_run, claimed, kept

pytestmark = pytest.mark.usefixtures("server")


def planned(k: int, draft: int = 1, **fields: object) -> StepPlanned:
    step = Step(id=k, text=f"step {k}", expert="math", scores={"math": 0.1 + 0.2, "law": 0.7})
    return StepPlanned.model_validate({"step": step, "draft": draft, "num_output_tokens": 9 * k, **fields})


DROPPED = Drafted(draft=1, warnings=("the plan leaves out 3",))
WRITTEN = [*(planned(k) for k in range(1, 12)), DROPPED, planned(1, 2)]
ANOTHER_ROUND = [planned(1, 2, round=2, behind="ab"), planned(1, 2, round=2, behind="cd")]


@pytest.fixture
async def run(runs: RunStore) -> Run:
    return await kept(runs, a_run())


async def test_what_was_written_is_found_in_its_order_by_the_next_worker(runs: RunStore, run: Run) -> None:
    first = Recorder(await claimed(runs, run))
    for event in (*WRITTEN, *ANOTHER_ROUND):
        await first.emit(event)
    memo = RedisPlanMemo(await claimed(runs, run, "w2"))
    assert await memo.drafts(1, "") == WRITTEN
    assert await memo.drafts(2, "cd") == ANOTHER_ROUND[1:]
    assert await memo.drafts(3, "") == []


async def test_it_is_in_the_trace_once_though_it_is_told_again(runs: RunStore, traces: TraceStore, run: Run) -> None:
    await Recorder(await claimed(runs, run)).emit(WRITTEN[0])
    claim = await claimed(runs, run, "w2")
    recorder, following = Recorder(claim), planned(2)
    for event in (*await RedisPlanMemo(claim).drafts(1, ""), following):
        await recorder.emit(event)
    assert [entry.event for entry in await traces.read(run.id)] == [WRITTEN[0], following]


async def test_it_is_in_the_memo_if_and_only_if_it_is_in_the_trace(
    runs: RunStore, traces: TraceStore, run: Run
) -> None:
    recorder = Recorder(await claimed(runs, run))
    events: list[GraphEvent] = [PlanToken(text="[{"), WRITTEN[0]]
    for event in events:
        await recorder.emit(event)
    assert [entry.event for entry in await traces.read(run.id)] == events
    assert set(await runs.memo(run.id)) == {draft_field(planned(1))} == {"draft:1.1.1:"}


async def test_a_late_one_is_refused(runs: RunStore, run: Run) -> None:
    late = Recorder(await claimed(runs, run))
    memo = RedisPlanMemo(await claimed(runs, run, "w2"))
    with pytest.raises(LeaseLostError):
        await late.emit(WRITTEN[0])
    assert await memo.drafts(1, "") == []
