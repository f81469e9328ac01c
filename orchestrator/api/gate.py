"""The gate over HTTP."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from orchestrator.api.injection import ServiceDependency
from orchestrator.gate_answer import GateAnswer

router = APIRouter(prefix="/api/gate", tags=["gate"])


class GateRequest(BaseModel):
    """What somebody asks."""

    model_config = ConfigDict(extra="forbid")

    text: str


@router.post("")
async def ask_gate(request: GateRequest, service: ServiceDependency) -> GateAnswer:
    """The expert for a text, with scores and the rule that fired. Nothing is answered or stored."""
    return await service.gate(request.text)
