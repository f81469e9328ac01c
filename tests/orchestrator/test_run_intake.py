"""What cannot become a run is refused when it is asked for, and before a schedule keeps it."""

import pytest

from orchestrator.errors import RunRefusedError
from orchestrator.run import IfBusy
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
