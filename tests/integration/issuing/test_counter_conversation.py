"""Chips at the counter: made, torn, taken up again, scrapped, and what the registers say afterwards."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from card_os.wire.apdu import CommandApdu
from hardware.readers.relay import RelayedCard
from hardware.vault.software import SoftwareVault
from issuing.counter.conversation import Counter
from issuing.counter.messages import Outcome, Presented, Result


class Office:
    """The service with people and stock, and counters at which to present chips."""

    def __init__(self, app: FastAPI, vault: SoftwareVault, factory: Any, clerk: httpx.AsyncClient) -> None:
        self._app, self._vault, self._factory, self._clerk = app, vault, factory, clerk

    async def present(
        self, card: Any, *, gone_at: int = 1_000_000, by: str = "issuing-clerk", application: str | None = None
    ) -> Result:
        wire = self._factory.wire(card, gone_at=gone_at)
        counter = Counter(self._app.state.service, self._vault, RelayedCard(wire.send, wire.receive), by=by)
        return await counter.present(Presented(application=application))

    async def rows(self, statement: str) -> list[Any]:
        async with self._app.state.service.database.reading() as session:
            return list((await session.execute(text(statement))).all())

    async def facts(self, kind: str) -> list[dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self._factory.service_token}"}
        page = (await self._clerk.get("/feed", headers=headers)).json()
        return [item["fact"] for item in page["items"] if item["fact"]["kind"] == kind]


@pytest.fixture
async def office(
    app: FastAPI, vault: SoftwareVault, factory: Any, clerk: httpx.AsyncClient, approver: httpx.AsyncClient
) -> Office:
    """Three approved applicants; cards 0 to 4, transit SAMs 10 and 11, hospital SAM 20 in stock."""
    await clerk.post("/register/files", content=factory.register_file(3))
    await clerk.post("/applications/batch", json=factory.applications(3))
    names = [row["application"] for row in factory.applications(3)["applications"]]
    await approver.post("/applications/approvals", json={"applications": names})
    for kind, numbers in (("card", range(5)), ("transit-sam", range(10, 12)), ("hospital-sam", range(20, 21))):
        answer = await approver.post("/stock/deliveries", json=factory.delivery(kind, numbers))
        assert answer.status_code == 201
    return Office(app, vault, factory, clerk)


async def test_card_is_made_and_all_registers_agree(office: Office, factory: Any) -> None:
    result = await office.present(factory.blank(0))
    assert (result.outcome, result.application, result.kind) == (Outcome.PERSONALISED, "A-000", "card")
    (card,) = await office.rows("SELECT * FROM issuing.card")
    assert (card.serial, card.chip_serial, card.state) == (result.serial, factory.chip_serial(0), "personalised")
    assert (card.rider_class, card.purse_limit_minor) == ("ordinary", 100_000)
    (blank,) = await office.rows("SELECT state FROM issuing.blank WHERE state <> 'in_stock'")
    assert blank.state == "used"
    moves = await office.rows("SELECT event, by FROM issuing.stock_move WHERE event <> 'receive' ORDER BY number")
    assert moves == [("start", "issuing-clerk"), ("finish", "issuing-clerk")]
    labels = [row.label for row in await office.rows("SELECT label FROM issuing.key_log ORDER BY number")]
    assert sorted(labels) == sorted(
        ["maintenance"] * 4
        + ["application", "purchase", "load", "tac", "pin-unblock", "pin-reload", "social-internal", "social-update"]
    )
    (fact,) = await office.facts("card")
    assert fact["serial"] == card.serial.hex().upper()
    assert fact["chip_serial"] == factory.chip_serial(0).hex().upper()
    (insured, *_) = [fact for fact in await office.facts("insured") if fact["person"] == card.person]
    assert insured["fund"] == "employee-fund"


async def test_oldest_approved_application_comes_first_and_a_named_one_before(office: Office, factory: Any) -> None:
    results = [await office.present(factory.blank(0), application="A-001")]
    results += [await office.present(factory.blank(number)) for number in (1, 2)]
    assert [result.application for result in results] == ["A-001", "A-000", "A-002"]
    last = await office.present(factory.blank(3))
    assert (last.outcome, last.reason) == (Outcome.REFUSED, "no_application")
    states = await office.rows("SELECT state FROM issuing.blank WHERE kind = 'card' AND state <> 'used'")
    assert [row.state for row in states] == ["in_stock", "in_stock"]


@pytest.mark.parametrize("gone_at", [2, 40, 75, 90])
async def test_torn_card_is_finished_with_the_same_numbers(office: Office, factory: Any, gone_at: int) -> None:
    card = factory.blank(0)
    broken = await office.present(card, gone_at=gone_at)
    assert (broken.outcome, broken.reason) == (Outcome.BROKEN, "card_gone")
    assert await office.rows("SELECT 1 FROM issuing.card") == []
    finished = await office.present(card)
    assert (finished.outcome, finished.resumed) == (Outcome.PERSONALISED, True)
    assert finished.serial == broken.serial
    (production,) = await office.rows("SELECT attempts, last_break FROM issuing.production")
    assert (production.attempts, production.last_break) == (2, "")


async def test_reader_without_a_card_claims_nothing(office: Office, factory: Any) -> None:
    result = await office.present(factory.blank(0), gone_at=1)
    assert (result.outcome, result.reason) == (Outcome.REFUSED, "no_chip")
    assert await office.rows("SELECT 1 FROM issuing.production") == []


async def test_torn_card_can_be_scrapped_and_its_applicant_gets_another(
    office: Office, factory: Any, clerk: httpx.AsyncClient
) -> None:
    broken = await office.present(factory.blank(0), gone_at=30)
    path = f"/stock/{factory.chip_serial(0).hex()}/scrapping"
    assert (await clerk.post(path, json={"reason": "contacts torn off"})).status_code == 200
    refused = await office.present(factory.blank(0))
    assert (refused.outcome, refused.reason) == (Outcome.REFUSED, "not_in_this_state")
    finished = await office.present(factory.blank(1))
    assert (finished.outcome, finished.application) == (Outcome.PERSONALISED, "A-000")
    assert finished.serial != broken.serial
    (move,) = await office.rows("SELECT reason FROM issuing.stock_move WHERE event = 'scrap'")
    assert move.reason == "contacts torn off"


class BadMemory:
    """A chip that keeps one byte of file 17 wrong."""

    def __init__(self, card: Any) -> None:
        self._card = card

    def reset(self) -> bytes:
        found: bytes = self._card.reset()
        return found

    def transmit(self, command: bytes) -> bytes:
        apdu = CommandApdu.parse(command)
        if (apdu.ins, apdu.p1) == (0xD6, 0x97):
            command = command[:20] + bytes((command[20] ^ 0x10,)) + command[21:]
        answer: bytes = self._card.transmit(command)
        return answer


async def test_chip_that_reads_back_differently_is_scrapped_by_name(office: Office, factory: Any) -> None:
    result = await office.present(BadMemory(factory.blank(0)))
    assert (result.outcome, result.reason) == (Outcome.SCRAPPED, "read_back_differs")
    assert "management" in result.detail
    assert await office.rows("SELECT 1 FROM issuing.card") == []
    (blank,) = await office.rows("SELECT state FROM issuing.blank WHERE state <> 'in_stock'")
    assert blank.state == "scrapped"
    again = await office.present(factory.blank(1))
    assert (again.outcome, again.application) == (Outcome.PERSONALISED, "A-000")


async def test_chip_that_was_never_received_is_not_written(office: Office, factory: Any) -> None:
    result = await office.present(factory.blank(99))
    assert (result.outcome, result.reason) == (Outcome.REFUSED, "chip_unknown")


async def test_finished_card_is_not_made_again(office: Office, factory: Any) -> None:
    card = factory.blank(0)
    await office.present(card)
    again = await office.present(card)
    assert (again.outcome, again.reason) == (Outcome.REFUSED, "not_in_this_state")


async def test_sam_is_made_bound_to_one_device_and_lost(
    office: Office, factory: Any, clerk: httpx.AsyncClient, approver: httpx.AsyncClient
) -> None:
    first = await office.present(factory.blank(10))
    second = await office.present(factory.blank(11))
    hospital = await office.present(factory.blank(20))
    assert [r.outcome for r in (first, second, hospital)] == [Outcome.PERSONALISED] * 3
    assert first.serial is not None
    assert second.serial is not None
    body = {"device": "BUS-A-0001", "operator": "bus-a"}
    bound = await approver.post(f"/sams/{first.serial.hex()}/binding", json=body)
    assert (bound.status_code, bound.json()["state"]) == (200, "bound")
    assert (await approver.post(f"/sams/{first.serial.hex()}/binding", json=body)).status_code == 200
    taken = await approver.post(f"/sams/{second.serial.hex()}/binding", json=body)
    assert (taken.status_code, taken.json()["reason"]) == (409, "device_has_a_sam")
    moved = await approver.post(f"/sams/{first.serial.hex()}/binding", json=body | {"device": "BUS-A-0002"})
    assert moved.json()["reason"] == "not_in_this_state"
    lost = await clerk.post(f"/sams/{first.serial.hex()}/loss")
    assert (lost.json()["state"], lost.json()["device"], lost.json()["operator"]) == ("lost", None, "bus-a")
    assert (await approver.post(f"/sams/{second.serial.hex()}/binding", json=body)).status_code == 200
    states = [fact["state"] for fact in await office.facts("sam")]
    assert states == ["personalised", "personalised", "personalised", "bound", "lost", "bound"]


async def test_who_received_a_sam_does_not_make_it(office: Office, factory: Any) -> None:
    result = await office.present(factory.blank(10), by="issuing-approver")
    assert (result.outcome, result.reason) == (Outcome.REFUSED, "second_person_must_differ")


async def test_loss_puts_the_card_on_the_deny_list_and_recovery_takes_it_off(
    office: Office, factory: Any, clerk: httpx.AsyncClient
) -> None:
    result = await office.present(factory.blank(0))
    assert result.serial is not None
    path = f"/cards/{result.serial.hex()}"
    assert (await clerk.post(f"{path}/loss")).json()["reason"] == "not_in_this_state"
    assert (await clerk.post("/cards/activations", json={"serials": [result.serial.hex()]})).status_code == 200
    assert (await clerk.post(f"{path}/loss")).json()["state"] == "lost"
    assert (await clerk.post(f"{path}/recovery")).json()["state"] == "active"
    assert [fact["denied"] for fact in await office.facts("deny")] == [True, False]
    assert [fact["state"] for fact in await office.facts("card")] == ["personalised", "active", "lost", "active"]
    (application,) = await office.rows("SELECT state FROM issuing.application WHERE application = 'A-000'")
    assert application.state == "handed_over"


@pytest.mark.parametrize("path", ["/", "/cards", "/applications", "/sams", "/stock-room", "/audit"])
async def test_pages_show_state_but_no_person(
    office: Office, factory: Any, clerk: httpx.AsyncClient, path: str
) -> None:
    await office.present(factory.blank(0))
    await office.present(factory.blank(10))
    answer = await clerk.get(path)
    assert answer.status_code == 200
    assert factory.citizen_id(0) not in answer.text
    assert "李明" not in answer.text


async def test_looking_at_holders_is_recorded(office: Office, factory: Any, clerk: httpx.AsyncClient) -> None:
    await office.present(factory.blank(0))
    page = await clerk.get("/cards")
    assert "李**" in page.text
    (look,) = await office.rows("SELECT actor, detail FROM issuing.audit_trail WHERE act = 'looked at card holders'")
    assert (look.actor, look.detail) == ("issuing-clerk", {"count": 1})


async def test_holder_of_a_card_gets_another_only_after_its_loss(
    office: Office, factory: Any, clerk: httpx.AsyncClient
) -> None:
    result = await office.present(factory.blank(0))
    assert result.serial is not None
    again = {"application": "B-000", "citizen_id": factory.citizen_id(0)}
    refused = await clerk.post("/applications", json=again)
    assert "has a card already" in refused.json()["errors"][0]["message"]
    await clerk.post(f"/cards/{result.serial.hex()}/activation")
    await clerk.post(f"/cards/{result.serial.hex()}/loss")
    assert (await clerk.post("/applications", json=again)).json() == {"count": 1}


async def test_books_agree_whatever_happened_to_the_chips(
    office: Office, factory: Any, clerk: httpx.AsyncClient
) -> None:
    await office.present(factory.blank(0))
    await office.present(factory.blank(1), gone_at=50)
    await office.present(BadMemory(factory.blank(2)))
    await office.present(factory.blank(10))
    await clerk.post(f"/stock/{factory.chip_serial(4).hex()}/scrapping", json={"reason": "scratched"})
    assert "Stock, key log and registers agree" in (await clerk.get("/")).text


@pytest.mark.parametrize(
    ("tampering", "what"),
    [
        ("UPDATE issuing.blank SET state = 'scrapped' WHERE state = 'used'", "not used up in stock"),
        ("UPDATE issuing.blank SET state = 'used' WHERE state = 'in_stock'", "stands in no register"),
        ("UPDATE issuing.blank SET state = 'in_stock' WHERE state = 'used'", "lies untouched in stock"),
        ("UPDATE issuing.blank SET state = 'in_production' WHERE state = 'in_stock'", "nowhere else"),
        ("UPDATE issuing.card SET chip_serial = 'AAAAAAAA'", "no line in the key log"),
    ],
)
async def test_books_that_disagree_are_shown(
    office: Office, factory: Any, clerk: httpx.AsyncClient, app: FastAPI, tampering: str, what: str
) -> None:
    await office.present(factory.blank(0))
    async with app.state.service.database.transaction() as session:
        await session.execute(text(tampering))
    assert what in (await clerk.get("/")).text


@pytest.mark.parametrize(
    ("table", "column"),
    [("key_log", "label"), ("stock_move", "reason"), ("outbox", "fact"), ("person", "file"), ("audit_trail", "act")],
)
async def test_service_itself_cannot_rewrite_its_logs(app: FastAPI, table: str, column: str) -> None:
    for statement in (f"DELETE FROM issuing.{table}", f"UPDATE issuing.{table} SET {column} = {column}"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with app.state.service.database.transaction() as session:
                await session.execute(text(statement))
