"""The registered workflows over HTTP."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from graphs.errors import InvalidWorkflow
from graphs.workflows.definition import Workflow
from orchestrator.api.injection import ServiceDependency

router = APIRouter(prefix="/api/workflows", tags=["workflows"])


class WorkflowSummary(BaseModel):
    """A workflow that `POST /api/runs` takes by its name."""

    name: str
    description: str = ""
    inputs: dict[str, Any] = {}
    """A JSON Schema."""
    steps: list[str] = []
    faults: list[str] = []
    """What is wrong with its file, which is its name then."""

    @classmethod
    def of(cls, name: str, found: Workflow | InvalidWorkflow) -> "WorkflowSummary":
        """The part that is shown."""
        if isinstance(found, InvalidWorkflow):
            return cls(name=name, faults=[str(fault) for fault in found.faults])
        return cls(name=name, description=found.description, inputs=found.input_schema, steps=list(found.steps))


class WorkflowPage(BaseModel):
    """The workflows, by name."""

    workflows: list[WorkflowSummary]


@router.get("")
def list_workflows(service: ServiceDependency) -> WorkflowPage:
    """The workflows of the directory CCOE_WORKFLOWS."""
    return WorkflowPage(workflows=[WorkflowSummary.of(name, found) for name, found in service.workflows.all().items()])
