"""What a workflow is given, checked against its schema."""

import json
from collections.abc import Mapping
from typing import Any, cast

from graphs.errors import InvalidInputs
from graphs.tools.invocation import argument_faults
from graphs.workflows.definition import Workflow

MAX_INPUT_CHARS = 500_000
"""Of the inputs as JSON."""


def checked_inputs(workflow: Workflow, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs, with the schema's defaults for those that are left out. Raises InvalidInputs."""
    properties = cast("Mapping[str, Any]", workflow.inputs.get("properties") or {})
    defaults = {name: schema["default"] for name, schema in properties.items() if _has_default(schema)}
    inputs = {**defaults, **given}
    faults = argument_faults(workflow.input_schema, inputs)
    if not faults and len(json.dumps(inputs)) > MAX_INPUT_CHARS:
        faults = [f"they have more than {MAX_INPUT_CHARS} characters as JSON"]
    if faults:
        raise InvalidInputs(workflow.name, faults)
    return inputs


def _has_default(schema: Any) -> bool:
    return isinstance(schema, Mapping) and "default" in schema
