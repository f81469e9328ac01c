"""How a tool is called with arguments: checked against its schema, held to its time, its result bounded."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from graphs.errors import ToolError
from graphs.protocols import Constraint, Tool, ToolResult
from graphs.tools.call_key import calling

MAX_RESULT_CHARS = 4_000
MAX_DATA_CHARS = 100_000
"""Of a result's data as JSON; more is left out."""
MAX_FAULTS = 5


async def invoke(tool: Tool, arguments: object) -> ToolResult:
    """Call a tool with arguments from anywhere: a workflow, the command line, an expert's JSON.

    Raises ToolError if they do not fit the tool's schema, if it takes too long, or if it fails.
    """
    faults = argument_faults(tool.arguments, arguments)
    if not isinstance(arguments, Mapping) or faults:
        remedy = f"send a JSON object that fits {_as_json(tool.arguments)}"
        raise ToolError(tool.name, "; ".join(faults) or "the arguments are no JSON object", remedy)
    try:
        with calling(tool.name, arguments):
            async with asyncio.timeout(tool.max_seconds):
                result = await tool.call(arguments)
    except TimeoutError as error:
        reason = f"no result within {tool.max_seconds:g} s"
        raise ToolError(tool.name, reason, "ask for less, or raise its max_seconds") from error
    return _bounded(result)


def argument_faults(schema: Mapping[str, Any], arguments: Any) -> list[str]:
    """What in the arguments does not fit the JSON Schema, each with its place. References lead nowhere outside."""
    validator = validator_for(schema, Draft202012Validator)(schema, registry=Registry())
    try:
        errors = sorted(validator.iter_errors(arguments), key=lambda error: list(map(str, error.absolute_path)))
    except Unresolvable as error:
        return [f"its schema refers to {error.ref!r}, which it does not hold"]
    return [f"{error.json_path.removeprefix('$.')}: {error.message}" for error in errors[:MAX_FAULTS]]


def text_arguments(name: str, description: str) -> Mapping[str, Any]:
    """The schema of an object with one text."""
    return object_schema({name: {"type": "string", "description": description, "minLength": 1}}, required=(name,))


def object_schema(properties: Mapping[str, Any], required: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """The schema of an object with these properties and no others."""
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


class JsonTool(ABC):
    """A tool whose calls are JSON objects, decoded under the schema of its arguments."""

    has_effects = True
    version: str | None = None

    def __init__(self, name: str, description: str, arguments: Mapping[str, Any], max_seconds: float) -> None:
        """Raises ToolError if the schema is none."""
        try:
            validator_for(arguments, Draft202012Validator).check_schema(dict(arguments))
        except SchemaError as error:
            raise ToolError(name, f"its arguments have no valid JSON Schema: {error.message}", "correct it") from error
        self.name = name
        self.description = description
        self.arguments = arguments
        self.max_seconds = max_seconds

    def recognises(self, text: str) -> bool | None:
        """Nothing can be said of a text."""
        return None

    def context(self, step: str) -> str:
        """Name, description and the schema of the arguments."""
        return f"Tool {self.name}: {self.description}\nArguments: {_as_json(self.arguments)}"

    def constraint(self, step: str) -> Constraint:
        """The schema of the arguments."""
        return Constraint("json_schema", self.arguments)

    async def run(self, call: str, step: str) -> ToolResult:
        """Compute what an expert wrote as JSON. Raises ToolError."""
        try:
            arguments = json.loads(call)
        except ValueError as error:
            raise ToolError(self.name, f"{call!r} is not JSON ({error})", "write a JSON object") from error
        return await invoke(self, arguments)

    @abstractmethod
    async def call(self, arguments: Mapping[str, Any]) -> ToolResult:
        """Compute from arguments that fit the schema. Raises ToolError."""


def _bounded(result: ToolResult) -> ToolResult:
    if len(result.text) > MAX_RESULT_CHARS:
        cut = f"{result.text[:MAX_RESULT_CHARS]}\n(cut: {MAX_RESULT_CHARS} of {len(result.text)} characters)"
        result = replace(result, text=cut)
    is_large = result.data is not None and len(_as_json(result.data)) > MAX_DATA_CHARS
    return replace(result, data=None) if is_large else result


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
