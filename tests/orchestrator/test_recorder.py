"""The recorder keeps every event, in order, with the tokens in groups."""

import asyncio

import pytest

from graphs.events import Answered, AnswerWanted, Planned, StepFinished, StepResult, StepStarted, StepToken
from graphs.plan import Plan, Step
from orchestrator.errors import LeaseLostError, RunEndedError
from orchestrator.recorder import Recorder
from orchestrator.run import Run, Usage
from orchestrator.run_store import RunStore
from orchestrator.trace_store import TraceStore
from tests.orchestrator.conditions import until
from tests.orchestrator.records import a_run, claimed, kept

pytestmark = pytest.mark.usefixtures("server")

ANSWERED = Answered(answer="48", source="joiner")
STARTED = StepStarted(step=1, expert="x", version="1", text="a")
PLAN = Plan(steps=(Step(id=1, text="a", expert="x"), Step(id=2, text="b", expert="x")))


@pytest.fixture
async def run(runs: RunStore) -> Run:
    return await kept(runs, a_run())


@pytest.fixture
async def recorder(run: Run, runs: RunStore) -> Recorder:
    return Recorder(await claimed(runs, run))


async def test_tokens_are_grouped_by_step_and_nothing_is_lost(recorder: Recorder, traces: TraceStore, run: Run) -> None:
    for word in range(200):
        await recorder.emit(StepToken(step=1 + word % 2, text=f"{word} "))
    await recorder.close()
    tokens = [entry.event for entry in await traces.read(run.id) if isinstance(entry.event, StepToken)]
    assert len(tokens) < 50
    for step in (1, 2):
        written = "".join(token.text for token in tokens if token.step == step)
        assert written == "".join(f"{word} " for word in range(200) if 1 + word % 2 == step)


async def test_the_last_tokens_come_without_another_event(recorder: Recorder, traces: TraceStore, run: Run) -> None:
    await recorder.emit(StepToken(step=1, text="a"))

    async def is_written() -> bool:
        return len(await traces.read(run.id)) == 1

    await until(is_written, "the token is in the trace", seconds=2)


async def test_tokens_stand_before_what_follows_them(recorder: Recorder, traces: TraceStore, run: Run) -> None:
    await recorder.emit(StepToken(step=1, text="a"))
    await recorder.emit(StepFinished(result=StepResult(id=1, status="success")))
    await recorder.close()
    assert [entry.event.type for entry in await traces.read(run.id)] == ["step_token", "step_finished"]


async def test_the_start_of_a_step_is_written_with_what_follows(
    recorder: Recorder, traces: TraceStore, run: Run
) -> None:
    await recorder.emit(STARTED)
    assert await traces.read(run.id) == []
    await recorder.emit(StepToken(step=1, text="a"))
    await recorder.emit(StepFinished(result=StepResult(id=1, status="error")))
    written = [entry.event.type for entry in await traces.read(run.id)]
    assert written == ["step_started", "step_token", "step_finished"]


async def test_the_start_of_a_step_that_takes_its_time_is_written_soon(
    recorder: Recorder, traces: TraceStore, run: Run
) -> None:
    await recorder.emit(STARTED)

    async def is_written() -> bool:
        return len(await traces.read(run.id)) == 1

    await until(is_written, "the start is in the trace", seconds=2)


async def test_a_result_is_written_with_what_follows_or_soon(
    recorder: Recorder, runs: RunStore, traces: TraceStore, run: Run
) -> None:
    """It is in the memo already; what failed is not, and is written at once."""
    succeeded = StepResult(id=1, status="success", result="48")
    await recorder.emit(StepFinished(result=succeeded))
    assert await traces.read(run.id) == []

    async def is_written() -> bool:
        return len(await traces.read(run.id)) == 1

    await until(is_written, "the result is in the trace", seconds=2)
    failed = StepResult(id=2, status="error", error="why")
    await recorder.emit(StepFinished(result=failed))
    assert (await runs.get(run.id)).steps == {1: succeeded, 2: failed}


async def test_an_event_that_is_there_already_holds_nothing_back(runs: RunStore, traces: TraceStore, run: Run) -> None:
    known = StepFinished(result=StepResult(id=1, status="success"))
    first = Recorder(await claimed(runs, run))
    await first.emit(known)
    await first.close()
    recorder = Recorder(await claimed(runs, run, "w2"))
    await recorder.emit(STARTED)
    await recorder.emit(known)
    await recorder.close()
    assert [entry.event.type for entry in await traces.read(run.id)] == ["step_finished", "step_started"]


async def test_concurrent_steps_lose_nothing(recorder: Recorder, traces: TraceStore, run: Run) -> None:
    results = [StepResult(id=k, status="success") for k in range(1, 40)]
    await asyncio.gather(*(recorder.emit(StepFinished(result=result)) for result in results))
    await recorder.close()
    results_kept = [entry.event.result for entry in await traces.read(run.id) if isinstance(entry.event, StepFinished)]
    assert sorted(result.id for result in results_kept) == [result.id for result in results]


async def test_record_usage_and_times_follow_the_events(recorder: Recorder, runs: RunStore, run: Run) -> None:
    result = StepResult(id=1, status="success", result="48", num_prompt_tokens=5, num_output_tokens=2, seconds=0.5)
    await recorder.emit(Planned(plan=PLAN, num_prompt_tokens=7, num_output_tokens=20, seconds=1.5))
    await recorder.emit(StepFinished(result=result))
    await recorder.emit(Answered(answer="48", source="joiner", num_output_tokens=3, seconds=0.25))
    record = await runs.get(run.id)
    assert (record.plan, record.steps, record.answer) == (PLAN, {1: result}, "48")
    assert recorder.usage == Usage(num_prompt_tokens=12, num_output_tokens=25)
    timings = recorder.timings
    assert (timings.plan, timings.steps, timings.answer) == (1.5, {1: 0.5}, 0.25)
    assert timings.total > 0


async def test_a_run_that_was_ended_elsewhere_is_stopped(recorder: Recorder, runs: RunStore, run: Run) -> None:
    await runs.cancel(run.id, "no longer needed")
    await recorder.emit(StepFinished(result=StepResult(id=1, status="success")))
    with pytest.raises(RunEndedError):
        await recorder.close()


async def test_tokens_too_stop_a_run_that_was_ended(recorder: Recorder, runs: RunStore, run: Run) -> None:
    await runs.cancel(run.id, "no longer needed")

    async def is_refused() -> bool:
        try:
            await recorder.emit(StepToken(step=1, text="a"))
        except RunEndedError:
            return True
        return False

    await until(is_refused, "a failed write reaches the one who emits", seconds=5)


async def test_a_late_writer_is_refused(recorder: Recorder, runs: RunStore, traces: TraceStore, run: Run) -> None:
    await recorder.begin()
    await claimed(runs, run, "w2")
    for event in (Planned(plan=PLAN), StepFinished(result=StepResult(id=1, status="error")), ANSWERED):
        with pytest.raises(LeaseLostError, match="claim 1"):
            await recorder.emit(event)
    record = await runs.get(run.id)
    assert (record.plan, record.steps, record.answer) == (None, {}, None)
    assert len(await traces.read(run.id)) == 1


async def test_what_an_earlier_worker_wrote_counts_and_is_not_written_again(
    recorder: Recorder, runs: RunStore, traces: TraceStore, run: Run
) -> None:
    events = [
        Planned(plan=PLAN, num_prompt_tokens=7, seconds=1.5),
        StepFinished(result=StepResult(id=1, status="success", num_prompt_tokens=5, seconds=0.5)),
    ]
    for event in events:
        await recorder.emit(event)
    await recorder.close()
    claim = await claimed(runs, run, "w2")
    assert claim.planned == events[0]
    second = Recorder(claim)
    await second.begin()
    for event in (*events, StepFinished(result=StepResult(id=2, status="success", num_prompt_tokens=1))):
        await second.emit(event)
    await second.close()
    assert [entry.event.type for entry in await traces.read(run.id)] == [
        "planned",
        "step_finished",
        "run_started",
        "step_finished",
    ]
    assert second.usage.num_prompt_tokens == 13
    assert (second.timings.plan, second.timings.steps[1]) == (1.5, 0.5)


async def test_a_question_is_asked_once_unless_it_is_another(
    recorder: Recorder, runs: RunStore, traces: TraceStore, run: Run
) -> None:
    wanted = AnswerWanted(step=2, digest="d1", text="Pay 48?")
    await recorder.emit(wanted)
    second = Recorder(await claimed(runs, run, "w2"))
    await second.emit(wanted)
    record = await runs.get(run.id)
    assert [question.wanted for question in record.open_questions.values()] == [wanted]
    assert len(await traces.read(run.id)) == 1
    other = AnswerWanted(step=2, digest="d2", text="Pay 50?")
    await second.emit(other)
    assert (await runs.get(run.id)).questions[2].wanted == other
