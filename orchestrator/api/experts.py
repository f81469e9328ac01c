"""The experts over HTTP."""

from fastapi import APIRouter
from pydantic import BaseModel

from orchestrator.api.injection import ServiceDependency

router = APIRouter(prefix="/api/experts", tags=["experts"])


class ExpertSummary(BaseModel):
    """An expert that can be asked."""

    name: str
    version: str
    domain: str
    description: str
    tool: str | None


class ExpertPage(BaseModel):
    """The experts, by name."""

    experts: list[ExpertSummary]


@router.get("")
async def list_experts(service: ServiceDependency) -> ExpertPage:
    """The experts that can be asked now."""
    profiles = sorted(service.profiles(), key=lambda profile: profile.name)
    return ExpertPage(experts=[ExpertSummary.model_validate(profile, from_attributes=True) for profile in profiles])
