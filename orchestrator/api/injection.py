"""How an endpoint gets at the service."""

from typing import Annotated, cast

from fastapi import Depends, Request

from orchestrator.service import Service


def service_of(request: Request) -> Service:
    """The service that the application was made with."""
    return cast(Service, request.app.state.service)


ServiceDependency = Annotated[Service, Depends(service_of)]
