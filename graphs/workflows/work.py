"""What one step, or one item of its loop, has to do, with all templates filled in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphs.workflows.definition import Workflow, WorkflowStep
from graphs.workflows.inputs import checked_inputs
from graphs.workflows.nesting import digest
from graphs.workflows.templates import Renderer


@dataclass(frozen=True, slots=True)
class Prompted:
    """An expert is asked this."""

    text: str
    choices: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Of all that the result depends on, but the expert."""
        return digest("prompt", self.text, self.choices)


@dataclass(frozen=True, slots=True)
class Called:
    """A tool is called with this."""

    arguments: Any

    @property
    def digest(self) -> str:
        """Of all that the result depends on, but the tool."""
        return digest("call", self.arguments)


@dataclass(frozen=True, slots=True)
class Nested:
    """A sub-workflow is run with this."""

    workflow: Workflow
    inputs: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Of all that the result depends on."""
        return digest("workflow", self.workflow.model_dump(mode="json"), self.inputs)


@dataclass(frozen=True, slots=True)
class Unfilled:
    """Nothing: a template failed for this item."""

    error: str

    @property
    def digest(self) -> str:
        """Of the reason."""
        return digest("unfilled", self.error)


Work = Prompted | Called | Nested | Unfilled


def work_of(step: WorkflowStep, values: Mapping[str, Any], renderer: Renderer) -> Work:
    """What the step has to do. Raises RenderError, SkippedUse, and InvalidInputs of a sub-workflow."""
    if step.tool is not None:
        return Called(renderer.filled(step.arguments, values))
    if step.workflow is not None:
        return Nested(step.workflow, checked_inputs(step.workflow, renderer.filled(step.inputs, values)))
    assert step.prompt is not None
    return Prompted(renderer.text(step.prompt, values), step.choices)
