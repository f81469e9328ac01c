"""A workflow as it is written: a name, a schema of inputs, steps by name, an output."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from graphs.plan import MAX_GIVEN_STEPS, MAX_TEXT_CHARS
from graphs.policies import StepPolicy

MAX_ITEMS = 1_000
"""Of any loop."""
MAX_CONCURRENCY = 32
NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"
Kind = Literal["expert", "tool", "approval", "workflow"]
KINDS: tuple[Kind, ...] = ("expert", "tool", "approval", "workflow")
_FIELDS_OF: dict[Kind, tuple[str, ...]] = {
    "expert": ("prompt", "choices"),
    "tool": ("arguments",),
    "approval": (),
    "workflow": ("inputs",),
}

Source = Annotated[str, Field(min_length=1, max_length=MAX_TEXT_CHARS)]
"""A template or an expression."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)


class WorkflowStep(_Frozen):
    """Exactly one of `expert` with its `prompt`, `tool`, `approval` and `workflow`, and when and how it runs."""

    expert: str | None = Field(default=None, min_length=1)
    prompt: Source | None = None
    """A template: what the expert is asked."""
    choices: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(default=(), max_length=100)
    """If there are any, the expert's answer is one of them."""
    tool: str | None = Field(default=None, min_length=1)
    arguments: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    """Of the tool; the texts in it are templates."""
    approval: Source | None = None
    """A template: what a person is asked."""
    workflow: "Workflow | None" = None
    inputs: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    """Of the sub-workflow; the texts in it are templates."""
    condition: Source | bool | None = Field(default=None, alias="if")
    """An expression; where it is false the step is skipped."""
    for_each: Source | list[JsonValue] | None = None
    """An expression that gives a list, or a list: the step runs once for each `item`."""
    max_items: int = Field(default=100, ge=1, le=MAX_ITEMS)
    """A longer list fails the step."""
    concurrency: int = Field(default=4, ge=1, le=MAX_CONCURRENCY)
    """Items at a time."""
    needs: tuple[str, ...] = ()
    """Steps to wait for that no template names."""
    needs_success: bool = True
    """Whether it is skipped where a step that it waits for has failed."""
    policy: StepPolicy | None = None
    """Of one item, in a loop."""

    @property
    def kind(self) -> Kind:
        """Which of the four it is."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        found = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(found) != 1:
            has = "both " + " and ".join(found) if found else "none of them"
            raise ValueError(f"a step is exactly one of {', '.join(KINDS)}, and this has {has}; keep one")
        kind = found[0]
        for other, fields in _FIELDS_OF.items():
            if other != kind and (foreign := [name for name in fields if getattr(self, name)]):
                raise ValueError(f"{foreign[0]!r} belongs to {other!r}, and this is {kind!r}; take it out")
        if kind == "expert" and self.prompt is None:
            raise ValueError("an expert is asked something; add a 'prompt'")
        policy = self.policy
        if policy and kind != "expert" and (policy.quorum or policy.on_failure == "general"):
            raise ValueError("a quorum, and 'general' instead, are of experts; take it out of this policy")
        if kind == "approval" and self.for_each is not None:
            raise ValueError("a person is not asked in a loop; show the whole list in one question behind it")
        return self


class Workflow(_Frozen):
    """A workflow. Ids of its steps are their positions, from 1 on."""

    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$")
    description: str = Field(default="", max_length=MAX_TEXT_CHARS)
    inputs: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    """The JSON Schema of its inputs, an object; names that it does not have are refused unless it says otherwise."""
    steps: dict[Annotated[str, Field(pattern=NAME)], WorkflowStep] = Field(min_length=1, max_length=MAX_GIVEN_STEPS)
    output: JsonValue = None
    """What it gives: a template, or lists and objects of them. Without it, the results that no other step uses."""

    @property
    def input_schema(self) -> dict[str, Any]:
        """The schema as it is checked."""
        return {"type": "object", "additionalProperties": False, **self.inputs}

    @property
    def num_steps(self) -> int:
        """With those of its sub-workflows."""
        return sum(1 + (step.workflow.num_steps if step.workflow else 0) for step in self.steps.values())
