"""The application: its routers and its error bodies."""

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer

from orchestrator.api import experts, gate, health, runs, schedules, threads, tools, webhooks, workflows
from orchestrator.api.authorization import Authorization
from orchestrator.api.error_body import add_error_bodies
from orchestrator.auth import Auth
from orchestrator.service import Service


def create_app(service: Service, auth: Auth) -> FastAPI:
    """The HTTP side of an open service."""
    app = FastAPI(
        title="ccoe",
        description="A task comes in, domain experts on one shared backbone answer it.",
        dependencies=[Depends(HTTPBearer(auto_error=False))],  # for /docs alone; the middleware looks at keys
    )
    app.add_middleware(Authorization, auth=auth)
    app.state.service = service
    app.include_router(runs.router)
    app.include_router(schedules.router)
    app.include_router(webhooks.router)
    app.include_router(threads.router)
    app.include_router(experts.router)
    app.include_router(tools.router)
    app.include_router(workflows.router)
    app.include_router(gate.router)
    app.include_router(health.router)
    add_error_bodies(app)
    return app
