"""`ccoe workflow`, in a process of its own: run, validate, draw."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.orchestrator.processes import ccoe

GREETINGS = """\
name: greetings
inputs: {properties: {names: {type: array}, mark: {type: string, default: "!"}}, required: [names]}
steps:
  hello: {for_each: inputs.names, expert: general, prompt: "say hello {{ item }}{{ inputs.mark }}"}
  count: {tool: calculator, arguments: {expression: "{{ steps.hello.result | length }} * 10"}}
output: "{{ steps.hello.result | join(' ') }} {{ steps.count.result }}"
"""
WRONG = "name: wrong\nsteps:\n  a: {expert: poet, prompt: x}\n  b: {tool: shell}\n  c: {tool: sql, promt: y}\n"


def written(folder: Path, text: str) -> str:
    path = folder / "flow.yaml"
    path.write_text(text)
    return str(path)


async def test_a_workflow_is_run_and_shown(tmp_path: Path) -> None:
    inputs = tmp_path / "inputs.json"
    inputs.write_text(json.dumps({"names": ["Ann", "Ben"]}))
    code, output, errors = await ccoe(
        "workflow", "run", written(tmp_path, GREETINGS), "--inputs", str(inputs), "--input", "mark=?"
    )
    assert (code, errors) == (0, "")
    lines = output.splitlines()
    assert lines[0].startswith("plan: 2 steps")
    assert any(line.startswith("#1 [2] ✓ hello Ben? (") for line in lines)
    assert any(line.startswith("#2 count · tool:calculator") for line in lines)
    assert any(line.startswith("answer: hello Ann? hello Ben? 20") for line in lines)
    assert lines[-1].startswith("success: ")


async def test_a_database_of_the_command(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.sqlite")) as connection, connection:
        connection.execute("CREATE TABLE bikes (model TEXT, price REAL)")
        connection.execute("INSERT INTO bikes VALUES ('Comet', 300)")
    text = "name: q\nsteps: {q: {tool: sql, arguments: {query: SELECT price FROM bikes}}}\n"
    named = f"shop={tmp_path / 'shop.sqlite'}"
    code, output, _ = await ccoe("workflow", "run", written(tmp_path, text), "--database", named, "--json")
    assert (code, json.loads(output)["answer"]) == (0, "300")


async def test_inputs_that_do_not_fit_start_nothing(tmp_path: Path) -> None:
    code, output, errors = await ccoe("workflow", "run", written(tmp_path, GREETINGS), "--input", "names=3")
    assert (code, output) == (2, "") and "names: 3 is not of type 'array'" in errors


async def test_all_faults_are_named_with_exit_code_2(tmp_path: Path) -> None:
    path = written(tmp_path, WRONG)
    code, output, errors = await ccoe("workflow", "validate", path)
    assert (code, output) == (2, "")
    for line in (
        f"{path}:3: step 'a': expert: there is no expert 'poet'; known: ",
        f"{path}:4: step 'b': tool: there is no tool 'shell'; configure it, or use one of calculator, search",
        f"{path}:5: step 'c': promt: unknown field; fields: expert, prompt",
    ):
        assert line in errors
    code, output, errors = await ccoe("workflow", "validate", written(tmp_path, GREETINGS))
    assert (code, errors) == (0, "") and "workflow 'greetings' with 2 steps is valid" in output


async def test_a_drawing_is_mermaid(tmp_path: Path) -> None:
    path = written(tmp_path, GREETINGS)
    code, output, _ = await ccoe("workflow", "draw", path)
    assert code == 0 and output.startswith("flowchart TD") and "s1 --> s2" in output and "hello · general" in output
    assert (await ccoe("workflow", "draw", path, "--output", str(tmp_path / "flow.mmd")))[0] == 0
    assert (tmp_path / "flow.mmd").read_text() == output
