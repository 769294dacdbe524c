"""The web shell both staff services stand in: sign-in, session, time, problems, pages in two languages."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.middleware.sessions import SessionMiddleware

from backoffice import problems
from backoffice.clock import HEADER, Clock
from backoffice.database import Database
from backoffice.guard import Guard
from backoffice.settings import Settings
from backoffice.staff import Accounts, Staff
from rulebook.calendar import BUSINESS_ZONE
from rulebook.money import Amount

IDLE_LIMIT = timedelta(minutes=30)
_UNITS = ((86400, "天", "d"), (3600, "小时", "h"), (60, "分钟", "min"), (1, "秒", "s"))


@dataclass(frozen=True, slots=True)
class Page:
    """An entry of the navigation; those that follow each other with one ``group`` stand together under its two words."""

    path: str
    chinese: str
    english: str
    group: tuple[str, str] = ("", "")
    for_guests: bool = False

    def holds(self, path: str) -> bool:
        """Whether ``path`` is this page or one below it."""
        return path == self.path or (self.path != "/" and path.startswith(f"{self.path}/"))


class Service:
    """What the handlers of one staff service share. Reach it with ``Depends(service)``."""

    def __init__(
        self,
        *,
        name: str,
        title: tuple[str, str],
        settings: Settings,
        database: Database,
        accounts: Accounts,
        pages: Sequence[Page],
    ) -> None:
        self.name = name
        self.title = title
        self.settings = settings
        self.database = database
        self.accounts = accounts
        self._pages = tuple(pages)
        self.clock = Clock(simulated=settings.simulated_clock, start=settings.simulated_start)
        self._templates = Environment(
            loader=ChoiceLoader([PackageLoader(name), PackageLoader("backoffice")]),
            autoescape=select_autoescape(),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["yuan"] = lambda minor: str(Amount(int(minor)))
        self._templates.filters["local"] = _city_time
        self._templates.filters["span"] = span

    def page(self, request: Request, template: str, /, status: int = 200, **context: Any) -> HTMLResponse:
        """Render ``<service>/templates/<template>`` (or the shell's own) inside the shell."""
        # A request that failed early has no session yet.
        signed_in = request.scope.get("session", {}).get("name")
        rendered = self._templates.get_template(template).render(
            service=self,
            path=request.url.path,
            staff_name=signed_in,
            groups=self._groups(guest=request.scope.get("session", {}).get("guest", False)),
            **context,
        )
        return HTMLResponse(rendered, status)

    def home(self, *, guest: bool) -> str:
        """Where somebody begins: a guest at the first page that is for guests."""
        return next((page.path for page in self._pages if page.for_guests), "/") if guest else "/"

    def _groups(self, *, guest: bool) -> list[tuple[tuple[str, str], list[Page]]]:
        """The navigation as somebody sees it."""
        shown = [page for page in self._pages if page.for_guests or not guest]
        return [(group, list(entries)) for group, entries in groupby(shown, lambda page: page.group)]


def _city_time(moment: datetime) -> str:
    """A moment as the city's clocks show it; the database gives it in whatever zone its server is in."""
    return f"{moment.astimezone(BUSINESS_ZONE):%F %T}"


def span(length: timedelta) -> str:
    """A length of time in both languages, in its largest whole unit."""
    seconds = int(length.total_seconds())
    size, chinese, english = next(unit for unit in _UNITS if seconds % unit[0] == 0)
    return f"{seconds // size} {chinese} ({seconds // size} {english})"


def create_service_app(
    service: Service,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
    *,
    larger: Mapping[str, int] = MappingProxyType({}),
) -> FastAPI:
    """A FastAPI app with the shell in it; the service adds its routers. ``/openapi.json`` describes it; FastAPI's own page of
    that loads scripts from another site, so there is none. ``larger``: bytes of content that are taken below a path, where
    those are more than ``guard.LARGEST_CONTENT``."""
    app = FastAPI(title=service.title[1], lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.service = service
    app.add_middleware(
        SessionMiddleware,
        # Both services may have one secret; a session of the one is none of the other.
        secret_key=f"{service.name}:{service.settings.session_secret.get_secret_value()}",
        session_cookie=f"citycard-{service.name}",
        same_site="strict",
        max_age=None,
        https_only=str(getattr(service.settings, f"{service.name}_url")).startswith("https://"),
    )
    app.add_middleware(Guard, larger=larger)
    problems.install(app)
    app.mount("/static", StaticFiles(packages=[("backoffice", "static")]), name="static")
    _add_sign_in(app)
    return app


# Dependencies are coroutines even where they wait for nothing: FastAPI sends plain functions to a thread each.
async def service(request: Request) -> Service:
    """FastAPI dependency: the service the request came to."""
    found: Service = request.app.state.service
    return found


ServiceDep = Annotated[Service, Depends(service)]


async def now(request: Request, here: ServiceDep) -> datetime:
    """FastAPI dependency: the time this request happens at."""
    try:
        here.clock.advance(request.headers.get(HEADER))
    except ValueError as error:
        raise HTTPException(400, str(error)) from error
    return here.clock.now()


Now = Annotated[datetime, Depends(now)]


async def current_staff(request: Request, here: ServiceDep, moment: Now) -> Staff:
    """FastAPI dependency: who is signed in. 401 where nobody is, or nothing was done for half an hour."""
    name, seen = request.session.get("name"), request.session.get("seen")
    if name is None or seen is None or moment - datetime.fromisoformat(seen) > IDLE_LIMIT:
        request.session.clear()
        raise HTTPException(401, "Sign in first / 请先登录")
    async with here.database.reading() as session:
        staff = await here.accounts.find(session, name)
    if staff is None:
        raise HTTPException(401, "Sign in first / 请先登录")
    request.session["seen"] = moment.isoformat()
    return staff


AnyStaffDep = Annotated[Staff, Depends(current_staff)]


async def own_staff(staff: AnyStaffDep) -> Staff:
    """FastAPI dependency: the service's own staff; 403 for a participant's, which is not to see the others' business."""
    if staff.is_guest:
        raise HTTPException(403, "A participant's staff sees its own files only / 参与方人员只能查看本方文件")
    return staff


StaffDep = Annotated[Staff, Depends(own_staff)]


def require_role(*roles: str) -> Callable[[Staff], Awaitable[Staff]]:
    """FastAPI dependency factory: the signed-in member of staff, who must have one of ``roles``; 403 otherwise."""

    async def dependency(staff: StaffDep) -> Staff:
        if staff.roles.isdisjoint(roles):
            raise HTTPException(403, f"This needs the role {' or '.join(roles)} / 需要角色 {' 或 '.join(roles)}")
        return staff

    return dependency


async def service_caller(request: Request, here: ServiceDep) -> None:
    """FastAPI dependency: the caller is one of our services, by bearer token."""
    given = request.headers.get("authorization", "")
    expected = f"Bearer {here.settings.service_token.get_secret_value()}"
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise HTTPException(401, "A service token is needed", headers={"WWW-Authenticate": "Bearer"})


def _add_sign_in(app: FastAPI) -> None:
    @app.get("/sign-in", response_class=HTMLResponse, include_in_schema=False)
    async def form(request: Request, here: ServiceDep, next: str = "/") -> Response:  # noqa: A002 (query name)
        return here.page(request, "sign_in.html", target=_local(next), failed=False)

    @app.post("/sign-in")
    async def sign_in(
        request: Request,
        here: ServiceDep,
        moment: Now,
        name: Annotated[str, Form(max_length=64, pattern=r"^[^\x00-\x1f]+$")],
        password: Annotated[str, Form(max_length=256)],
        target: Annotated[str, Form()] = "/",
    ) -> Response:
        async with here.database.transaction() as session:
            staff = await here.accounts.sign_in(session, name, password, moment)
        if staff is None:
            return here.page(request, "sign_in.html", status=401, target=_local(target), failed=True)
        request.session.update(name=staff.name, seen=moment.isoformat(), guest=staff.is_guest)
        wanted = _local(target)
        return RedirectResponse(here.home(guest=staff.is_guest) if wanted == "/" else wanted, 303)

    @app.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        request.session.clear()
        return RedirectResponse("/sign-in", 303)


def _local(target: str) -> str:
    """Only paths of this site are gone to after sign-in."""
    plain = target.isprintable() and "\\" not in target
    return target if plain and target.startswith("/") and not target.startswith("//") else "/"
