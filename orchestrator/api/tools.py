"""The tools over HTTP."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from graphs.protocols import Tool
from orchestrator.api.injection import ServiceDependency

router = APIRouter(prefix="/api/tools", tags=["tools"])


class ToolSummary(BaseModel):
    """A tool that steps may call."""

    name: str
    description: str
    arguments: Mapping[str, Any]
    """A JSON Schema."""
    max_seconds: float

    @classmethod
    def of(cls, tool: Tool) -> "ToolSummary":
        """The part of a tool that is shown."""
        return cls.model_validate(tool, from_attributes=True)


class ToolPage(BaseModel):
    """The tools, by name."""

    tools: list[ToolSummary]


@router.get("")
async def list_tools(service: ServiceDependency) -> ToolPage:
    """The configured tools."""
    return ToolPage(tools=[ToolSummary.of(tool) for _, tool in sorted(service.tools.items())])
