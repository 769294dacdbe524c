"""The shell against browsers led astray, guessed passwords and forged sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, MutableMapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI, Request, WebSocket
from sqlalchemy import text

from backoffice import staff
from backoffice.clock import HEADER
from backoffice.database import Database
from backoffice.problems import Refused
from backoffice.settings import Settings
from backoffice.web import Page, Service, StaffDep, create_service_app, span
from issuing.base import accounts

SETTINGS = Settings(service_token="t" * 16, session_secret="s" * 16, simulated_clock=True)
BASE = "http://office"


def app_over(
    database: Database,
    *,
    name: str = "issuing",
    settings: Settings = SETTINGS,
    larger: Mapping[str, int] = MappingProxyType({}),
) -> FastAPI:
    service = Service(
        name=name, title=("办公室", "Office"), settings=settings, database=database, accounts=accounts, pages=()
    )
    app = create_service_app(service, larger=larger)

    @app.get("/who")
    async def who(signed_in: StaffDep) -> str:
        return signed_in.name

    @app.post("/refusing")
    async def refusing(_: StaffDep) -> None:
        raise Refused(
            409, "<b>Gone</b>", "take another one", errors=[{"field": "number", "message": "is taken", "row": 7}]
        )

    return app


def client_of(app: FastAPI, **headers: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE, headers=headers)


@pytest.fixture
async def office(issuing_database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setattr(staff, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    async with issuing_database.transaction() as session:
        await accounts.seed(session, "wang", "right", ["clerk"])
    async with client_of(app_over(issuing_database)) as client:
        yield client


async def sign_in(client: httpx.AsyncClient, password: str, *, at: str = "08:00", **headers: str) -> int:
    headers |= {HEADER: f"2026-09-15T{at}:00+08:00"}
    answer = await client.post("/sign-in", data={"name": "wang", "password": password}, headers=headers)
    return answer.status_code


async def test_a_locked_account_stays_locked_however_often_it_is_tried(office: httpx.AsyncClient) -> None:
    for _ in range(5):
        assert await sign_in(office, "wrong") == 401
    for password in ("wrong", "right", "right"):
        assert await sign_in(office, password, at="08:14") == 401
    assert await sign_in(office, "right", at="08:15") == 303


async def test_an_unknown_name_is_not_written_down(office: httpx.AsyncClient, issuing_database: Database) -> None:
    answer = await office.post("/sign-in", data={"name": "my-own-password", "password": "x"})
    assert answer.status_code == 401
    async with issuing_database.reading() as session:
        rows = (await session.execute(text("SELECT * FROM issuing.audit_trail WHERE actor = 'unknown'"))).all()
    assert len(rows) == 1
    assert "my-own-password" not in str(rows)


async def test_an_unknown_name_costs_a_hash_too(office: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = []
    monkeypatch.setattr(staff, "_HASHER", type("Counting", (), {"hash": lambda _, password: hashed.append(password)})())
    await office.post("/sign-in", data={"name": "nobody", "password": "guess"})
    assert hashed == ["guess"]


@pytest.mark.parametrize(("path", "taken"), [("/swallow", 4), ("/more", 8)])
async def test_of_content_no_more_is_read_than_is_allowed(
    issuing_database: Database, monkeypatch: pytest.MonkeyPatch, path: str, taken: int
) -> None:
    """Also where nobody says beforehand how much it is: who has not signed in could fill the memory."""
    monkeypatch.setattr("backoffice.guard.LARGEST_CONTENT", 4)
    app = app_over(issuing_database, larger={"/more": 8})

    @app.post("/swallow")
    @app.post("/more")
    async def swallow(request: Request) -> int:
        return len(await request.body())

    async def pieces(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"x"

    async with client_of(app) as client:
        assert (await client.post(path, content=pieces(taken))).json() == taken
        refused = await client.post(path, content=pieces(taken + 1))
    assert (refused.status_code, refused.json()["reason"]) == (413, "content_too_large")


@pytest.mark.parametrize("name", ["wa\x00ng", "w" * 65])
async def test_a_name_no_account_can_have_is_refused(office: httpx.AsyncClient, name: str) -> None:
    assert (await office.post("/sign-in", data={"name": name, "password": "x"})).status_code == 422


@pytest.mark.parametrize("origin", ["http://evil.example", "http://office:8080", "null"])
async def test_a_page_of_another_origin_can_do_nothing(office: httpx.AsyncClient, origin: str) -> None:
    assert await sign_in(office, "right", origin=origin) == 403
    assert "set-cookie" not in (await office.post("/sign-out", headers={"origin": origin})).headers


async def test_our_own_pages_and_programs_can(office: httpx.AsyncClient) -> None:
    assert await sign_in(office, "right", origin=BASE) == 303
    assert await sign_in(office, "right") == 303


@pytest.mark.parametrize(("origin", "opened"), [("http://evil.example", False), (BASE, True)])
async def test_a_page_of_another_origin_opens_no_websocket(
    issuing_database: Database, origin: str, opened: bool
) -> None:
    app = app_over(issuing_database)

    @app.websocket("/line")
    async def line(socket: WebSocket) -> None:
        await socket.accept()

    headers = [(b"host", b"office"), (b"origin", origin.encode())]
    scope = {"type": "websocket", "path": "/line", "headers": headers, "query_string": b"", "subprotocols": []}
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message["type"])

    await app(scope, receive, send)
    assert sent[0] == ("websocket.accept" if opened else "websocket.close")


@pytest.mark.parametrize("path", ["/sign-in", "/who", "/nowhere"])
async def test_every_answer_is_kept_out_of_frames_and_caches(office: httpx.AsyncClient, path: str) -> None:
    headers = (await office.get(path)).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


async def test_no_page_loads_anything_from_another_site(office: httpx.AsyncClient) -> None:
    for path in ("/api", "/docs", "/redoc"):
        assert (await office.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("target", "gone_to"),
    [
        ("/cards?page=2", "/cards?page=2"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("https://evil.example", "/"),
        ("", "/"),
    ],
)
async def test_after_sign_in_only_this_site_is_gone_to(office: httpx.AsyncClient, target: str, gone_to: str) -> None:
    answer = await office.post("/sign-in", data={"name": "wang", "password": "right", "target": target})
    assert (answer.status_code, answer.headers["location"]) == (303, gone_to)


async def test_a_session_ends_after_half_an_hour_of_nothing(office: httpx.AsyncClient) -> None:
    await sign_in(office, "right", at="08:00")
    assert (await office.get("/who", headers={HEADER: "2026-09-15T08:30:00+08:00"})).text == '"wang"'
    assert (await office.get("/who", headers={HEADER: "2026-09-15T09:00:01+08:00"})).status_code == 401


async def test_a_session_of_one_service_is_none_of_the_other(
    office: httpx.AsyncClient, issuing_database: Database
) -> None:
    await sign_in(office, "right")
    stolen = office.cookies["citycard-issuing"]
    other = app_over(issuing_database, name="clearing")
    async with client_of(other, Cookie=f"citycard-clearing={stolen}") as client:
        assert (await client.get("/who")).status_code == 401


@pytest.mark.parametrize(("url", "secure"), [("http://office", False), ("https://office", True)])
async def test_the_cookie_is_for_this_site_and_no_script(
    office: httpx.AsyncClient, issuing_database: Database, url: str, secure: bool
) -> None:
    settings = SETTINGS.model_copy(update={"issuing_url": url})
    async with client_of(app_over(issuing_database, settings=settings)) as client:
        answer = await client.post("/sign-in", data={"name": "wang", "password": "right"})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert ("secure" in cookie) is secure


@pytest.mark.parametrize(
    ("name", "status", "reason"), [("wang", 503, "changed_meanwhile"), ("wa\x00ng", 422, "invalid_fields")]
)
async def test_what_the_database_refuses_is_told_without_its_words(
    office: httpx.AsyncClient, issuing_database: Database, name: str, status: int, reason: str
) -> None:
    app = app_over(issuing_database)

    @app.get("/insert")
    async def insert() -> None:
        async with issuing_database.transaction() as session:
            statement = text("INSERT INTO issuing.staff (name, password_hash, roles) VALUES (:name, 'x', '{}')")
            await session.execute(statement, {"name": name})

    async with client_of(app) as client:
        answer = await client.get("/insert")
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert "wang" not in answer.text


BROWSER = {"accept": "text/html", HEADER: "2026-09-15T08:00:00+08:00"}


async def test_a_browser_is_refused_with_a_page_that_leads_back(office: httpx.AsyncClient) -> None:
    await sign_in(office, "right")
    answer = await office.post("/refusing", headers={**BROWSER, "referer": f"{BASE}/cases/7?page=2"})
    assert answer.status_code == 409
    assert answer.headers["content-type"].startswith("text/html")
    for told in (
        "与现状不符",
        "nothing was changed",
        "&lt;b&gt;Gone",
        "take another one",
        "is taken",
        "编号",
        "keeps what was filled in",
        'href="/cases/7"',
    ):
        assert told in answer.text
    assert "wang" in answer.text


async def test_a_program_is_refused_with_a_document(office: httpx.AsyncClient) -> None:
    await sign_in(office, "right")
    answer = await office.post("/refusing", headers={**BROWSER, "accept": "*/*"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"] == [{"field": "number", "message": "is taken", "row": 7}]


@pytest.mark.parametrize(
    ("method", "asked", "after"),
    [("GET", "/who?window=1&book=a b", "/who%3Fwindow%3D1%26book%3Da%2520b"), ("POST", "/refusing", "/")],
)
async def test_sign_in_leads_on_to_what_was_asked_for(
    office: httpx.AsyncClient, method: str, asked: str, after: str
) -> None:
    """A form that came too late is not gone to: its address answers no link."""
    answer = await office.request(method, asked, headers=BROWSER)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next={after}")


@pytest.mark.parametrize(
    ("length", "told"),
    [
        (timedelta(hours=1), "1 小时 (1 h)"),
        (timedelta(days=3), "3 天 (3 d)"),
        (timedelta(minutes=90), "90 分钟 (90 min)"),
        (timedelta(0), "0 天 (0 d)"),
    ],
)
def test_lengths_of_time_are_told_in_words(length: timedelta, told: str) -> None:
    assert span(length) == told


@pytest.mark.parametrize(
    ("path", "held"), [("/cases", True), ("/cases/7", True), ("/casesheet", False), ("/", False), ("/a/cases", False)]
)
def test_a_page_below_another_lights_its_entry(path: str, held: bool) -> None:
    assert Page("/cases", "案件", "Cases").holds(path) is held


def test_the_front_page_lights_for_itself_only() -> None:
    front = Page("/", "总览", "Overview")
    assert front.holds("/")
    assert not front.holds("/cases")


async def test_an_address_that_is_none_says_so_on_a_page(office: httpx.AsyncClient) -> None:
    answer = await office.get("/nowhere", headers=BROWSER)
    assert answer.status_code == 404
    assert "没有找到" in answer.text
    assert "filled in" not in answer.text
