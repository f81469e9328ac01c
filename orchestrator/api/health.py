"""GET /healthz."""

from dataclasses import asdict

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from orchestrator.api.injection import ServiceDependency

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz(service: ServiceDependency) -> JSONResponse:
    """200 if runs can be executed, else 503; each part with "ok" or what is wrong."""
    health = await service.health()
    return JSONResponse(asdict(health), status_code=200 if health.is_ready else 503)
