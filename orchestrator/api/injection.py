"""How an endpoint gets at the service, and at who asks."""

from typing import Annotated, cast

from fastapi import Depends, Request

from orchestrator.auth import Caller
from orchestrator.service import Service


def service_of(request: Request) -> Service:
    """The service that the application was made with."""
    return cast(Service, request.app.state.service)


def caller_of(request: Request) -> Caller:
    """Who asks, as the middleware has found out."""
    return cast(Caller, request.state.caller)


CallerDependency = Annotated[Caller, Depends(caller_of)]
ServiceDependency = Annotated[Service, Depends(service_of)]
