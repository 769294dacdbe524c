"""Logs of a service: one JSON object a line, time in UTC, and no value of a variable or of an SQL parameter in it."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError
from structlog.typing import EventDict, Processor

_UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.access")


def configure() -> None:
    """For a service's own process: structlog's and the standard library's records (uvicorn's among them) in one form to
    standard error. Call it after uvicorn has set its own handlers, as an app factory does."""
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _plain_traceback,
    ]
    render = structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in _UVICORN:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.INFO if name != "uvicorn.access" else logging.WARNING)


def _plain_traceback(_: Any, __: str, event: EventDict) -> EventDict:
    """``exc_info`` as text: structlog's own form shows the variables of every frame."""
    found = event.pop("exc_info", None)
    error = sys.exc_info()[1] if found is True else found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        event["traceback"] = "\n".join(_lines(error))
    return event


def _lines(error: BaseException) -> Iterator[str]:
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None:
        yield from _lines(earlier)
        yield "then:"
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"  {frame.filename}:{frame.lineno} in {frame.name}: {frame.line}"
    yield f"{type(error).__qualname__}: {_message(error)}"


def _message(error: BaseException) -> str:
    """The first line only: pydantic and PostgreSQL quote the refused value in the next ones, and the database's driver in
    the first, too."""
    if isinstance(error, DBAPIError):
        return f"SQLSTATE {getattr(error.orig, 'sqlstate', None)} at {error.statement}"
    if type(error).__module__.startswith(("asyncpg", "sqlalchemy")):
        return f"constraint {getattr(error, 'constraint_name', None)}"
    return str(error).partition("\n")[0]
