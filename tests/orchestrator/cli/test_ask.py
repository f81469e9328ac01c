"""`ccoe ask`, in a process of its own: plain lines, one JSON document, true exit codes."""

import asyncio
import json
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

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


async def test_a_killed_process_leaves_a_run_that_the_next_one_finishes(tmp_path: Path) -> None:
    """kill -9: its Valkey is adopted; when its lease is over, the next worker goes on."""
    async with process("scripted_ccoe", "ask", "a task", "--plan", plan_file(tmp_path, A_STEP_THAT_WAITS)) as asking:
        await line_with("#1 general", asking)
        asking.kill()
        await asking.wait()
    document = json.loads((await ccoe("runs", "show", "last", "--json"))[1])
    assert document["status"] == "running"
    async with process("scripted_ccoe", "serve", "--port", "0") as serving:
        await line_with("serving at", serving)
        assert (await ccoe("runs", "cancel", document["run_id"]))[0] == 0
    document = json.loads((await ccoe("runs", "show", document["run_id"], "--json"))[1])
    assert document["status"] == "cancelled"


async def test_a_run_of_a_process_with_its_own_database_is_not_taken_over(tmp_path: Path) -> None:
    """Nobody else has its database: the next worker ends it with the true reason."""
    database = tmp_path / "shop.sqlite"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE bikes (model TEXT, price REAL)")
    plan = plan_file(tmp_path, A_STEP_THAT_WAITS)
    async with process("scripted_ccoe", "ask", "a task", "--plan", plan, "--database", f"shop={database}") as asking:
        await line_with("#1 general", asking)
        asking.kill()
        await asking.wait()
    async with process("scripted_ccoe", "serve", "--port", "0") as serving:
        await line_with("serving at", serving)
        code, output, _ = await ccoe("runs", "trace", "last", "--json")
    last = json.loads(output.splitlines()[-1])["event"]
    assert (code, last["status"], last["error"]["type"]) == (0, "error", "worker_died")


async def test_asked_again_with_the_same_key_the_same_run_is_shown(tmp_path: Path) -> None:
    asked = ["ask", "how many?", "--json", "--plan", plan_file(tmp_path, TWO_STEPS), "--idempotency-key", "order 7"]
    first, again = [json.loads((await ccoe(*asked))[1]) for _ in range(2)]
    assert first == again
