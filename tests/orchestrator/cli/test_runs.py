"""`ccoe runs answer`, `resume` and `fork`, in processes of their own."""

import json
from pathlib import Path

from tests.orchestrator.processes import ccoe, line_with, process
from tests.orchestrator.scripted_experts import A_STEP_FOR_A_PERSON, A_STEP_THAT_FAILS

STEPS = [{"id": 1, "text": "say 48", "expert": "math"}, {**A_STEP_THAT_FAILS[0], "id": 2, "depends_on": [1]}]


async def test_a_run_that_failed_is_resumed_and_forked(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(STEPS))
    code, output, _ = await ccoe("ask", "a task", "--json", "--plan", str(plan))
    assert code == 1
    run_id = json.loads(output)["run_id"]

    code, output, _ = await ccoe("runs", "resume", run_id, "--json")
    assert (code, json.loads(output)["status"]) == (1, "error")

    fork = ["runs", "fork", run_id, "--from", "2", "--set", "text=say #1 patients", "--json"]
    code, output, errors = await ccoe(*fork)
    assert (code, errors) == (0, "")
    assert [step["result"] for step in json.loads(output)["steps"]] == ["48", "48 patients"]

    fork.remove("--json")
    for command, status in ((["runs", "resume", run_id], "error"), (fork, "success")):
        code, output, errors = await ccoe(*command)
        assert (code, errors) == (int(status == "error"), ""), output
        assert [line for line in output.splitlines() if line.startswith("#2 general")], output
        assert output.splitlines()[-1].startswith(status)
        code, output, _ = await ccoe("runs", "trace", "last", "--json")
        types = [json.loads(line)["event"]["type"] for line in output.splitlines()]
        assert (types.count("planned"), types.index("planned") < types.index("step_started")) == (1, True)

    code, _, errors = await ccoe("runs", "fork", run_id, "--from", "7")
    assert (code, "steps 1 to 2, no step 7" in errors) == (2, True)


async def test_a_run_waits_for_a_person_and_is_answered_later(tmp_path: Path) -> None:
    """No process lives between the commands."""
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(A_STEP_FOR_A_PERSON))
    code, output, _ = await ccoe("ask", "a task", "--plan", str(plan))
    assert (code, output.splitlines()[-3].startswith("run ")) == (3, True)
    run_id = output.splitlines()[-3].split()[1]
    shown = ["#2 asks a person: Pay 48?", f"   ccoe runs answer {run_id} 2 --approve | --reject | --text ANSWER"]
    assert output.splitlines()[-2:] == shown
    assert [line for line in (await ccoe("runs", "show", "last"))[1].splitlines() if line in shown] == shown
    assert "interrupted" in (await ccoe("runs", "list"))[1]
    code, output, _ = await ccoe("runs", "trace", run_id)
    assert (code, "run_interrupted" in output.splitlines()[-1]) == (0, True)

    for wrong in ([], ["--approve", "--reject"], ["--text", ""], ["--text", " "]):
        assert (await ccoe("runs", "answer", run_id, "2", *wrong))[0] == 2
    code, output, errors = await ccoe("runs", "answer", run_id, "2", "--approve", "--text", "but no more")
    assert (code, errors) == (0, "")
    assert output == "step 2 is answered; the run goes on with the next service: ccoe serve\n"
    code, output, errors = await ccoe("runs", "answer", run_id, "2", "--reject")
    assert (code, "was answered by local" in errors, "approve but no more" in errors) == (1, True, True)

    async with process("scripted_ccoe", "serve", "--port", "0") as serving:
        await line_with("serving at", serving)
        code, output, _ = await ccoe("runs", "trace", run_id, "--json")
    assert json.loads(output.splitlines()[-1])["event"]["status"] == "success"


async def test_an_answer_and_what_comes_of_it(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(A_STEP_FOR_A_PERSON))
    code, output, _ = await ccoe("ask", "a task", "--json", "--plan", str(plan))
    document = json.loads(output)
    assert (code, document["status"], document["answer"]) == (3, "interrupted", None)
    assert [question["wanted"]["step"] for question in document["questions"]] == [2]
    code, output, errors = await ccoe("runs", "answer", "last", "2", "--text", "fine", "--wait")
    assert (code, errors) == (0, "")
    assert "#2 ✓ fine (by local) (0.0 s)" in output.splitlines()
    assert any(line.startswith("#3 ✓ 48 is fine") for line in output.splitlines())
