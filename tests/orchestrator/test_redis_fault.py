"""Whatever happens to Redis: the service says so, recovers by itself, and every run ends well without a loss."""

import asyncio
from pathlib import Path

import pytest
from redis.exceptions import BusyLoadingError, NoPermissionError, RedisError, ResponseError

from orchestrator.errors import RedisUnavailableError
from orchestrator.redis_fault import unavailable
from orchestrator.run import Run, RunStatus
from orchestrator.service import Service
from orchestrator.settings import read_settings
from tests.orchestrator import redis_troubles as troubles
from tests.orchestrator.conditions import until
from tests.orchestrator.crash_matrix import PLAN
from tests.orchestrator.http_service import http_client
from tests.orchestrator.ledger_experts import executions, open_ledger_experts

_NUM_RUNS = 6
_STEP_SECONDS = 0.3


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (troubles.restart, "connect"),
        (troubles.lost_connections, "connect"),
        (troubles.full_memory, "its memory is full"),
        (troubles.read_only_replica, "read-only replica"),
        (troubles.wrong_password, "refuses the password"),
        pytest.param(troubles.pause, "no answer for 2 s", marks=pytest.mark.slow),
        pytest.param(troubles.standstill, "no answer for 2 s", marks=pytest.mark.slow),
    ],
)
async def test_runs_survive_what_happens_to_redis(trouble: troubles.Trouble, reason: str, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    with troubles.troubled_server(tmp_path) as server:
        settings = read_settings(redis_url=f"unix://{server.socket}", max_concurrent_runs=_NUM_RUNS)
        async with (
            Service.open(settings, open_ledger_experts(ledger, _STEP_SECONDS)) as service,
            http_client(service) as client,
        ):

            async def readiness() -> tuple[bool, str]:
                response = await client.get("/healthz")
                return response.status_code == 200, response.json()["redis"]

            assert await readiness() == (True, "ok")
            made = [await service.submit(f"task {k}", PLAN) for k in range(_NUM_RUNS)]
            await until(lambda: _holds(executions(ledger).total() >= _NUM_RUNS), "the runs are on their way")
            async with trouble(server):

                async def is_told() -> bool:
                    is_ready, said = await readiness()
                    return not is_ready and reason in said

                await until(is_told, f"the service is not ready: {reason}")
                made += await _accepted(service)

            async def is_ready() -> bool:
                return (await readiness())[0]

            await until(is_ready, "the service is ready again")
            ended = [await _ended(service, run) for run in made]
            done = executions(ledger)
    assert {run.status for run in ended} == {RunStatus.SUCCESS}, [run.error for run in ended]
    for run in ended:
        assert len(run.steps) == len(PLAN)
        assert {line for line in done if line.startswith(f"{run.task}|")} >= {f"{run.task}|say 3 then 1"}


async def _holds(condition: bool) -> bool:
    return condition


async def _accepted(service: Service) -> list[Run]:
    """A run that is asked for meanwhile is refused with the reason, or accepted and done like any other."""
    try:
        return [await service.submit("task meanwhile", PLAN)]
    except RedisUnavailableError as error:
        assert error.status == 503
        return []


async def _ended(service: Service, run: Run) -> Run:
    async with asyncio.timeout(60):
        return await service.wait(run.id)


@pytest.mark.parametrize(
    ("error", "said", "remedy"),
    [
        (NoPermissionError("User ann has no permissions"), "may not do this", "commands"),
        (BusyLoadingError("loading the dataset in memory"), "still reading its data", "wait"),
        (ResponseError("MISCONF Errors writing to the AOF file"), "cannot write to its disk", "make room"),
        (ResponseError("max number of clients reached"), "no more connections", "maxclients"),
        (RedisError(), "RedisError", "REDIS_URL"),
    ],
)
def test_each_fault_has_its_remedy(error: RedisError, said: str, remedy: str) -> None:
    told = unavailable(error)
    assert said in told.message
    assert remedy in told.remedy
