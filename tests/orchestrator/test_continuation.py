"""A run that did not succeed goes on as a new one; an ended one is forked from a step on."""

import asyncio
from typing import Any

import pytest

from graphs.errors import InvalidPlan
from graphs.events import Planned, StepPlanned, StepResult, StepToken
from graphs.plan import Plan
from orchestrator.continuation import Continuation, Memo, forked, resumed
from orchestrator.errors import RunNotResumableError, RunRefusedError
from orchestrator.run import Run, RunStatus
from orchestrator.service import Service
from tests.orchestrator.records import a_run
from tests.orchestrator.scripted_experts import TWO_STEPS, ScriptedExperts

PLAN = Plan.model_validate(
    {
        "steps": [
            {"id": 1, "text": "say 48", "expert": "math"},
            {"id": 2, "text": "say 7", "expert": "math"},
            {"id": 3, "text": "say #1 patients", "expert": "general"},
            {"id": 4, "text": "say #3 and #2", "expert": "general"},
        ]
    }
)


def a_memo(*failed: int) -> dict[str, str]:
    results = [StepResult(id=k, status="error" if k in failed else "success", result=str(k)) for k in (1, 2, 3, 4)]
    return {"plan": Planned(plan=PLAN).model_dump_json()} | {
        f"1.{result.id}.0.0:ab": result.model_dump_json() for result in results
    }


def ended(status: RunStatus = RunStatus.ERROR) -> Run:
    return a_run(status=status, plan=PLAN)


def steps_of(memo: Memo) -> set[str]:
    return {field.split(".")[1] for field in memo if field != "plan"}


def test_what_succeeded_is_kept_and_what_failed_is_not() -> None:
    continuation = resumed(ended(), a_memo(3, 4))
    assert continuation.plan == PLAN
    assert steps_of(continuation.memo) == {"1", "2"}
    assert continuation.memo["plan"] == a_memo()["plan"]


def test_what_was_written_of_a_plan_is_kept_for_a_run_that_goes_on_and_not_for_a_fork() -> None:
    draft = {"draft:1.1.1:": StepPlanned(step=PLAN.steps[0], draft=1).model_dump_json()}
    unplanned = a_run(status=RunStatus.CANCELLED)
    assert resumed(unplanned, draft) == Continuation(None, draft)
    fork = forked(ended(), a_memo() | draft, 1, {})
    assert not draft.keys() & fork.memo.keys() and "plan" in fork.memo


@pytest.mark.parametrize("status", [RunStatus.PENDING, RunStatus.RUNNING, RunStatus.SUCCESS])
def test_a_run_that_goes_on_or_has_succeeded_is_not_resumed(status: RunStatus) -> None:
    with pytest.raises(RunNotResumableError, match=status.value):
        resumed(ended(status), a_memo())


@pytest.mark.parametrize(("step", "kept"), [(1, {"2"}), (2, {"1", "3"}), (3, {"1", "2"}), (4, {"1", "2", "3"})])
def test_a_fork_drops_the_step_and_all_that_need_it(step: int, kept: set[str]) -> None:
    assert steps_of(forked(ended(RunStatus.SUCCESS), a_memo(), step, {}).memo) == kept


def test_a_fork_takes_another_text_and_expert() -> None:
    continuation = forked(ended(), a_memo(), 3, {"text": "say #2 doctors", "expert": "math"})
    assert continuation.plan is not None
    step = continuation.plan.steps[2]
    assert (step.text, step.expert, step.depends_on) == ("say #2 doctors", "math", (2,))
    assert Planned.model_validate_json(continuation.memo["plan"]).plan == continuation.plan


def test_a_step_whose_result_is_set_is_kept_with_it() -> None:
    memo = forked(ended(), a_memo(1), 1, {"result": "50"}).memo
    assert steps_of(memo) == {"1", "2"}
    assert StepResult.model_validate_json(memo["1.1.0.0:*"]) == StepResult(id=1, status="success", result="50")


@pytest.mark.parametrize(
    ("step", "edits", "reason"),
    [
        (5, {}, "steps 1 to 4, no step 5"),
        (1, {"answer": "50"}, "answer of a step cannot be set"),
        (1, {"result": "50", "text": "say 50"}, "is not run"),
    ],
)
def test_what_cannot_be_forked_is_refused(step: int, edits: dict[str, str], reason: str) -> None:
    with pytest.raises(RunRefusedError, match=reason):
        forked(ended(), a_memo(), step, edits)


STEPS: list[dict[str, Any]] = [
    {"id": 1, "text": "say 48", "expert": "math"},
    {"id": 2, "text": "wait", "expert": "general", "depends_on": [1]},
]


async def test_a_cancelled_run_is_resumed_without_doing_its_finished_steps(
    service: Service, experts: ScriptedExperts
) -> None:
    run = await service.submit("a task", STEPS)
    async with asyncio.timeout(20):
        async for entry in service.events(run.id):
            if isinstance(entry.event, StepToken) and entry.event.step == 2:
                break
    assert (await service.cancel(run.id)).status is RunStatus.CANCELLED
    experts.released.set()
    num_asked = experts.num_asked
    again = await service.wait((await service.resume(run.id)).id)
    assert (again.status, again.resumed_from, again.id != run.id) == (RunStatus.SUCCESS, run.id, True)
    assert {k: result.result for k, result in again.steps.items()} == {1: "48", 2: "waiting wait"}
    assert experts.num_asked == num_asked + 2  # step 2 and the answer
    with pytest.raises(RunNotResumableError):
        await service.resume(again.id)


async def test_a_fork_does_again_what_needs_the_step(service: Service, experts: ScriptedExperts) -> None:
    steps = [*STEPS[:1], {"id": 2, "text": "say 7", "expert": "math"}, {"id": 3, "text": "say #1", "expert": "general"}]
    run = await service.wait((await service.submit("a task", steps)).id)
    num_asked = experts.num_asked
    fork = await service.wait((await service.fork(run.id, 1, {"result": "50"})).id)
    assert {k: result.result for k, result in fork.steps.items()} == {1: "50", 2: "7", 3: "50"}
    assert experts.num_asked == num_asked + 2  # step 3 and the answer
    assert (await service.runs.get(run.id)) == run


LOOP = {
    "name": "loop",
    "steps": {
        "first": {"tool": "calculator", "arguments": {"expression": "1 / 0"}},
        "each": {"for_each": ["say 1", "fail", "say 3"], "expert": "general", "prompt": "{{ item }}"},
        "sum": {"expert": "general", "prompt": "say {% for one in steps.each.result %}<{{ one }}>{% endfor %}"},
        "last": {"expert": "general", "prompt": "say {{ steps.first.result }}"},
    },
    "output": "{{ steps.sum.result }}",
}


@pytest.mark.parametrize(
    ("said", "seen", "answer"),
    [("50", "50", "<50>"), ('["4", "5", 6]', "4\n5\n6", "<4><5><6>"), ('"50', '"50', '<"50>')],
)
async def test_the_result_of_a_loop_some_items_of_which_failed_can_be_set(
    service: Service, experts: ScriptedExperts, said: str, seen: str, answer: str
) -> None:
    """What templates see is a list as before: the elements of a JSON list, or the text as its one element."""
    run = await service.wait((await service.submit_workflow(LOOP, {})).id)
    assert run.steps[2].status == "error" and "1 of 3 items failed" in (run.steps[2].error or "")
    num_asked = experts.num_asked
    fork = await service.wait((await service.fork(run.id, 2, {"result": said})).id)
    assert (fork.steps[2].status, fork.steps[2].result, fork.answer) == ("success", seen, answer)
    assert experts.num_asked == num_asked + 1, "only what needs the loop is asked"


async def test_the_result_of_a_step_that_was_not_run_can_be_set(service: Service) -> None:
    """What it needs has failed, and is done again; whatever comes of that, the step has its result."""
    run = await service.wait((await service.submit_workflow(LOOP, {})).id)
    assert (run.steps[1].status, run.steps[4].status) == ("error", "skipped")
    fork = await service.wait((await service.fork(run.id, 4, {"result": "7"})).id)
    assert (fork.steps[1].status, fork.steps[4].status, fork.steps[4].result) == ("error", "success", "7")


async def test_a_fork_with_a_faulty_step_is_refused(service: Service) -> None:
    run = await service.wait((await service.submit("a task", TWO_STEPS)).id)
    for edits in ({"expert": "nobody"}, {"text": "#2"}, {"text": " "}):
        with pytest.raises(InvalidPlan):
            await service.fork(run.id, 2, edits)
    assert [kept.id for kept in await service.runs.newest()] == [run.id]
