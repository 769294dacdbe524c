"""What every answer of a staff service says to browsers, and which requests of browsers are not taken."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backoffice.problems import problem_response
from rulebook.messages.problems import Problem

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# Referrer-Policy is not no-referrer: with that browsers send "Origin: null" with our own forms.
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class Guard:
    """ASGI middleware. A page of another origin (another port of the same machine also) can neither change anything nor
    open a WebSocket with somebody's session; programs, which send no ``Origin``, are let through."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif not _foreign(scope):
            await self._app(scope, receive, _marked(scope, send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "A page of another site asked"})
        else:
            problem = Problem(title="This request came from a page of another site", status=403, reason="other_origin")
            await problem_response(problem)(scope, receive, _marked(scope, send))


def _foreign(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    if scope["type"] == "http" and scope["method"] in _SAFE:
        return False
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host", "")


def _marked(scope: Scope, send: Send) -> Send:
    async def marking(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(_HEADERS)
            if not scope["path"].startswith("/static/"):
                headers["Cache-Control"] = "no-store"
        await send(message)

    return marking
