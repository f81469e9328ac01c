"""The experts over HTTP: list, push, pop, roll back, and what was changed."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from graphs.protocols import ExpertProfile
from orchestrator.api.injection import CallerDependency, ServiceDependency
from orchestrator.expert_audit import ExpertChange

router = APIRouter(prefix="/api/experts", tags=["experts"])


class ExpertSummary(BaseModel):
    """An expert that can be asked."""

    name: str
    version: str
    domain: str
    description: str
    tool: str | None

    @classmethod
    def of(cls, profile: ExpertProfile) -> "ExpertSummary":
        """The part of a profile that is shown."""
        return cls.model_validate(profile, from_attributes=True)


class ExpertPage(BaseModel):
    """The experts, by name."""

    experts: list[ExpertSummary]


class PushRequest(BaseModel):
    """A directory on the service's machine with an expert's card and weights."""

    model_config = ConfigDict(extra="forbid")

    path: Path


class RollbackRequest(BaseModel):
    """Which version becomes active; none: the one before the last change."""

    model_config = ConfigDict(extra="forbid")

    version: str | None = None


class AuditPage(BaseModel):
    """Changes of the experts, the newest first."""

    changes: list[ExpertChange]


@router.get("")
async def list_experts(service: ServiceDependency) -> ExpertPage:
    """The experts that can be asked now."""
    profiles = sorted(service.experts.profiles(), key=lambda profile: profile.name)
    return ExpertPage(experts=[ExpertSummary.of(profile) for profile in profiles])


@router.post("", status_code=201)
async def push_expert(request: PushRequest, service: ServiceDependency, caller: CallerDependency) -> ExpertSummary:
    """Attach an expert, or a new version of one; runs that go on keep theirs."""
    return ExpertSummary.of(await service.lifecycle.push(request.path, by=caller.name))


@router.delete("/{name}")
async def pop_expert(name: str, service: ServiceDependency, caller: CallerDependency) -> ExpertSummary:
    """Detach an expert; its files stay."""
    return ExpertSummary.of(await service.lifecycle.pop(name, by=caller.name))


@router.post("/{name}/rollback")
async def roll_back_expert(
    name: str, request: RollbackRequest, service: ServiceDependency, caller: CallerDependency
) -> ExpertSummary:
    """Make an earlier version of an expert active; runs that go on keep theirs."""
    return ExpertSummary.of(await service.lifecycle.rollback(name, request.version, by=caller.name))


@router.get("/audit")
async def list_changes(service: ServiceDependency, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> AuditPage:
    """Every push, pop and rollback that a service of this tenant made."""
    return AuditPage(changes=await service.lifecycle.audit.newest(limit))
