"""A run waits for a person, for as long as it takes and whoever dies meanwhile; the answer holds, once."""

import asyncio

import pytest
from redis.asyncio import Redis

from graphs.budget import Budget
from graphs.person import PersonAnswer
from orchestrator.answer_errors import AlreadyAnsweredError, AnswerRefusedError, NotAskedError
from orchestrator.answer_store import AnswerStore
from orchestrator.errors import RunEndedError, RunNotFoundError, RunNotResumableError, RunRefusedError
from orchestrator.run import Concurrency, Run, RunStatus, Scheduling
from orchestrator.run_store import RunStore
from orchestrator.service import Service
from orchestrator.settings import Settings
from tests.orchestrator.conditions import until
from tests.orchestrator.scripted_experts import A_STEP_FOR_A_PERSON as ASKING
from tests.orchestrator.scripted_experts import (
    A_STEP_THAT_WAITS,
    ScriptedExperts,
    open_scripted_experts,
)
from tests.orchestrator.waiting_runs import APPROVE, REJECT, asked, ended, num_entries, until_interrupted

pytestmark = pytest.mark.usefixtures("server")


async def kinds(service: Service, run: Run) -> list[str]:
    found = [entry.event.type for entry in await service.traces.read(run.id)]
    return [kind for kind in found if not kind.endswith("_token")]


async def test_a_run_waits_without_a_worker_or_a_time_to_live(service: Service, redis: Redis) -> None:
    run = await asked(service)
    assert (run.worker, run.attempts, run.answer, run.finished) == (None, 0, None, None)
    assert [question.wanted.text for question in run.open_questions.values()] == ["Pay 48?"]
    assert await kinds(service, run) == [
        *("run_started", "planned", "step_started", "step_finished", "answer_wanted", "run_interrupted")
    ]

    async def is_aside() -> bool:
        return await num_entries(redis, service.runs.keys) == (0, 1)

    await until(is_aside, "its entry is set aside")
    assert await redis.ttl(service.runs.keys.run(run.id)) == -1


async def test_with_the_answer_it_goes_on(service: Service, experts: ScriptedExperts, redis: Redis) -> None:
    run = await asked(service)
    await service.answers.answer(run.id, 2, PersonAnswer(decision="text", text=" fine "), "ana")
    run = await ended(service, run)
    assert run.status is RunStatus.SUCCESS
    assert [result.result for result in run.steps.values()] == ["48", "fine", "48 is fine"]
    assert (run.steps[2].answered_by, run.questions[2].given and run.questions[2].given.by) == ("ana", "ana")
    assert (run.fence, run.open_questions) == (2, {})
    assert experts.num_asked == 3, "step 1 and 3, and the joiner: what was done is not done again"
    assert (await kinds(service, run)).count("answer_wanted") == 1

    async def is_empty() -> bool:
        return await num_entries(redis, service.runs.keys) == (0, 0)

    await until(is_empty, "nothing is left in the queue")


async def test_of_answers_at_the_same_time_one_holds(service: Service, answers: AnswerStore) -> None:
    run = await asked(service)
    given = await asyncio.gather(
        *(answers.answer(run.id, 2, PersonAnswer(decision="text", text=f"{k}"), f"p{k}") for k in range(10)),
        return_exceptions=True,
    )
    [winner] = [k for k, one in enumerate(given) if isinstance(one, Run)]
    losers = [one for one in given if isinstance(one, AlreadyAnsweredError)]
    assert len(losers) == 9
    assert all(f"answered by p{winner}" in error.message for error in losers)
    assert (await ended(service, run)).steps[2].result == f"{winner}"


@pytest.mark.parametrize(
    ("policy", "status", "results"),
    [
        (None, RunStatus.ERROR, ["success", "error", "skipped"]),
        ({"on_failure": "default", "default": "nothing"}, RunStatus.SUCCESS, ["success", "success", "success"]),
        ({"on_failure": "fail"}, RunStatus.ERROR, ["success", "error", "skipped"]),
    ],
)
async def test_a_rejection_fails_the_step_as_its_policy_says(
    service: Service, policy: object, status: RunStatus, results: list[str]
) -> None:
    run = await asked(service, [ASKING[0], {**ASKING[1], "policy": policy}, ASKING[2]])
    await service.answers.answer(run.id, 2, REJECT, "ana")
    run = await ended(service, run)
    assert (run.status, [result.status for result in run.steps.values()]) == (status, results)
    reason = run.steps[2].error or run.steps[2].warnings[0]
    assert "rejected by ana: too dear" in reason
    if policy and status is RunStatus.ERROR:
        assert run.error is not None and "step 2 failed, and the run with it" in run.error.message


async def test_an_answer_is_heard_while_other_steps_run(service: Service, experts: ScriptedExperts) -> None:
    """Step 3 follows the answer at once, in the same attempt; step 4 takes longer."""
    run = await service.submit("a task", [*ASKING, {**A_STEP_THAT_WAITS[0], "id": 4}])

    async def is_asked() -> bool:
        return bool((await service.runs.get(run.id)).open_questions)

    async def is_behind() -> bool:
        return 3 in (await service.runs.get(run.id)).steps

    await until(is_asked, "the person is asked")
    assert (await service.answers.answer(run.id, 2, APPROVE, "ana")).status is RunStatus.RUNNING
    await until(is_behind, "step 3 is done")
    experts.released.set()
    last = await ended(service, run)
    assert (last.status, last.fence) == (RunStatus.SUCCESS, 1)


async def test_several_questions_are_answered_in_any_order(service: Service) -> None:
    plan = [
        *ASKING,
        {"id": 4, "text": "How many?", "expert": "person"},
        {"id": 5, "text": "say #3, #4 times", "expert": "math"},
    ]
    run = await asked(service, plan)
    assert list(run.open_questions) == [2, 4]
    await service.answers.answer(run.id, 4, PersonAnswer(decision="text", text="7"), "ana")

    async def is_back() -> bool:
        now = await service.runs.get(run.id)
        return now.status is RunStatus.INTERRUPTED and now.fence == 2

    await until(is_back, "the other question still waits")
    assert list((await service.runs.get(run.id)).open_questions) == [2]
    await service.answers.answer(run.id, 2, APPROVE, "ben")
    last = await ended(service, run)
    assert last.steps[5].result == "48 is approved, 7 times"
    assert (await kinds(service, run)).count("answer_wanted") == 2


async def test_a_run_waits_over_restarts_and_is_answered_while_no_service_runs(
    settings: Settings, answers: AnswerStore
) -> None:
    async with Service.open(settings, open_scripted_experts) as service:
        run = await asked(service)
    async with Service.open(settings, open_scripted_experts) as service:
        assert (await service.runs.get(run.id)).status is RunStatus.INTERRUPTED
    assert (await answers.answer(run.id, 2, APPROVE, "local")).status is RunStatus.PENDING
    async with Service.open(settings, open_scripted_experts) as service:
        last = await ended(service, run)
        assert (last.status, last.steps[3].result, last.worker) == (
            RunStatus.SUCCESS,
            "48 is approved",
            service.worker_id,
        )


async def test_what_cannot_be_answered(service: Service) -> None:
    question = {"choices": ["red", "blue"], "assignee": "ana", "note": "by Friday"}
    plan = [{**ASKING[1], "id": 1, "text": "Which?", "question": question}, {**ASKING[1], "text": "Pay #1?"}]
    run = await asked(service, plan)
    for answer in (APPROVE, PersonAnswer(decision="text", text="green")):
        with pytest.raises(AnswerRefusedError, match="there are: red, blue"):
            await service.answers.answer(run.id, 1, answer, "ana")
    for step in (2, 3):
        with pytest.raises(NotAskedError, match=f"step {step} of run"):
            await service.answers.answer(run.id, step, APPROVE, "ana")
    with pytest.raises(RunNotFoundError):
        await service.answers.answer("01a2", 1, APPROVE, "ana")
    with pytest.raises(RunNotResumableError):
        await service.fork(run.id, 1, {})
    await service.cancel(run.id)
    with pytest.raises(RunEndedError):
        await service.answers.answer(run.id, 1, PersonAnswer(decision="text", text="red"), "ana")


async def test_a_run_that_waits_is_cancelled_at_once(service: Service, runs: RunStore, redis: Redis) -> None:
    run, other = await asked(service), await asked(service)
    assert (await service.cancel(run.id)).status is RunStatus.CANCELLED
    assert (await service.runs.get(run.id)).open_questions == {}
    await runs.cancel(other.id, "by another process")  # its entry waits for a sweep

    async def is_left() -> bool:
        return await num_entries(redis, runs.keys) == (0, 1)

    await until(is_left, "the first one's entry is gone")


async def test_a_run_that_waits_keeps_nobody_waiting(service: Service) -> None:
    """Its place under the concurrency key is another's while it waits, and it queues for one when it goes on."""
    scheduling = Scheduling(concurrency=Concurrency(key="shop", limit=1))
    first = await asked(service, scheduling=scheduling)
    second = await asked(service, scheduling=scheduling)
    for run in (first, second):
        await service.answers.answer(run.id, 2, APPROVE, "ana")
    assert [(await ended(service, run)).status for run in (first, second)] == [RunStatus.SUCCESS] * 2


async def test_a_fork_and_a_resumed_run_keep_answers_as_other_results(service: Service) -> None:
    run = await asked(service, [*ASKING[:2], {**ASKING[2], "text": "say #2", "expert": "math"}])
    await service.answers.answer(run.id, 2, APPROVE, "ana")
    run = await ended(service, run)
    behind = await ended(service, await service.fork(run.id, 3, {"text": "say so: #2"}))
    assert (behind.steps[3].result, behind.questions) == ("so: approved", {})
    before = await until_interrupted(service.runs, await service.fork(run.id, 1, {"text": "say 50"}))
    assert [question.wanted.text for question in before.open_questions.values()] == ["Pay 50?"]
    await service.answers.answer(before.id, 2, REJECT, "ana")
    rejected = await ended(service, before)
    again = await until_interrupted(service.runs, await service.resume(rejected.id))
    assert list(again.open_questions) == [2], "what failed is done anew"
    await service.cancel(again.id)


async def test_a_run_with_tools_of_its_own_cannot_wait(settings: Settings) -> None:
    async with Service.open(settings, open_scripted_experts, is_private=True) as private:
        with pytest.raises(RunRefusedError, match="ends with this process"):
            await private.submit("a task", ASKING)
        workflow = {"name": "pay", "steps": {"ask": {"approval": "Pay 48?"}}}
        with pytest.raises(RunRefusedError, match="ends with this process"):
            await private.submit_workflow(workflow, {})


async def test_what_was_spent_is_kept_while_it_waits(service: Service) -> None:
    run = await asked(service, limits=Budget(steps=1))
    assert run.spent.steps == 1
    await service.answers.answer(run.id, 2, APPROVE, "ana")
    run = await ended(service, run)
    assert (run.status, run.steps[3].status) == (RunStatus.BUDGET_EXHAUSTED, "skipped")
