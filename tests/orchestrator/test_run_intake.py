"""What cannot become a run, or is another one than its key says, is refused when it is asked for."""

import pytest

from graphs.budget import Budget
from orchestrator.errors import RunRefusedError
from orchestrator.run import IfBusy, Mode
from orchestrator.run_request import RunRequest
from orchestrator.service import Service

pytestmark = pytest.mark.usefixtures("server")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (RunRequest(task="say 48", if_busy=IfBusy.REJECT), "if_busy is for the runs of a thread"),
        (RunRequest(task="say 48", inputs={"amount": 48}), "inputs without a workflow"),
    ],
)
async def test_a_check_refuses_what_a_start_refuses(service: Service, asked: RunRequest, said: str) -> None:
    with pytest.raises(RunRefusedError, match=said):
        await service.start(asked)
    with pytest.raises(RunRefusedError, match=said):
        service.check(asked)
    assert await service.runs.newest() == []


async def test_a_request_with_another_mode_or_other_limits_is_another_one(service: Service) -> None:
    asked = RunRequest(task="say 7", mode=Mode.PLAN, limits=Budget(tokens=5000), idempotency_key="order 7")
    first = await service.start(asked)
    assert (await service.start(asked)).id == first.id
    for changes in ({"mode": Mode.DIRECT}, {"limits": Budget(tokens=50)}, {"limits": None}):
        with pytest.raises(RunRefusedError, match=f"{first.id}.* another {next(iter(changes))}"):
            await service.start(asked.model_copy(update=changes))
    await service.wait(first.id)
