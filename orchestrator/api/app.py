"""The application: its routers and its error bodies."""

from fastapi import FastAPI

from orchestrator.api import experts, gate, health, runs
from orchestrator.api.error_body import add_error_bodies
from orchestrator.service import Service


def create_app(service: Service) -> FastAPI:
    """The HTTP side of an open service."""
    app = FastAPI(title="ccoe", description="A task comes in, domain experts on one shared backbone answer it.")
    app.state.service = service
    app.include_router(runs.router)
    app.include_router(experts.router)
    app.include_router(gate.router)
    app.include_router(health.router)
    add_error_bodies(app)
    return app
