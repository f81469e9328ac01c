"""A ReAct loop (arXiv 2210.03629) as a LangGraph graph: one expert thinks, calls a tool, reads, and thinks again."""

import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph

from graphs.errors import GenerationError, ToolError
from graphs.generation import Question, ask
from graphs.protocols import GENERAL, Constraint, ExpertClient, Prompt, StepInput, Tool
from graphs.tools.invocation import invoke

MAX_CALLS = 8
_MAX_TOKENS = 160
_ORDER = 'Call a tool as {"tool": …, "input": …}, or give the answer as {"answer": …}.'
_TEXT = {"type": "string", "minLength": 1, "maxLength": 300}


class ReactState(TypedDict):
    """What was called and found, and the answer when there is one."""

    found: Annotated[tuple[StepInput, ...], operator.add]
    answer: str | None


@dataclass(frozen=True, slots=True)
class ReactGraph:
    """Answers tasks with one expert and the tools, each called with the first of its arguments."""

    client: ExpertClient
    tools: Mapping[str, Tool]
    expert: str = GENERAL

    async def answer(self, task: str) -> str:
        """The answer, empty if none was given within the calls or the expert failed."""
        graph = StateGraph(ReactState)

        async def think(state: ReactState) -> dict[str, Any]:
            return await self._think(task, state["found"])

        graph.add_node("think", think)
        graph.add_edge(START, "think")
        graph.add_conditional_edges("think", _next, ["think", END])
        try:
            state = await graph.compile().ainvoke(ReactState(found=(), answer=None), {"recursion_limit": MAX_CALLS + 5})
        except GenerationError:
            return ""
        return state["answer"] or ""

    async def _think(self, task: str, found: Sequence[StepInput]) -> dict[str, Any]:
        offered = "\n".join(f"Tool {tool.name}: {tool.description}. {tool.context(task)}" for tool in self._offered)
        prompt = Prompt(task, tuple(found), _ORDER, offered)
        constraint = Constraint("json_schema", self._schema)
        written = await ask(self.client, Question(self.expert, prompt, _MAX_TOKENS, constraint), _nobody)
        try:
            decided: dict[str, str] = json.loads(written.text)
        except ValueError:
            return {"answer": ""}  # cut off
        if "answer" in decided:
            return {"answer": decided["answer"]}
        tool = self.tools[decided["tool"]]
        call = f"{tool.name}: {decided['input']}"
        return {"found": (StepInput(len(found) + 1, call, await _observed(tool, decided["input"])),)}

    @property
    def _offered(self) -> list[Tool]:
        return list(self.tools.values())

    @property
    def _schema(self) -> Mapping[str, Any]:
        calls = [{"tool": {"const": name}, "input": _TEXT} for name in self.tools]
        options = [*calls, {"answer": _TEXT}]
        return {"anyOf": [_object(properties) for properties in options]}


def _object(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


async def _observed(tool: Tool, given: str) -> str:
    try:
        return (await invoke(tool, {next(iter(tool.arguments["properties"])): given})).text
    except ToolError as error:
        return f"error: {error.reason}"


async def _nobody(_: str) -> None:
    pass


def _next(state: ReactState) -> str:
    return "think" if state["answer"] is None and len(state["found"]) < MAX_CALLS else END
