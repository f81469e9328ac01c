"""A finished step is committed once, with a digest of what it was given, and found by whoever takes the run over."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphs.events import StepResult
from graphs.protocols import StepKey
from orchestrator.errors import LeaseLostError
from orchestrator.run_store import RunStore
from orchestrator.step_memo import RedisStepMemo, step_of
from tests.orchestrator.records import a_run, claimed, kept

pytestmark = pytest.mark.usefixtures("server")

KEY = StepKey(3, "ab12")
RESULT = StepResult(id=3, status="success", result="48", token_ids=(4, 8))


async def test_a_committed_step_is_found_by_the_next_worker(runs: RunStore) -> None:
    run = await kept(runs, a_run())
    first = RedisStepMemo(await claimed(runs, run))
    assert await first.load(KEY) is None
    await first.commit(KEY, RESULT)
    second = RedisStepMemo(await claimed(runs, run, "w2"))
    assert await second.load(KEY) == RESULT


@pytest.mark.parametrize("change", [{"digest": "cd"}, {"step": 4}, {"round": 2}, {"iteration": 1}, {"sample": 1}])
async def test_another_execution_is_another_entry(runs: RunStore, change: dict[str, object]) -> None:
    memo = RedisStepMemo(await claimed(runs, await kept(runs, a_run())))
    await memo.commit(KEY, RESULT)
    assert await memo.load(replace(KEY, **change)) is None  # type: ignore[arg-type]


async def test_the_first_commit_stays(runs: RunStore) -> None:
    memo = RedisStepMemo(await claimed(runs, await kept(runs, a_run())))
    await memo.commit(KEY, RESULT)
    await memo.commit(KEY, RESULT.model_copy(update={"result": "another"}))
    assert await memo.load(KEY) == RESULT


async def test_an_answer_that_comes_after_the_claim_is_heard(runs: RunStore) -> None:
    run = await kept(runs, a_run())
    waiting = RedisStepMemo(await claimed(runs, run))
    assert await waiting.load(KEY) is None
    await RedisStepMemo(await claimed(runs, run, "w2")).commit(KEY, RESULT)
    assert await waiting.answered(KEY) == RESULT


async def test_a_late_commit_is_refused(runs: RunStore) -> None:
    run = await kept(runs, a_run())
    late = RedisStepMemo(await claimed(runs, run))
    memo = RedisStepMemo(await claimed(runs, run, "w2"))
    with pytest.raises(LeaseLostError):
        await late.commit(KEY, RESULT)
    assert await memo.load(KEY) is None


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(), call=st.none() | st.text(), warnings=st.lists(st.text(), max_size=2))
async def test_results_come_back_as_they_were(runs: RunStore, text: str, call: str | None, warnings: list[str]) -> None:
    """Whatever an expert wrote passes Redis, the script and JSON unchanged."""
    memo = RedisStepMemo(await claimed(runs, await kept(runs, a_run())))
    result = StepResult(id=3, status="error", result=text, call=call, warnings=tuple(warnings), error=text)
    await memo.commit(KEY, result)
    assert await memo.load(KEY) == result


def test_fields_name_their_step() -> None:
    assert step_of("1.3.0.0:ab12") == 3
    assert step_of("plan") is None
    assert step_of("draft:1.1.2:") is None
