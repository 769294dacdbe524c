"""The whole visit: the engine's card and PSAM, the desk, signed HTTP, clearing, PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import func, select

from backoffice.database import Database
from backoffice.settings import Settings
from backoffice.web import Service, create_service_app
from card_os.crypto.authentication import city_factor, external_cryptogram
from card_os.crypto.des import encrypt_ecb
from card_os.crypto.diversification import child_of_levels
from card_os.crypto.secret import Secret
from card_os.engine.bytecard import ByteCard
from card_os.engine.card import Card
from card_os.engine.stock import blank_card
from card_os.profile import personalisation as perso
from card_os.profile.files import ApplicationSpec, KeySpec
from card_os.profile.psam import HOSPITAL_SAM
from card_os.profile.social_security import (
    SOCIAL_HOLDER,
    SOCIAL_ISSUER,
    SOCIAL_SECURITY,
    SocialHolder,
    SocialIssuer,
    identification_code,
)
from card_os.wire import commands
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu
from card_os.wire.dialogue import HostSilent
from clearing.base import accounts
from clearing.benefits import api
from clearing.benefits.office import FundOffice, local_day
from clearing.benefits.tables import CancellationRow, SettlementRow
from clearing.devices.tables import DeviceRow
from clearing.ledger.accounts import Kind, code, medical_book
from clearing.ledger.service import balances, verify
from hardware.vault import demonstration
from hardware.vault.vault import KeyLabel
from rulebook.messages.medical import ItemClass, StatementResult
from rulebook.money import yuan
from simulator.softcard.memory import CardMemory
from terminals.dialogues.read_identity import SamVerdict
from terminals.hospital import (
    FeeItem,
    HospitalDesk,
    HospitalSetup,
    RepairOutcome,
    VisitOutcome,
    VisitStore,
    receipt_text,
)
from terminals.uplink import DeviceKey, HostRefused, Uplink

NOW = datetime(2026, 9, 15, 2, tzinfo=UTC)
REGION, CHIP = "110000", bytes(7) + b"\x01"
MASTER = demonstration.master(KeyLabel.SOCIAL_INTERNAL)
TRANSPORT = b"TEST-TRANSPORT-K"
BOOK = medical_book("employee-fund")
ITEMS = [
    FeeItem(code="A1", name="血常规", price=yuan("20"), count=Decimal(1), item_class=ItemClass.A),
    FeeItem(code="B1", name="阿莫西林", price=yuan("12.35"), count=Decimal(2), item_class=ItemClass.B),
    FeeItem(code="A2", name="CT", price=yuan("2000"), count=Decimal(1), item_class=ItemClass.A),
    FeeItem(code="C1", name="护理垫", price=yuan("9.99"), count=Decimal(3), item_class=ItemClass.C),
]


class Maker:
    """Puts one application on a blank chip, as docs/card.md says."""

    def __init__(self, chip: bytes) -> None:
        self.card = blank_card(CardMemory(), chip, TRANSPORT, random.Random(1).randbytes)

    def send(self, command: CommandApdu) -> bytes:
        answer = self.card.transmit(command)
        assert answer.sw.value == 0x9000, (command.header.hex(), str(answer.sw))
        return answer.data

    def challenge(self) -> bytes:
        return self.send(commands.get_challenge(8))

    def make(self, application: ApplicationSpec, write: Callable[[KeySpec], CommandApdu]) -> Card:
        self.send(commands.select_fid(names.MASTER_FILE))
        self.send(commands.external_authenticate(0, external_cryptogram(TRANSPORT, self.challenge())))
        self.send(perso.create_application(application))
        self.send(commands.select_fid(application.fid))
        self.send(perso.create_key_file(application))
        for file in application.files:
            self.send(perso.create_file(file))
        for key in application.keys:
            self.send(write(key))
        return self.card


def social_card(chip: bytes) -> ByteCard:
    maker = Maker(chip)
    irk = irk_of(chip)

    def write(key: KeySpec) -> CommandApdu:
        return perso.write_key(key, irk, line_key=TRANSPORT, challenge=maker.challenge())

    maker.make(SOCIAL_SECURITY, write)
    cryptogram = external_cryptogram(irk, maker.challenge())
    maker.send(commands.external_authenticate(names.KEY_SOCIAL_UPDATE, cryptogram))
    issuer = SocialIssuer(
        identification_code=identification_code(region=REGION, chip_serial=chip),
        card_class="3",
        version="3.00",
        organisation="110000000000",
        issued="20260101",
        valid_to="20361231",
        card_number="768225469",
    )
    holder = SocialHolder(
        social_number="11010519491231002X", name="张三", sex="1", nation="01", birthplace="110105", born="19491231"
    )
    for sfi, records in ((5, SOCIAL_ISSUER.encode(issuer)), (6, SOCIAL_HOLDER.encode(holder))):
        for record in records:
            maker.send(commands.append_record(sfi, record))
    maker.card.reset()
    return ByteCard(maker.card)


def irk_of(chip: bytes) -> Secret:
    """The card's IRK, derived here a second time."""
    return child_of_levels(MASTER, (city_factor(REGION), chip))


def hospital_sam() -> ByteCard:
    maker = Maker(b"SAMCHIP1")
    wrapped = encrypt_ecb(TRANSPORT, MASTER)

    def write(key: KeySpec) -> CommandApdu:
        if key.id == names.KEY_SAM_SOCIAL:
            return perso.write_wrapped_key(key, wrapped, line_key=TRANSPORT, challenge=maker.challenge())
        return perso.write_key(key, bytes(16), line_key=TRANSPORT, challenge=maker.challenge())

    maker.make(HOSPITAL_SAM.applications[0], write)
    maker.card.reset()
    return ByteCard(maker.card)


class Bridge(httpx.BaseTransport):
    """A blocking client's way into an app that runs on the test's event loop."""

    def __init__(self, app: FastAPI, loop: asyncio.AbstractEventLoop) -> None:
        self._inner, self._loop = httpx.ASGITransport(app, raise_app_exceptions=False), loop

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def ask() -> httpx.Response:
            sent = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
            answer = await self._inner.handle_async_request(sent)
            return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())

        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result(20)


@pytest.fixture
async def line(fund: Any, office: FundOffice, clearing_database: Database, tmp_path: Path) -> AsyncIterator[Uplink]:
    """Clearing with one enrolled desk; the desk's uplink."""
    await fund.commit()
    key = DeviceKey.open(tmp_path, "HOSP-1-01")
    settings = Settings(service_token=SecretStr("t" * 16), session_secret=SecretStr("s" * 16), simulated_clock=True)
    here = Service(
        name="clearing",
        title=("清算", "Clearing"),
        settings=settings,
        database=clearing_database,
        accounts=accounts,
        pages=[],
    )
    app = create_service_app(here)
    app.state.vault = office.vault
    app.include_router(api.router)
    async with clearing_database.transaction() as session:
        session.add(
            DeviceRow(
                device="HOSP-1-01",
                kind="hospital",
                operator="hospital-1",
                line="",
                place="",
                state="enrolled",
                code_hash=b"",
                public_key=key.public,
                sam_serial=bytes(10),
                terminal_number=bytes(6),
                invited_at=NOW,
            )
        )
    headers = {"Citycard-Time": NOW.isoformat()}
    with httpx.Client(transport=Bridge(app, asyncio.get_running_loop()), headers=headers) as client:
        yield Uplink("http://clearing", key, client)


class Lossy:
    """A host whose line is cut at its n-th message for ``length`` messages, before or after clearing hears it."""

    def __init__(self, host: Callable[[Any], Any], cut_at: int, length: int, *, host_hears: bool) -> None:
        self.host, self.cut, self.host_hears, self.count = host, range(cut_at, cut_at + length), host_hears, 0

    def __call__(self, message: Any) -> Any:
        number, self.count = self.count, self.count + 1
        if number not in self.cut:
            return self.host(message)
        if self.host_hears:
            with contextlib.suppress(HostRefused):
                self.host(message)
        raise HostSilent("cut")


SETUP = HospitalSetup(device="HOSP-1-01", institution="hospital-1", number=1, region=REGION, department=("03", "内科"))


@pytest.fixture
def make_desk(line: Uplink, tmp_path: Path) -> Any:
    stores = []

    def make(host: Callable[[Any], Any] = line.host) -> HospitalDesk:
        stores.append(VisitStore(tmp_path / "visits.db"))
        return HospitalDesk(SETUP, store=stores[-1], host=host, sam=hospital_sam())

    yield make
    for store in stores:
        store.close()


async def money(database: Database) -> dict[str, str]:
    async with database.reading() as session:
        assert await verify(session, BOOK) == []
        return {each.account.code: str(each.balance) for each in await balances(session, BOOK)}


async def standing(database: Database) -> int:
    async with database.reading() as session:
        settled = await session.scalar(select(func.count()).select_from(SettlementRow)) or 0
        return settled - (await session.scalar(select(func.count()).select_from(CancellationRow)) or 0)


async def test_a_visit_from_the_card_to_the_ledger(make_desk: Any, clearing_database: Database) -> None:
    desk = make_desk()
    result = await asyncio.to_thread(desk.visit, social_card(CHIP), ITEMS, NOW)
    assert (result.outcome, result.sam_verdict) == (VisitOutcome.SETTLED, SamVerdict.RIGHT)
    info = result.receipt.settlement.setlinfo
    # In scope 20 + 24.70 × 90 % + 2000 = 2042.23; (2042.23 - 1800) × 70 % = 169.56.
    assert (info.inscp_scp_amt, info.fund_pay_sumamt, info.acct_pay) == (yuan("2042.23"), yuan("169.56"), yuan("300"))
    assert "统筹基金（20000.00 元以内部分）：242.23 元 × 70% ≈ 169.56 元" in receipt_text(result.receipt)
    assert (await money(clearing_database))[code(Kind.HOSPITAL_PAYABLE, "hospital-1")] == "469.56"
    assert (await asyncio.to_thread(desk.reconcile, local_day(NOW), NOW)).balanced


async def test_a_card_with_another_key_is_not_believed(make_desk: Any, clearing_database: Database) -> None:
    class Impostor:
        """Shows the right ATR and files; its key is another card's."""

        def __init__(self) -> None:
            self.card, self.atr = social_card(bytes(7) + b"\x02"), social_card(CHIP).atr

        def reset(self) -> bytes:
            return self.atr

        def transmit(self, command: bytes) -> bytes:
            return self.card.transmit(command)

    result = await asyncio.to_thread(make_desk().visit, Impostor(), ITEMS, NOW)
    assert (result.outcome, result.sam_verdict) == (VisitOutcome.REFUSED, SamVerdict.WRONG)
    assert result.refusal.reason == "authentication_wrong"
    assert await standing(clearing_database) == 0


STEPS = ["challenge", "1101", "2201", "2204", "2206", "2207"]
CUTS = [(cut_at, length, hears) for cut_at in range(len(STEPS)) for length in (1, 99) for hears in (False, True)]


@pytest.mark.parametrize(
    ("cut_at", "length", "host_hears"),
    [*CUTS, (5, 2, False), (5, 2, True), (5, 3, True)],
)
async def test_a_line_cut_at_any_step_ends_clear_and_the_books_agree(
    make_desk: Any, line: Uplink, clearing_database: Database, cut_at: int, length: int, host_hears: bool
) -> None:
    host = Lossy(line.host, cut_at, length, host_hears=host_hears)
    before = await money(clearing_database)
    result = await asyncio.to_thread(make_desk(host).visit, social_card(CHIP), ITEMS, NOW)
    repaired = await asyncio.to_thread(make_desk().repair, NOW + timedelta(minutes=1))
    unknown = result.outcome is VisitOutcome.UNKNOWN
    assert [each.outcome for each in repaired] == ([RepairOutcome.REVERSED] if unknown else [])
    settled = result.outcome is VisitOutcome.SETTLED
    assert settled == (length == 1)
    assert await standing(clearing_database) == settled
    assert (await money(clearing_database) != before) == settled
    assert (await asyncio.to_thread(make_desk().reconcile, local_day(NOW), NOW)).balanced


async def test_a_cancelled_visit_reconciles(make_desk: Any, clearing_database: Database) -> None:
    desk, before = make_desk(), await money(clearing_database)
    result = await asyncio.to_thread(desk.visit, social_card(CHIP), ITEMS, NOW)
    settlement = result.receipt.settlement.setlinfo
    cancelled = await asyncio.to_thread(desk.cancel, settlement.setl_id, NOW)
    assert cancelled.settlement.setlinfo.medfee_sumamt == -settlement.medfee_sumamt
    assert await money(clearing_database) == before
    assert (await asyncio.to_thread(desk.reconcile, local_day(NOW), NOW)).balanced


async def test_reconciliation_finds_a_settlement_the_hospital_has_lost(make_desk: Any, tmp_path: Path) -> None:
    await asyncio.to_thread(make_desk().visit, social_card(CHIP), ITEMS, NOW)
    for file in tmp_path.glob("visits.db*"):
        file.rename(tmp_path / f"lost-{file.name}")
    reconciled = await asyncio.to_thread(make_desk().reconcile, local_day(NOW), NOW)
    assert not reconciled.balanced
    assert reconciled.totals[0].startswith("medfee_sumamt: hospital 0.00, fund 2074.67")
    assert [row.stmt_rslt for row in reconciled.rows] == [StatementResult.MISSING_AT_HOSPITAL]


async def test_a_malformed_message_is_answered_with_every_fault(line: Uplink) -> None:
    body = b'{"infno": "2207", "medfee": 1}'
    with pytest.raises(HostRefused) as caught:
        await asyncio.to_thread(line._call, "POST", "/medical/2207", body, "application/json")
    assert caught.value.problem.status == 422
    assert {"msgid", "input", "medfee"} <= {fault["field"] for fault in caught.value.problem.errors}
