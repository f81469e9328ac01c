"""`ccoe ask`, in a process of its own: plain lines, one JSON document, true exit codes."""

import asyncio
import json
import signal
from pathlib import Path

from orchestrator.keys import Keys
from orchestrator.redis_connection import redis_connection
from orchestrator.run_store import RunStore
from orchestrator.settings import Settings
from tests.orchestrator.processes import ccoe, line_with, process
from tests.orchestrator.scripted_experts import A_STEP_THAT_FAILS, A_STEP_THAT_WAITS, TWO_STEPS


def plan_file(folder: Path, plan: object) -> str:
    path = folder / "plan.json"
    path.write_text(json.dumps(plan))
    return str(path)


async def test_plain_lines_where_nobody_watches(tmp_path: Path) -> None:
    code, output, errors = await ccoe("ask", "how many patients?", "--plan", plan_file(tmp_path, TWO_STEPS))
    assert (code, errors) == (0, "")
    lines = output.splitlines()
    assert lines[0].startswith("plan: 2 steps")
    assert "#1 math  say 48" in lines
    assert any(line.startswith("#2 ✓ 48 patients (") for line in lines)
    assert any(line.startswith("answer: ") and "48 patients" in line for line in lines)
    assert lines[-1].startswith("success: ")
    assert "\x1b" not in output


async def test_one_json_document_and_the_trace_after_a_restart(tmp_path: Path) -> None:
    """The process that answered has ended, and with it Valkey; `runs` starts it again."""
    code, output, errors = await ccoe("ask", "how many?", "--json", "--plan", plan_file(tmp_path, TWO_STEPS))
    assert (code, errors) == (0, "")
    document = json.loads(output)
    assert {"run_id", "status", "plan", "steps", "answer", "usage", "timings"} <= set(document)
    assert document["status"] == "success"
    assert [step["result"] for step in document["steps"]] == ["48", "48 patients"]
    assert json.loads((await ccoe("runs", "show", document["run_id"], "--json"))[1]) == document
    trace = [json.loads(line) for line in (await ccoe("runs", "trace", "last", "--json"))[1].splitlines()]
    assert [entry["event"]["type"] for entry in trace][-1] == "run_finished"
    assert trace[0]["event"]["run_id"] == document["run_id"]


async def test_a_failed_run_has_exit_code_1(tmp_path: Path) -> None:
    code, output, _ = await ccoe("ask", "a task", "--json", "--plan", plan_file(tmp_path, A_STEP_THAT_FAILS))
    assert code == 1
    assert "it was told to fail" in json.loads(output)["error"]["message"]


async def test_a_run_that_spends_it_all_has_exit_code_1_and_says_so(tmp_path: Path) -> None:
    code, output, _ = await ccoe(
        "ask",
        "how many?",
        "--json",
        "--max-steps",
        "1",
        "--max-seconds",
        "60",
        "--plan",
        plan_file(tmp_path, TWO_STEPS),
    )
    document = json.loads(output)
    assert (code, document["status"]) == (1, "budget_exhausted")
    assert document["error"]["message"] == "the run's 1 steps are used up; allow it more"


async def test_bad_input_is_one_line_and_a_remedy(tmp_path: Path) -> None:
    wrong = plan_file(tmp_path, [{"id": 1, "text": "a", "expert": "nobody"}])
    code, output, errors = await ccoe("ask", "a task", "--plan", wrong)
    assert (code, output) == (2, "")
    first, second = errors.splitlines()
    assert first.startswith("error: ") and "unknown expert 'nobody'" in first
    assert second.startswith("remedy: ")


async def test_ctrl_c_marks_the_run_and_exits_with_130(tmp_path: Path) -> None:
    async with process("scripted_ccoe", "ask", "a task", "--plan", plan_file(tmp_path, A_STEP_THAT_WAITS)) as asking:
        await line_with("#1 general", asking)
        asking.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            _, errors = await asking.communicate()
        assert (asking.returncode, b"Traceback" in errors) == (130, False)
    document = json.loads((await ccoe("runs", "show", "last", "--json"))[1])
    assert (document["status"], document["answer"]) == ("cancelled", None)


async def test_sigterm_marks_the_run_and_exits_with_143(tmp_path: Path) -> None:
    async with process("scripted_ccoe", "ask", "a task", "--plan", plan_file(tmp_path, A_STEP_THAT_WAITS)) as asking:
        await line_with("#1 general", asking)
        asking.terminate()
        async with asyncio.timeout(20):
            await asking.communicate()
        assert asking.returncode == 143
    assert json.loads((await ccoe("runs", "show", "last", "--json"))[1])["status"] == "cancelled"


async def test_a_killed_process_leaves_a_run_that_is_ended_later(tmp_path: Path, settings: Settings) -> None:
    """kill -9: its Valkey is adopted; once the dead worker's lease is over, its run is marked."""
    async with process("scripted_ccoe", "ask", "a task", "--plan", plan_file(tmp_path, A_STEP_THAT_WAITS)) as asking:
        await line_with("#1 general", asking)
        asking.kill()
        await asking.wait()
    document = json.loads((await ccoe("runs", "show", "last", "--json"))[1])
    assert document["status"] == "running"
    async with redis_connection(settings) as redis:
        run = await RunStore(redis, Keys(settings.tenant), 1).get(document["run_id"])
        assert await redis.expire(Keys(settings.tenant).worker(run.worker), 0)
    document = json.loads((await ccoe("runs", "show", "last", "--json"))[1])
    assert (document["status"], document["error"]["type"]) == ("error", "worker_died")
