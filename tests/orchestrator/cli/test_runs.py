"""`ccoe runs resume` and `fork`, in processes of their own."""

import json
from pathlib import Path

from tests.orchestrator.processes import ccoe
from tests.orchestrator.scripted_experts import A_STEP_THAT_FAILS

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

    code, _, errors = await ccoe("runs", "fork", run_id, "--from", "7")
    assert (code, "steps 1 to 2, no step 7" in errors) == (2, True)
