"""The one error body: {"error": {"type", "message", "remedy"}}."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from orchestrator.failure import KNOWN_ERRORS, failure_of, http_status_of
from orchestrator.run import RunError


def add_error_bodies(app: FastAPI) -> None:
    """Every error of the application gets the one body."""
    for root in KNOWN_ERRORS:
        app.add_exception_handler(root, _on_known)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_fault)


def error_response(error: Exception) -> JSONResponse:
    """The response to a known error."""
    return _body(http_status_of(error), failure_of(error))


def _body(status: int, error: RunError) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse({"error": error.model_dump()}, status_code=status, headers=headers)


async def _on_known(_: Request, error: Exception) -> JSONResponse:
    return error_response(error)


async def _on_fault(_: Request, error: Exception) -> JSONResponse:
    remedy = "see the service's log"
    return _body(500, RunError(type="internal_error", message=type(error).__name__, remedy=remedy))


async def _on_invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
    return _body(422, RunError(type="request_invalid", message="; ".join(faults), remedy="see /docs for the fields"))


async def _on_http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    kind = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    return _body(error.status_code, RunError(type=kind, message=str(error.detail), remedy="see /docs for the paths"))
