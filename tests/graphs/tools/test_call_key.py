"""A call that is made again has the key that it had; another one has another."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphs.errors import ToolError
from graphs.plan import Plan, Step
from graphs.protocols import ToolResult
from graphs.run import run_task
from graphs.tools.call_key import at, idempotency_key
from graphs.tools.invocation import JsonTool, invoke, text_arguments
from tests.graphs.scripted_client import EventList, ScriptedClient
from tests.graphs.workflows.written import run, workflow


class Keyed(JsonTool):
    """Keeps the key of every call."""

    def __init__(self) -> None:
        super().__init__("keyed", "keeps keys", text_arguments("text", "anything"), 5.0)
        self.keys: list[str | None] = []

    async def call(self, arguments: Mapping[str, Any]) -> ToolResult:
        self.keys.append(idempotency_key())
        await asyncio.sleep(0)
        if arguments["text"] == "fail":
            raise ToolError(self.name, "no answer within 1 s", "")
        return ToolResult("done")


async def keys_of(folder: Path, steps: str, run_id: str = "01a2") -> list[str | None]:
    """Of the calls of a run that remembers nothing of an earlier attempt."""
    flow, tool = workflow(folder, f"name: calls\nsteps:\n{steps}"), Keyed()
    await run(flow, tools={"keyed": tool}, run_id=run_id)
    return tool.keys


TWO_CALLS = """
  one: {tool: keyed, arguments: {text: a}}
  two: {tool: keyed, arguments: {text: a}, needs: [one]}
"""


async def test_whoever_takes_a_run_over_makes_its_calls_under_the_same_keys(tmp_path: Path) -> None:
    keys = await keys_of(tmp_path, TWO_CALLS)
    assert len(set(keys)) == 2 and None not in keys
    assert await keys_of(tmp_path, TWO_CALLS) == keys
    assert not {*await keys_of(tmp_path, TWO_CALLS, run_id="01a3")} & {*keys}


async def test_every_item_of_a_loop_has_its_own(tmp_path: Path) -> None:
    keys = await keys_of(tmp_path, "  all: {for_each: [x, y, z], tool: keyed, arguments: {text: a}}")
    assert len(set(keys)) == 3


async def test_a_step_of_a_sub_workflow_has_its_own_in_each_item(tmp_path: Path) -> None:
    workflow(tmp_path, f"name: inner\nsteps:\n{TWO_CALLS}", "inner.yaml")
    steps = "  outer: {for_each: [x, y], workflow: inner.yaml}\n  also: {tool: keyed, arguments: {text: a}}"
    keys = await keys_of(tmp_path, steps)
    assert len(set(keys)) == len(keys) == 5
    assert {*await keys_of(tmp_path, steps)} == {*keys}


async def test_an_attempt_that_failed_is_repeated_under_the_same_key(tmp_path: Path) -> None:
    """The call may have come through, and only its answer be lost."""
    policy = "{retry: {max_attempts: 3, base_seconds: 0, on: [tool]}}"
    keys = await keys_of(tmp_path, f"  one: {{tool: keyed, arguments: {{text: fail}}, policy: {policy}}}")
    assert len(keys) == 3 and len(set(keys)) == 1


async def test_calls_that_an_expert_writes_have_keys_too() -> None:
    async def keys() -> list[str | None]:
        tool = Keyed()
        plan = Plan(steps=tuple(Step(id=k, text=f"call {k}", expert="math") for k in (1, 2)))
        client = ScriptedClient(answers={"math": {f"call {k}": '{"text": "a"}' for k in (1, 2)}}, is_loose=True)
        await run_task("call", client=client, tools={"calculator": tool}, sink=EventList(), plan=plan, run_id="01a2")
        return tool.keys

    first = await keys()
    assert len(set(first)) == 2 and None not in first
    assert {*await keys()} == {*first}


async def test_outside_of_runs_there_is_none_and_another_call_has_another() -> None:
    tool = Keyed()
    await invoke(tool, {"text": "a"})
    with at(("01a2", "r1.s1")):
        await invoke(tool, {"text": "a"})
        await invoke(tool, {"text": "b"})
    outside, first, second = tool.keys
    assert outside is None and None not in (first, second) and first != second
    assert idempotency_key() is None
