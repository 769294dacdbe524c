"""What every answer of a staff service says to browsers, and which requests of browsers are not taken."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backoffice.problems import Refused, problem_response
from rulebook.messages.problems import Problem

LARGEST_CONTENT = 96 * 1024 * 1024
"""Bytes of a request; ours: more than any endpoint takes that has its content in memory. It is read before anybody is known."""

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
    open a WebSocket with somebody's session; programs, which send no ``Origin``, are let through. Of content no more is read
    than ``larger`` allows below its paths, elsewhere ``LARGEST_CONTENT``."""

    def __init__(self, app: ASGIApp, larger: Mapping[str, int]) -> None:
        self._app, self._larger = app, larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif not _foreign(scope):
            await self._app(scope, self._limited(scope, receive), _marked(scope, send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "A page of another site asked"})
        else:
            problem = Problem(title="This request came from a page of another site", status=403, reason="other_origin")
            await problem_response(problem)(scope, receive, _marked(scope, send))

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """Raises ``Refused`` 413 into whoever reads the byte too many."""
        most = next((most for path, most in self._larger.items() if scope["path"].startswith(path)), LARGEST_CONTENT)
        came = 0

        async def counting() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > most:
                detail = f"more than {most} bytes; send it in several requests"
                raise Refused(413, "The content is too large", detail, reason="content_too_large")
            return message

        return counting


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
