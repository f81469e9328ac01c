"""What a run may spend, in a whole service."""

from graphs.budget import Budget
from orchestrator.events import RunFinished
from orchestrator.run import RunStatus
from orchestrator.service import Service
from orchestrator.settings import Settings
from tests.orchestrator.scripted_experts import A_STEP_THAT_WAITS, TWO_STEPS, open_scripted_experts
from tests.orchestrator.test_service import ended


async def test_a_run_that_spends_it_all_ends_with_what_is_done(service: Service) -> None:
    run, entries = await ended(service, await service.submit("how many?", TWO_STEPS, limits=Budget(steps=1)))
    assert run.status is RunStatus.BUDGET_EXHAUSTED
    assert run.error is not None and run.error.message == "the run's 1 steps are used up; allow it more"
    assert [result.status for result in run.steps.values()] == ["success", "skipped"]
    assert run.answer is not None and run.limits == Budget(steps=1)
    assert isinstance(entries[-1].event, RunFinished) and entries[-1].event.status is RunStatus.BUDGET_EXHAUSTED


async def test_seconds_end_a_step_that_is_running(service: Service) -> None:
    run, _ = await ended(service, await service.submit("a task", A_STEP_THAT_WAITS, limits=Budget(seconds=0.01)))
    assert (run.status, run.steps[1].status) == (RunStatus.BUDGET_EXHAUSTED, "skipped")


async def test_limits_of_a_run_only_lower_those_of_the_settings(settings: Settings) -> None:
    own = settings.model_copy(update={"limits": Budget(steps=1, tokens=500)})
    async with Service.open(own, open_scripted_experts) as service:
        run = await service.submit("a task", TWO_STEPS, limits=Budget(steps=9, tokens=50, seconds=5))
        assert run.limits == Budget(steps=1, tokens=50, seconds=5)
