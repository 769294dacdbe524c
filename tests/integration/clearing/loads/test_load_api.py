"""Loads over HTTP: who may ask, and how a refusal reads."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from pydantic import SecretStr

from backoffice.database import Database
from backoffice.settings import Settings
from backoffice.web import Service, create_service_app
from card_os.crypto.purse import load_mac1, load_tac
from card_os.crypto.session import load_session_key
from card_os.crypto.suites import SM4, TRIPLE_DES, Suite
from clearing.base import accounts
from clearing.devices.tables import DeviceRow
from clearing.facts.service import apply_fact
from clearing.ledger.accounts import TRANSIT, Kind, account, code
from clearing.ledger.rules import Purpose, Transfer
from clearing.ledger.service import open_accounts, post
from clearing.loads.api import router
from hardware.vault.demonstration import CLEARING_LABELS
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey, UnknownKey
from rulebook.messages.facts import CardFact, CardState, FeedItem
from rulebook.money import Amount

NOW = datetime(2026, 9, 15, 2, tzinfo=UTC)
ISSUER, SERIAL = bytes.fromhex("01991000FFFFFFFF"), bytes.fromhex("03109910000000000017")
TERMINAL = bytes.fromhex("991000000901")
COMPANY = [account(TRANSIT, Kind.FLOAT_AT_BANK), account(TRANSIT, Kind.VALUE_ON_CARDS)]
VAULT = SoftwareVault.demonstration(CLEARING_LABELS)
KEYS = {"TOPUP-01": Ed25519PrivateKey.generate(), "BUS-A-0012": Ed25519PrivateKey.generate()}
ID = {"issuer": ISSUER.hex(), "serial": SERIAL.hex(), "purse": 2, "online_sequence": 0, "device": "TOPUP-01"}


def device(name: str, kind: str, operator: str, terminal: bytes) -> DeviceRow:
    return DeviceRow(
        device=name,
        kind=kind,
        operator=operator,
        line="",
        place="",
        state="enrolled",
        code_hash=b"",
        public_key=KEYS[name].public_key().public_bytes_raw(),
        sam_serial=bytes(10),
        terminal_number=terminal,
        invited_at=NOW,
    )


async def fill(database: Database) -> None:
    card = CardFact(
        issuer=ISSUER,
        serial=SERIAL,
        chip_serial=bytes(8),
        person="p",
        product="citizen",
        rider_class="ordinary",
        key_version=1,
        valid_from=date(2026, 1, 1),
        valid_to=date(2036, 1, 1),
        purse_limit_minor=100_000,
        state=CardState.ACTIVE,
        effective=NOW,
    )
    prefunding = Transfer(
        id="p",
        book=TRANSIT,
        debit=code(Kind.FLOAT_AT_BANK),
        credit=code(Kind.AGENT_PREFUNDED, "agent-1"),
        amount=Amount(5000),
        purpose=Purpose.PREFUNDING,
        business_day=date(2026, 9, 15),
    )
    async with database.transaction() as session:
        session.add(device("TOPUP-01", "topup", "agent-1", TERMINAL))
        session.add(device("BUS-A-0012", "validator", "bus-a", bytes.fromhex("991000000012")))
        await open_accounts(session, [*COMPANY, account(TRANSIT, Kind.AGENT_PREFUNDED, "agent-1")])
        await post(session, [prefunding], now=NOW)
        await apply_fact(session, FeedItem(number=1, fact=card))


@pytest.fixture
async def client(clearing_database: Database) -> AsyncIterator[httpx.AsyncClient]:
    await fill(clearing_database)
    settings = Settings(service_token=SecretStr("t" * 16), session_secret=SecretStr("s" * 16), simulated_clock=True)
    here = Service(
        name="clearing",
        title=("清算", "Clearing"),
        settings=settings,
        database=clearing_database,
        accounts=accounts,
        pages=[],
    )
    app: FastAPI = create_service_app(here)
    app.state.vault = VAULT
    app.include_router(router)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://clearing") as client:
        yield client


def key_of(label: KeyLabel, suite: Suite) -> bytes:
    return VAULT.child_key(MasterKey(label, algorithm=suite.algorithm), [ISSUER, SERIAL[-8:]])


def request(amount: int = 3000, suite: Suite = TRIPLE_DES, **changed: Any) -> dict[str, Any]:
    key = key_of(KeyLabel.LOAD, suite)
    session_key = load_session_key(key, card_random=b"rand", online_sequence=0, suite=suite)
    mac1 = load_mac1(
        session_key, balance_minor=0, amount_minor=amount, transaction_type=2, terminal=TERMINAL, suite=suite
    )
    values = {
        "amount_minor": amount,
        "balance_minor": 0,
        "key_version": 1,
        "algorithm": suite.algorithm.value,
        "random": b"rand".hex(),
        "mac1": mac1.hex(),
        "terminal": TERMINAL.hex(),
        "date": "20260915",
        "time": "100000",
    }
    return {**ID, **values, **changed}


def confirmation(suite: Suite = TRIPLE_DES) -> dict[str, Any]:
    tac = load_tac(
        key_of(KeyLabel.TAC, suite),
        new_balance_minor=3000,
        online_sequence=0,
        amount_minor=3000,
        transaction_type=2,
        terminal=TERMINAL,
        date=bytes.fromhex("20260915"),
        time=bytes.fromhex("100000"),
        suite=suite,
    )
    return {**ID, "tac": tac.hex()}


SM4_REQUEST = request(suite=SM4)


async def send(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], *, device: str = "TOPUP-01", signer: str = ""
) -> httpx.Response:
    prepared = client.build_request("POST", path, json=body, headers={"Citycard-Time": "2026-09-15T10:00:00+08:00"})
    signature = KEYS[signer or device].sign(f"POST {path}\n".encode() + prepared.content)
    prepared.headers["Citycard-Device"] = device
    prepared.headers["Citycard-Signature"] = base64.b64encode(signature).decode()
    return await client.send(prepared)


@pytest.mark.parametrize("suite", [TRIPLE_DES, SM4], ids=["3des", "sm4"])
async def test_a_load_over_http(client: httpx.AsyncClient, suite: Suite) -> None:
    authorised = await send(client, "/loads", request(suite=suite))
    assert authorised.status_code == 200
    assert len(bytes.fromhex(authorised.json()["mac2"])) == 4
    assert (await send(client, "/loads/standings", ID)).json()["state"] == "reserved"
    posted = await send(client, "/loads/confirmations", confirmation(suite), device="BUS-A-0012")
    assert posted.json() == {
        "state": "posted",
        "amount_minor": 3000,
        "balance_minor": 0,
        "terminal": TERMINAL.hex().upper(),
        "date": "20260915",
        "time": "100000",
    }
    assert (await send(client, "/loads/standings", ID)).json()["state"] == "posted"


async def test_a_key_that_the_vault_has_not_is_named(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_for_sm4(_: SoftwareVault, master: MasterKey, factors: Any) -> bytes:
        raise UnknownKey(f"this token has no {master.algorithm.name}")

    monkeypatch.setattr(SoftwareVault, "child_key", none_for_sm4)
    response = await send(client, "/loads", SM4_REQUEST)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "algorithm")


@pytest.mark.parametrize(
    ("path", "body", "status", "reason"),
    [
        ("/loads", request(5001), 409, "agent_without_cover"),
        ("/loads", request(mac1="00000000"), 409, "mac1_wrong"),
        ("/loads", request(serial="00" * 10), 404, "card_unknown"),
        ("/loads", request(random="00"), 422, "invalid_fields"),
        ("/loads", request(terminal="000000000000"), 422, "invalid_fields"),
        ("/loads", request(device="TOPUP-02"), 422, "invalid_fields"),
        ("/loads", request(date="00010101", time="000000"), 422, "invalid_fields"),
        ("/loads", request(algorithm=1), 422, "invalid_fields"),
        ("/loads", request(algorithm=0x04), 409, "mac1_wrong"),
        ("/loads", request(surprise=1), 422, "invalid_fields"),
        ("/loads", request(random="no hex"), 422, "invalid_fields"),
        ("/loads/confirmations", confirmation(), 404, "load_unknown"),
        ("/loads/standings", ID, 404, "load_unknown"),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_a_refusal_is_a_problem_document(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], status: int, reason: str
) -> None:
    response = await send(client, path, body)
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, response.json()["status"], response.json()["reason"]) == (status, status, reason)


async def test_a_wrong_tac_is_a_problem_document(client: httpx.AsyncClient) -> None:
    await send(client, "/loads", request())
    response = await send(client, "/loads/confirmations", {**confirmation(), "tac": "00000000"})
    assert (response.status_code, response.json()["reason"]) == (409, "tac_wrong")
    assert (await send(client, "/loads/standings", ID)).json()["state"] == "reserved"


async def test_only_a_top_up_desk_may_load(client: httpx.AsyncClient) -> None:
    response = await send(client, "/loads", request(), device="BUS-A-0012")
    assert (response.status_code, response.json()["reason"]) == (403, "not_a_desk")


async def test_a_request_another_device_signed_is_refused(client: httpx.AsyncClient) -> None:
    response = await send(client, "/loads", request(), signer="BUS-A-0012")
    assert response.status_code == 401


async def test_what_a_refused_request_disproved_stays_void(client: httpx.AsyncClient) -> None:
    """The card comes with an unchanged sequence and an amount the agent cannot cover: the first load is void all the same."""
    await send(client, "/loads", request())
    key = VAULT.child_key(MasterKey(KeyLabel.LOAD), [ISSUER, SERIAL[-8:]])
    session_key = load_session_key(key, card_random=b"next", online_sequence=0)
    mac1 = load_mac1(session_key, balance_minor=0, amount_minor=5001, transaction_type=2, terminal=TERMINAL)
    again = request(5001, random=b"next".hex(), mac1=mac1.hex())
    assert (await send(client, "/loads", again)).json()["reason"] == "agent_without_cover"
    assert (await send(client, "/loads/standings", ID)).json()["state"] == "voided"
