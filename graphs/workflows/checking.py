"""From decoded YAML or JSON to a Workflow: everything wrong with it is named at once, with its place."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema.validators import validator_for
from pydantic import BaseModel, ValidationError

from graphs.protocols import PERSON, Tool
from graphs.tools.invocation import argument_faults
from graphs.workflows.definition import Workflow, WorkflowStep
from graphs.workflows.fault import Place, Problem
from graphs.workflows.template_uses import TemplateUses, uses_of

MAX_DEPTH = 5
"""Of sub-workflows in sub-workflows."""
ALWAYS = frozenset({"inputs", "steps", "range"})
IN_A_LOOP = frozenset({"item", "loop"})
_REMEDIES = {"extra_forbidden": "take it out, or correct its name", "missing": "add it"}


@dataclass(frozen=True, slots=True)
class Used:
    """A template with its place, and what it uses."""

    place: Place
    uses: TemplateUses


Check = Callable[[Workflow], Iterable[Problem]]
"""Looks at the steps that can be read for more than the definition itself tells."""


def nothing_more(workflow: Workflow) -> Iterable[Problem]:
    """A Check for where nobody knows which experts and tools there are."""
    return ()


def checked(raw: object, check: Check = nothing_more) -> tuple[Workflow | None, list[Problem]]:
    """The workflow, if nothing is wrong with it, and all that is."""
    if not isinstance(raw, Mapping):
        return None, [Problem((), f"it is {type(raw).__name__}", "write an object with name and steps")]
    fields = cast("Mapping[str, Any]", raw)
    steps, problems = _parsed_steps(fields.get("steps"))
    try:
        workflow = Workflow.model_validate({**fields, "steps": steps or {"none": _ANY_STEP}})
    except ValidationError as error:
        problems += problems_of(error, Workflow)
        inputs = fields.get("inputs")
        given = cast("dict[str, Any]", inputs if isinstance(inputs, dict) else {})
        workflow = Workflow.model_construct(inputs=given, steps=steps, output=fields.get("output"))
    known = list(cast("Mapping[str, Any]", fields["steps"])) if isinstance(fields.get("steps"), Mapping) else []
    readable = workflow.model_copy(update={"steps": steps})
    problems += [*_schema_problems(workflow), *_template_problems(readable, known), *check(readable)]
    return (None if problems else workflow), problems


def name_problems(
    workflow: Workflow, experts: Collection[str], tools: Mapping[str, Tool], *, is_deep: bool = True
) -> Iterator[Problem]:
    """Experts and tools of a workflow that are not there, and arguments that the tool cannot take.

    Those of sub-workflows too, unless they are looked at in files of their own.
    """
    for name, step in workflow.steps.items():
        place = ("steps", name)
        quorum = step.policy.quorum if step.policy else None
        for expert in dict.fromkeys((*([step.expert] if step.expert else []), *(quorum.experts if quorum else ()))):
            if expert not in experts:
                reason = f"there is no expert {expert!r}"
                yield Problem((*place, "expert"), reason, f"known: {', '.join(sorted(experts))}")
        if step.tool and step.tool not in tools:
            reason, known = f"there is no tool {step.tool!r}", ", ".join(sorted(tools))
            yield Problem((*place, "tool"), reason, f"configure it, or use one of {known}")
        elif step.tool and not any(_texts(step.arguments)):
            for fault in argument_faults(tools[step.tool].arguments, step.arguments):
                yield Problem((*place, "arguments"), fault, f"see: ccoe tools show {step.tool}")
        if step.workflow and is_deep:
            yield from (one.within(*place, "workflow") for one in name_problems(step.workflow, experts, tools))


def needed_by(step: WorkflowStep) -> set[str]:
    """The names of the steps that a step waits for."""
    return {*step.needs, *(name for one in templates_of(step) for name in one.uses.steps)}


def templates_of(step: WorkflowStep) -> list[Used]:
    """All templates and expressions of a step."""
    found = [
        Used((field,), uses_of(source))
        for field in ("prompt", "approval")
        if isinstance(source := getattr(step, field), str)
    ]
    found += [
        Used((field,), uses_of(source, is_expression=True))
        for field, source in (("if", step.condition), ("for_each", step.for_each))
        if isinstance(source, str)
    ]
    values = (("arguments", step.arguments), ("inputs", step.inputs), ("for_each", step.for_each))
    for field, value in values:
        if not isinstance(value, str):
            found += [Used((field, *place), uses_of(source)) for place, source in _texts(value)]
    return found


def _parsed_steps(raw: Any) -> tuple[dict[str, WorkflowStep], list[Problem]]:
    if not isinstance(raw, Mapping) or not raw:
        return {}, [Problem(("steps",), "there are no steps", "write them below `steps`, each with its name")]
    steps: dict[str, WorkflowStep] = {}
    problems: list[Problem] = []
    for name, fields in cast("Mapping[str, Any]", raw).items():
        try:
            steps[name] = WorkflowStep.model_validate(fields)
        except ValidationError as error:
            problems += [one.within("steps", name) for one in problems_of(error, WorkflowStep)]
    return steps, problems


def _schema_problems(workflow: Workflow) -> Iterator[Problem]:
    schema = workflow.input_schema
    try:
        validator_for(schema, Draft202012Validator).check_schema(schema)
    except SchemaError as error:
        place = tuple(error.absolute_path)
        yield Problem(("inputs", *place), f"no valid JSON Schema: {error.message}", "correct it")
    if schema["type"] != "object":
        yield Problem(("inputs", "type"), "inputs have names", "make it an object with properties")


def _template_problems(workflow: Workflow, known: list[str]) -> Iterator[Problem]:
    """Of the steps that could be read; `known` are the names of all."""
    properties = workflow.inputs.get("properties")
    is_open = "additionalProperties" in workflow.inputs or not isinstance(properties, Mapping | None)
    inputs = None if is_open else set(cast("Mapping[str, Any]", properties or {}))
    for name, step in workflow.steps.items():
        before = known[: known.index(name)]
        names = ALWAYS | (IN_A_LOOP if step.for_each is not None else frozenset())
        for used in templates_of(step):
            allowed = ALWAYS if used.place[0] in ("if", "for_each") else names
            yield from (one.within("steps", name) for one in _problems_in(used, before, known, inputs, allowed))
        for position, needed in enumerate(step.needs):
            if needed not in before:
                yield Problem(("steps", name, "needs", position), *_unknown_step(needed, known))
        if step.workflow:
            yield from (one.within("steps", name) for one in _sub_problems(step.workflow))
    for place, source in _texts(workflow.output):
        used = Used(("output", *place), uses_of(source))
        yield from _problems_in(used, known, known, inputs, ALWAYS)


def _problems_in(
    used: Used, before: Collection[str], known: Collection[str], inputs: set[str] | None, names: frozenset[str]
) -> Iterator[Problem]:
    for misuse in used.uses.misuses:
        yield Problem(used.place, misuse.reason, misuse.remedy, misuse.line)
    for step, line in used.uses.steps.items():
        if step not in before:
            yield Problem(used.place, *_unknown_step(step, known), line)
    for name, line in used.uses.inputs.items():
        if inputs is not None and name not in inputs:
            yield Problem(used.place, f"there is no input {name!r}", "add it to inputs.properties", line)
    for name, line in used.uses.names.items():
        if name not in names:
            hint = "only with for_each, in what runs for each item" if name in IN_A_LOOP else "inputs.NAME, steps.NAME"
            yield Problem(used.place, f"{name!r} is not known here", f"there are {hint}", line)


def _unknown_step(name: str, known: Collection[str]) -> tuple[str, str]:
    if name in known:
        return f"step {name!r} does not stand before it", "move that one up; a step uses only steps before it"
    return f"there is no step {name!r}", f"steps: {', '.join(known)}"


def _sub_problems(workflow: Workflow, depth: int = 1) -> Iterator[Problem]:
    if depth == MAX_DEPTH:
        yield Problem(("workflow",), f"sub-workflows are more than {MAX_DEPTH} deep", "put some of them side by side")
        return
    for name, step in workflow.steps.items():
        if step.approval is not None:
            reason = f"step {name!r} of the sub-workflow waits for a person"
            yield Problem(("workflow",), reason, "ask in the workflow that is run itself")
        if step.workflow:
            yield from _sub_problems(step.workflow, depth + 1)


def _texts(value: Any) -> Iterator[tuple[Place, str]]:
    """The texts of a value that are templates, with their places."""
    match value:
        case str() if "{{" in value or "{%" in value or "{#" in value:
            yield (), value
        case Mapping():
            for name, one in cast("Mapping[str, Any]", value).items():
                yield from (((name, *place), text) for place, text in _texts(one))
        case list():
            for position, one in enumerate(cast("list[Any]", value)):
                yield from (((position, *place), text) for place, text in _texts(one))
        case _:
            pass


def problems_of(error: ValidationError, model: type[BaseModel]) -> Iterator[Problem]:
    """What a model says of its fields."""
    for details in error.errors():
        place = tuple(part for part in details["loc"] if part not in _INTERNAL)
        message = details["msg"].removeprefix("Value error, ")
        reason, _, remedy = message.partition("; ")
        if details["type"] == "extra_forbidden" and len(place) == 1:
            names = ", ".join(field.alias or name for name, field in model.model_fields.items())
            reason, remedy = "unknown field", f"fields: {names}"
        yield Problem(place, reason, remedy or _REMEDIES.get(details["type"], "correct it"))


_INTERNAL = frozenset({"constrained-str", "bool", "list[nullable[any]]"})
_ANY_STEP = WorkflowStep(expert=PERSON, prompt="?")
