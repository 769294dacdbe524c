"""Every error of a service as RFC 9457 problem details."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from rulebook.messages.problems import MEDIA_TYPE, Problem

log = structlog.get_logger()


_MEANWHILE = Problem(
    title="Somebody changed the same thing at the same moment; nothing was done, try again",
    status=503,
    reason="changed_meanwhile",
)
# What a request can bring about without anybody's fault, by SQLSTATE (PostgreSQL, appendix A): a unique key taken since it
# was looked for, a serialization failure, a deadlock; and U+0000, which no text of PostgreSQL holds.
_DATABASE_PROBLEMS = {
    "23505": _MEANWHILE,
    "40001": _MEANWHILE,
    "40P01": _MEANWHILE,
    "22021": Problem(title="The request has a character U+0000 in a text", status=422, reason="invalid_fields"),
}


class Refused(Exception):
    """The business says no. Services raise it; the edge answers it as a problem document."""

    def __init__(
        self, status: int, title: str, detail: str = "", *, reason: str = "", errors: Sequence[dict[str, Any]] = ()
    ) -> None:
        super().__init__(detail or title)
        self.problem = Problem(title=title, status=status, detail=detail, reason=reason, errors=list(errors))


def problem_response(problem: Problem) -> Response:
    return JSONResponse(problem.model_dump(), problem.status, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer all errors of ``app`` as problems; a page without sign-in goes to the sign-in page instead."""

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> Response:
        return problem_response(error.problem)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        faults = [
            {"field": ".".join(str(part) for part in fault["loc"][1:]) or str(fault["loc"][0]), "message": fault["msg"]}
            for fault in error.errors()
        ]
        return problem_response(
            Problem(title="The request has wrong or missing fields", status=422, errors=faults, reason="invalid_fields")
        )

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 401 and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(f"/sign-in?next={request.url.path}", 303)
        response = problem_response(Problem(title=str(error.detail), status=error.status_code))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(DBAPIError)
    async def database(request: Request, error: DBAPIError) -> Response:
        problem = _DATABASE_PROBLEMS.get(getattr(error.orig, "sqlstate", None) or "")
        if problem is None:
            raise error
        log.warning("request met the database", path=request.url.path, exc_info=error)
        return problem_response(problem)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        log.error("request failed", path=request.url.path, exc_info=error)
        return problem_response(Problem(title="Something went wrong here; it has been logged", status=500))
