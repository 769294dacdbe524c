"""The whole way: a real server, a WebSocket, the counter's client, committed to a database of its own."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from pydantic import SecretStr
from sqlalchemy import URL
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from backoffice.clock import HEADER
from backoffice.database import prepare
from backoffice.migration import upgrade
from backoffice.settings import Settings
from card_os.wire.dialogue import CardGone
from hardware.readers.relay import answer
from hardware.vault import demonstration as keys
from hardware.vault.opening import open_demonstration_vault
from issuing import demonstration
from issuing.app import create_app
from issuing.counter.client import counter
from issuing.counter.messages import Outcome

MORNING = "2026-09-15T06:00:00+08:00"


@pytest.fixture(scope="module")
def own_database(administrator: URL, role_urls: dict[str, URL]) -> URL:
    """Where role issuing connects; what is committed here no other test sees."""
    name = "citycard_counter"
    passwords = {role: url.password or "" for role, url in role_urls.items()}
    asyncio.run(prepare(administrator, passwords, name))
    asyncio.run(upgrade(role_urls["owner"].set(database=name), "issuing"))
    return role_urls["issuing"].set(database=name)


@contextmanager
def served(app: Any) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", ws="websockets-sansio"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def signed_in(url: str, name: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={HEADER: MORNING}, trust_env=False) as client:
        answer = client.post("/sign-in", data={"name": name, "password": demonstration.ACCOUNTS[name].password})
        assert answer.status_code == 303
        yield client


@pytest.fixture(params=["software", pytest.param("pkcs11", marks=pytest.mark.needs_softhsm)])
def url(request: pytest.FixtureRequest, settings: Settings, own_database: URL, tmp_path: Path) -> Iterator[str]:
    vault = open_demonstration_vault(request.param, service="issuing", labels=keys.ISSUING_LABELS, folder=tmp_path)
    address_of = SecretStr(own_database.render_as_string(hide_password=False))
    used = settings.model_copy(update={"database_url": address_of})
    with served(create_app(used, vault, prepare=demonstration.seed)) as address:
        yield address
    if hasattr(vault, "close"):
        vault.close()


class Leaving:
    """A card that is pulled after a number of commands, once."""

    def __init__(self, card: Any, after: int) -> None:
        self._card, self._left = card, after

    @property
    def atr(self) -> bytes:
        found: bytes = self._card.atr
        return found

    def reset(self) -> bytes:
        found: bytes = self._card.reset()
        return found

    def transmit(self, command: bytes) -> bytes:
        self._left -= 1
        if self._left == 0:
            raise CardGone("pulled")
        found: bytes = self._card.transmit(command)
        return found


def test_cards_and_sam_over_one_connection(url: str, factory: Any, request: pytest.FixtureRequest) -> None:
    first = 100 if "pkcs11" in request.node.name else 0  # both vaults share the database
    with signed_in(url, "issuing-clerk") as clerk, signed_in(url, "issuing-approver") as approver:
        clerk.post("/register/files", content=factory.register_file(3, start=first)).raise_for_status()
        rows = [{"application": f"A-{n}", "citizen_id": factory.citizen_id(n)} for n in range(first, first + 3)]
        clerk.post("/applications/batch", json={"applications": rows}).raise_for_status()
        names = {"applications": [row["application"] for row in rows]}
        approver.post("/applications/approvals", json=names).raise_for_status()
        cards, sams = range(first, first + 3), range(first + 10, first + 11)
        for kind, numbers in (("card", cards), ("transit-sam", sams)):
            approver.post("/stock/deliveries", json=factory.delivery(kind, numbers)).raise_for_status()
        with counter(clerk) as desk:
            torn = Leaving(factory.blank(first), after=50)
            outcomes = [desk.personalise(torn), desk.personalise(torn)]
            outcomes += [desk.personalise(factory.blank(number)) for number in (*cards[1:], *sams)]
        assert [result.outcome for result in outcomes] == [Outcome.BROKEN, *[Outcome.PERSONALISED] * 4]
        assert [result.application for result in outcomes[1:4]] == names["applications"]
        serials = [result.serial.hex() for result in outcomes[1:4] if result.serial]
        clerk.post("/cards/activations", json={"serials": serials}).raise_for_status()


def test_counter_without_sign_in_is_closed(url: str) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        connect(url.replace("http", "ws") + "/counter/personalisation", proxy=None).close()


def test_approver_has_no_counter(url: str) -> None:
    with signed_in(url, "issuing-approver") as approver, pytest.raises(InvalidStatus, match="403"), counter(approver):
        pass


def test_counter_that_talks_rubbish_is_closed(url: str, factory: Any) -> None:
    with signed_in(url, "issuing-clerk") as clerk, counter(clerk) as desk:
        desk._socket.send("hello")
        with pytest.raises(ConnectionClosed, match="1003"):
            desk._socket.recv()


def test_line_that_breaks_in_the_middle_is_a_card_that_left(
    url: str, factory: Any, request: pytest.FixtureRequest
) -> None:
    number = 300 if "pkcs11" in request.node.name else 200
    card = factory.blank(number)
    with signed_in(url, "issuing-clerk") as clerk, signed_in(url, "issuing-approver") as approver:
        clerk.post("/register/files", content=factory.register_file(1, start=number)).raise_for_status()
        application = {"application": f"B-{number}", "citizen_id": factory.citizen_id(number)}
        clerk.post("/applications", json=application).raise_for_status()
        approver.post(f"/applications/B-{number}/approval").raise_for_status()
        body = factory.delivery("card", range(number, number + 1))
        approver.post("/stock/deliveries", json=body).raise_for_status()
        with counter(clerk) as desk:
            desk._socket.send('{"present": {}}')
            for _ in range(40):
                desk._socket.send(json.dumps(answer(json.loads(desk._socket.recv()), card)))
        with counter(clerk) as desk:
            result = desk.personalise(card)
    assert (result.outcome, result.resumed) == (Outcome.PERSONALISED, True)


def test_counter_left_alone_asks_for_sign_in_again(url: str, factory: Any) -> None:
    with signed_in(url, "issuing-clerk") as clerk, counter(clerk) as desk:
        desk.personalise(factory.blank(900))  # unknown to the stock, yet heard of
        clerk.get("/sign-in", headers={HEADER: "2026-09-15T06:20:00+08:00"})
        clerk.get("/stock", headers={HEADER: "2026-09-15T06:31:00+08:00"})
        with pytest.raises(ConnectionClosed, match="1008"):
            desk.personalise(factory.blank(900))
