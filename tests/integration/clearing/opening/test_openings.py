"""A running city hands itself over: conversations with the service, bad files among them, over real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import select

from backoffice.clock import HEADER
from backoffice.database import Database
from backoffice.settings import Settings
from backoffice.staff import DemonstrationAccount
from clearing.app import create_app
from clearing.day.counters import COUNTER, seen
from clearing.day.kept import KeptRegister, by_bucket
from clearing.day.keys import bucket_of, keys_of
from clearing.day.parquet import Written
from clearing.demonstration import ROLES
from clearing.ledger import queries as ledger
from clearing.ledger.accounts import TRANSIT
from clearing.ledger.rules import Purpose
from clearing.ledger.service import close_chain, verify
from clearing.ledger.sheet import position_of_float
from clearing.opening.counters import brought_counters
from clearing.participants.rules import City, demonstration
from clearing.reconciliation.views import at_banks
from clearing.settlement.queries import counters_in_force
from clearing.settlement.tables import WindowRow
from hardware.vault.demonstration import CLEARING_LABELS
from hardware.vault.software import SoftwareVault

NOW = "2026-09-14T22:00:00+08:00"
STAFF = {"wang": "first-person", "li": "second-person"}


def _accounts() -> dict[str, DemonstrationAccount]:
    return {name: DemonstrationAccount(password, ROLES) for name, password in STAFF.items()}


ISSUER = "01991000FFFFFFFF"
HEADER_LINE = "issuer,serial,product,purse,last_offline,last_online,balance_minor,deposit_minor"
CARDS = [f"{ISSUER},03109910{card:012d},ordinary,2,{card},{card // 2},1000,200" for card in range(1, 101)]
ACCOUNTS = ["transit,float-at-bank,120700", "transit,operator-payable:bus-a,700"]


def empty_city() -> City:
    """The demonstration's, before anything was declared in its books."""
    document = demonstration().model_dump(mode="json")
    document["opening"] = []
    for at_bank in document["bank_accounts"].values():
        at_bank["opening_minor"] = 0
    return City.model_validate(document)


@dataclass
class Office:
    app: FastAPI
    folder: Path
    database: Database

    @asynccontextmanager
    async def staff(self, name: str) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://clearing", headers={HEADER: NOW}) as client:
            answer = await client.post("/sign-in", data={"name": name, "password": STAFF[name]})
            assert answer.status_code == 303, answer.text
            yield client

    async def hand_in(self, name: str = "wang", *, accept: str = "", **changed: Any) -> httpx.Response:
        given = {"number": "n1", "cards": CARDS, "accounts": ACCOUNTS, "totals": (100, 100_000, 20_000)} | changed
        files = {
            "card_file": ("cards.csv", "\n".join([HEADER_LINE, *given["cards"], ""])),
            "account_file": ("accounts.csv", "\n".join(["book,account,balance_minor", *given["accounts"], ""])),
        }
        names = ("card_count", "balance_minor", "deposit_minor")
        data = {"number": given["number"]} | dict(zip(names, map(str, given["totals"]), strict=True))
        async with self.staff(name) as client:
            return await client.post("/openings", data=data, files=files, headers={"Accept": accept} if accept else {})

    async def act(self, name: str, act: str, number: str = "n1", **form: str) -> httpx.Response:
        async with self.staff(name) as client:
            return await client.post(f"/openings/{number}/{act}", data=form)

    async def balances(self) -> dict[str, int]:
        async with self.database.reading() as session:
            standings = await ledger.standings(session, TRANSIT)
        return {s.account.code: s.balance.minor for s in standings if s.balance.minor}


@pytest.fixture
async def office(clearing_database: Database, tmp_path: Path) -> AsyncIterator[Office]:
    settings = Settings(
        data_folder=tmp_path,
        service_token=SecretStr("t" * 16),
        session_secret=SecretStr("s" * 16),
        simulated_clock=True,
    )
    vault = SoftwareVault.demonstration(CLEARING_LABELS)
    app = create_app(settings, vault, database=clearing_database, city=empty_city(), staff=_accounts())
    async with app.router.lifespan_context(app):
        yield Office(app, tmp_path, clearing_database)


async def test_two_people_bring_a_city_in(office: Office) -> None:
    proposed = await office.hand_in()
    assert proposed.status_code == 201, proposed.text
    assert proposed.json()["products"] == [
        {"name": "ordinary", "cards": 100, "balance_minor": 100_000, "deposit_minor": 20_000}
    ]
    assert await office.balances() == {}
    approved = await office.act("li", "approval")
    assert (approved.status_code, approved.json()["state"]) == (200, "posted"), approved.text
    assert await office.balances() == {
        "float-at-bank": 120_700,
        "value-on-cards": 100_000,
        "deposits-on-cards": 20_000,
        "operator-payable:bus-a": 700,
    }
    async with office.database.reading() as session:
        transfers = await ledger.transfers(session, TRANSIT)
        assert position_of_float(await ledger.standings(session, TRANSIT)).balanced
        assert await verify(session, TRANSIT) == []
    assert len(transfers) == 3
    assert {(t.purpose, str(t.business_day)) for t in transfers} == {(Purpose.OPENING, "2026-09-14")}


async def test_the_counters_are_in_force_and_let_nothing_old_through(office: Office) -> None:
    await office.hand_in()
    await office.act("li", "approval")
    async with office.database.reading() as session:
        written = await counters_in_force(session)
        assert await brought_counters(session) == written
    assert sum(file.rows for file in written) == 200  # taps and loads of each card
    results = office.folder / "clearing" / "results"
    register = KeptRegister({}, by_bucket(results, written))
    for card in (1, 50, 100):
        name = np.frombuffer(bytes.fromhex(f"{ISSUER}03109910{card:012d}"), "V18")
        for sequence, known in ((0, True), (card, True), (card + 1, False)):
            key = keys_of(name, np.array([2]), np.array([False]), np.array([sequence]))
            counters = register.counters(int(bucket_of(key)[0]))
            assert set(counters) == set(COUNTER.names or ())
            assert seen(counters, key, name).tolist() == [known]


async def test_the_files_say_who_they_are(office: Office) -> None:
    await office.hand_in()
    await office.act("li", "approval")
    async with office.database.reading() as session:
        (first, *_) = await counters_in_force(session)
    assert isinstance(first, Written)
    path = office.folder / "clearing" / "results" / first.name
    assert first.sha256.startswith(path.stem.rpartition("-")[2])
    assert pq.read_metadata(path).num_rows == first.rows


async def test_a_second_person_must_approve(office: Office) -> None:
    await office.hand_in()
    refused = await office.act("wang", "approval")
    assert (refused.status_code, refused.json()["reason"]) == (409, "second_person_must_differ")
    assert await office.balances() == {}


async def test_each_act_twice_changes_nothing(office: Office) -> None:
    first, second = await office.hand_in(), await office.hand_in()
    assert second.json() == first.json()
    once, again = await office.act("li", "approval"), await office.act("li", "approval")
    assert again.json() == once.json()
    assert (await office.hand_in()).json() == once.json()


def _without(line: int) -> list[str]:
    return [card for number, card in enumerate(CARDS, 2) if number != line]


BAD_FILES: dict[str, tuple[dict[str, Any], list[tuple[str, int, str]]]] = {
    "a line too short, a sum in yuan and a foreign card": (
        {"cards": [CARDS[0], "1,2,3", f"{CARDS[1]}.50", CARDS[2].replace(ISSUER, "02990000FFFFFFFF")]},
        [("cards", 3, "line"), ("cards", 4, "deposit_minor"), ("cards", 5, "issuer")],
    ),
    "a card twice": ({"cards": [*CARDS, CARDS[7]]}, [("cards", 102, "serial")]),
    "a card lost on the way": (
        {"cards": _without(9)},
        [
            ("control", 0, "cards"),
            ("control", 0, "balance_minor"),
            ("control", 0, "deposit_minor"),
            ("accounts", 0, "transit"),
        ],
    ),
    "a cent adrift at the bank": (
        {"accounts": ["transit,float-at-bank,120701", ACCOUNTS[1]]},
        [("accounts", 0, "transit")],
    ),
    "both files wrong": (
        {"cards": [*CARDS, "x"], "accounts": [*ACCOUNTS, "transit,nobody,1"]},
        [("cards", 102, "line"), ("accounts", 4, "account")],
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
async def test_a_bad_file_is_refused_whole_with_every_fault_and_taken_once_put_right(office: Office, case: str) -> None:
    changed, wanted = BAD_FILES[case]
    refused = await office.hand_in(**changed)
    assert (refused.status_code, refused.json()["reason"]) == (422, "opening_faulty")
    assert [(e["file"], e["row"], e["field"]) for e in refused.json()["errors"]] == wanted
    assert (await office.act("li", "approval")).status_code == 404
    assert (await office.hand_in()).status_code == 201
    assert (await office.act("li", "approval")).status_code == 200


async def test_the_page_names_every_fault(office: Office) -> None:
    refused = await office.hand_in(accept="text/html", **BAD_FILES["both files wrong"][0])
    assert refused.status_code == 422
    assert refused.headers["content-type"].startswith("text/html")
    assert "the line has 1 columns; must be 8" in refused.text
    assert "nobody of transit; no participant has that account" in refused.text


async def test_one_at_a_time_and_a_number_is_taken_once(office: Office) -> None:
    await office.hand_in()
    other = await office.hand_in(number="n2")
    assert (other.status_code, other.json()["reason"]) == (409, "opening_proposed")
    changed = await office.hand_in(accounts=["transit,float-at-bank,120000"])
    assert (changed.status_code, changed.json()["reason"]) == (409, "repeated_with_other_content")


@pytest.mark.parametrize(
    ("who", "act", "state"),
    [("li", "refusal", "refused"), ("wang", "withdrawal", "withdrawn")],
    ids=["refused", "withdrawn"],
)
async def test_what_is_not_approved_leaves_no_trace_in_the_books(
    office: Office, who: str, act: str, state: str
) -> None:
    await office.hand_in()
    assert (await office.act(who, act, note=" ")).json()["reason"] == "note_missing"
    assert (await office.act(who, act, note="wrong city")).json()["state"] == state
    late = await office.act("li", "approval")
    assert (late.status_code, late.json()["reason"]) == (409, f"opening_{state}")
    assert await office.balances() == {}
    assert (await office.hand_in(number="n2")).status_code == 201


async def test_only_who_proposed_withdraws(office: Office) -> None:
    await office.hand_in()
    assert (await office.act("li", "withdrawal", note="no")).json()["reason"] == "not_the_proposer"


async def test_books_that_have_begun_are_not_opened_again(office: Office) -> None:
    await office.hand_in()
    await office.act("li", "approval")
    again = await office.hand_in(number="n2")
    assert (again.status_code, again.json()["reason"]) == (409, "books_begun")
    assert "float-at-bank of transit" in again.json()["detail"]


async def test_after_the_first_window_nothing_is_migrated(office: Office) -> None:
    await office.hand_in()
    async with office.database.transaction() as session:
        (window,) = (await session.scalars(select(WindowRow))).all()
        window.state, window.proposed_by, window.manifest = "frozen", "wang", b"{}"
        await session.flush()
        session.add(WindowRow(number=2, state="open", opened_at=window.opened_at))
    late = await office.act("li", "approval")
    assert (late.status_code, late.json()["reason"]) == (409, "window_closed")
    assert await office.balances() == {}


async def test_an_opening_is_chained_with_the_first_window(office: Office) -> None:
    await office.hand_in()
    await office.act("li", "approval")
    async with office.database.transaction() as session:
        assert len(await close_chain(session, TRANSIT, 1)) == 3
        assert await verify(session, TRANSIT) == []


async def test_the_pages_show_what_is_decided_about(office: Office) -> None:
    await office.hand_in()
    async with office.staff("li") as client:
        listed, one, missing = [await client.get(path) for path in ("/openings", "/openings/n1", "/openings/n9")]
    assert 'href="/openings/n1"' in listed.text
    assert HEADER_LINE in listed.text
    assert "1000.00" in one.text  # value on cards, yuan
    assert "1207.00" in one.text  # held and owed
    assert "/openings/n1/approval" in one.text
    assert missing.status_code == 404


async def test_who_uploaded_is_not_offered_the_approval(office: Office) -> None:
    await office.hand_in()
    async with office.staff("wang") as client:
        text = (await client.get("/openings/n1")).text
    assert "/openings/n1/approval" not in text
    assert "/openings/n1/withdrawal" in text


async def test_a_stranger_is_not_let_in(office: Office) -> None:
    transport = httpx.ASGITransport(office.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://clearing") as client:
        assert (await client.post("/openings/n1/approval")).status_code == 401
        assert (await client.get("/openings")).status_code == 401


async def test_the_bank_is_expected_to_begin_with_what_was_brought(office: Office) -> None:
    await office.hand_in()
    await office.act("li", "approval")
    async with office.database.reading() as session:
        (bank,) = [each for each in await at_banks(session, empty_city()) if each.book == TRANSIT]
    assert (bank.bank_minor, bank.ledger_minor, bank.not_shown_minor) == (120_700, 120_700, 0)
