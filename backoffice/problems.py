"""Every error of a service as RFC 9457 problem details."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from rulebook.calendar import DayNotCovered
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


# What a status means to somebody in front of a page: "ours".
_TOLD = {
    400: ("请求无法读取", "The request cannot be read"),
    403: ("您无权办理", "You may not do this"),
    404: ("没有找到", "Not found"),
    409: ("与现状不符，未作任何改动", "It does not fit how things stand; nothing was changed"),
    413: ("文件太大，未接收", "The file is too large; nothing was taken"),
    422: ("填写有误，未作任何改动", "Something was filled in wrongly; nothing was changed"),
    500: ("系统出错，已记录", "Something went wrong here; it has been logged"),
    503: ("他人同时改动，未作任何改动，请重试", "Somebody changed it meanwhile; nothing was done, try again"),
}
_CALENDAR_ENDS: dict[str, Any] = {
    "title": "日历缺少该日 / The calendar ends before it",
    "status": 409,
    "reason": "calendar_ends",
}
_CALENDAR = "add the State Council's notice for that year to rulebook/calendar/data and start the service again"
_NOT_DONE = ("未能办理", "It was not done")
_SHOWN = 200


class Refused(Exception):
    """The business says no. Services raise it; the edge answers it as a problem document."""

    def __init__(
        self, status: int, title: str, detail: str = "", *, reason: str = "", errors: Sequence[dict[str, Any]] = ()
    ) -> None:
        super().__init__(detail or title)
        self.problem = Problem(title=title, status=status, detail=detail, reason=reason, errors=list(errors))


def problem_response(problem: Problem) -> Response:
    return JSONResponse(problem.model_dump(), problem.status, media_type=MEDIA_TYPE)


def answer(request: Request, problem: Problem) -> Response:
    """``problem`` to a program as a document, to somebody who pressed a button as a page."""
    if not _by_a_browser(request):
        return problem_response(problem)
    page: Response = request.app.state.service.page(
        request,
        "problem.html",
        problem.status,
        problem=problem,
        told=_TOLD.get(problem.status, _NOT_DONE),
        errors=problem.errors[:_SHOWN],
        filled_in=request.method == "POST",
        back=urlsplit(request.headers.get("referer", "")).path or "/",
    )
    return page


def install(app: FastAPI) -> None:
    """Answer all errors of ``app`` as problems; a page without sign-in goes to the sign-in page instead."""

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        return answer(request, error.problem)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        faults = [
            {"field": ".".join(str(part) for part in fault["loc"][1:]) or str(fault["loc"][0]), "message": fault["msg"]}
            for fault in error.errors()
        ]
        return answer(
            request,
            Problem(
                title="The request has wrong or missing fields", status=422, errors=faults, reason="invalid_fields"
            ),
        )

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 401 and _by_a_browser(request):
            return RedirectResponse(f"/sign-in?next={quote(_wanted(request))}", 303)
        response = answer(request, Problem(title=str(error.detail), status=error.status_code))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(DayNotCovered)
    async def calendar_ends(request: Request, error: DayNotCovered) -> Response:
        log.error("the calendar ends", path=request.url.path, why=str(error))
        return answer(request, Problem(detail=f"{error}; {_CALENDAR}", **_CALENDAR_ENDS))

    @app.exception_handler(DBAPIError)
    async def database(request: Request, error: DBAPIError) -> Response:
        problem = _DATABASE_PROBLEMS.get(getattr(error.orig, "sqlstate", None) or "")
        if problem is None:
            raise error
        log.warning("request met the database", path=request.url.path, exc_info=error)
        return answer(request, problem)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        log.error("request failed", path=request.url.path, exc_info=error)
        return answer(request, Problem(title=_TOLD[500][1], status=500))


def _by_a_browser(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _wanted(request: Request) -> str:
    """Where somebody wanted to go; what a form sends cannot be sent again by a link."""
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{request.url.path}{query}" if request.method == "GET" else "/"
