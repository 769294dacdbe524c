"""Contracts and agreements come into force by two persons, whole or not at all, and every version stays."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from backoffice.clock import HEADER
from clearing.ledger import queries as ledger
from clearing.ledger.rules import Purpose, Transfer
from clearing.ledger.service import TransfersRefused, post
from clearing.participants import publishing
from clearing.participants.city_document import as_document
from clearing.participants.documents import DocumentKind, demonstration_documents
from clearing.participants.effective import MalformedDocument
from clearing.participants.rules import demonstration
from clearing.participants.service import city
from rulebook.calendar import BUSINESS_ZONE
from rulebook.money import Amount

SHIPPED = demonstration_documents()[DocumentKind.CONTRACTS]
NOW = datetime.fromisoformat("2026-09-15T22:00:00+08:00")
CAP = {"participant": "bus-b", "effective_from": "2026-09-16", "net_debit_cap_minor": 5}


def changed(version: int = 2, *new: dict[str, Any], **ends: str) -> dict[str, Any]:
    """The shipped contracts, some of them ended, and ``new`` ones."""
    contracts = [c | ({"effective_to": ends[of]} if (of := _field(c)) in ends else {}) for c in SHIPPED["contracts"]]
    return {"version": version, "contracts": [*contracts, *new]}


def _field(contract: dict[str, Any]) -> str:
    return str(contract["participant"]).replace("-", "_")


async def _in_force(house: Any) -> int:
    async with house.database.reading() as session:
        found = await publishing.in_force(session, DocumentKind.CONTRACTS)
    assert found is not None
    return found.version


async def test_what_was_set_up_is_in_force(house: Any) -> None:
    async with house.database.reading() as session:
        found = await publishing.in_force(session, DocumentKind.CONTRACTS)
        contracts = await publishing.contracts(session)
        assert await publishing.in_force(session, DocumentKind.APPORTIONMENT) is None  # the tariff has no metro
    assert found == (1, SHIPPED)
    assert contracts is not None
    assert {contract.participant for contract in contracts.contracts} >= {"bus-b", "agent-1"}


async def test_two_persons_put_the_next_version_in_force(house: Any) -> None:
    document = changed(2, CAP, bus_b="2026-09-15")
    async with house.staff("wang") as wang, house.staff("li") as li:
        proposed = await wang.post("/documents/contracts", json=document)
        assert (proposed.status_code, proposed.json()["state"]) == (201, "proposed")
        assert await _in_force(house) == 1
        own = await wang.post("/documents/contracts/2/approval")
        assert (own.status_code, own.json()["reason"]) == (409, "second_person_must_differ")
        approved = await li.post("/documents/contracts/2/approval")
        assert (approved.status_code, approved.json()["approved_by"]) == (200, "li")
        assert await _in_force(house) == 2
        again = await li.post("/documents/contracts/2/approval")
        assert (again.status_code, again.json()["reason"]) == (409, "document_approved")
        repeated = await wang.post("/documents/contracts", json=document)
        assert (repeated.status_code, repeated.json()["state"]) == (201, "approved")
        assert (await wang.get("/documents/contracts/1.json")).json() == SHIPPED
        assert (await wang.get("/documents/contracts/2.json")).json() == document


FAULTY: dict[str, tuple[dict[str, Any], int, str]] = {
    "what has begun is changed": (
        {"version": 2, "contracts": SHIPPED["contracts"][1:]},
        422,
        "contract of bus-a in transit from 2026-09-15 has begun; only its effective_to may change",
    ),
    "two of one participant on one day": (changed(2, CAP), 422, "contracts of bus-b overlap on 2026-09-16"),
    "one that would begin today": (
        changed(2, CAP | {"participant": "card-company", "effective_from": "2026-09-15"}),
        422,
        "it can begin on 2026-09-16",
    ),
    "a stranger": (changed(2, CAP | {"participant": "bus-z"}), 422, "bus-z is no participant with an account"),
    "not a document": ({"contracts": []}, 422, "version: Field required"),
    "a version that is taken": (changed(1, bus_b="2026-12-31"), 409, "publish 2"),
}


@pytest.mark.parametrize(("document", "status", "why"), FAULTY.values(), ids=FAULTY)
async def test_a_faulty_document_is_refused_whole(house: Any, document: Any, status: int, why: str) -> None:
    async with house.staff("wang") as wang:
        answer = await wang.post("/documents/contracts", json=document)
        assert answer.status_code == status
        problem = answer.json()
        assert why in " ".join([problem["detail"], *(fault["message"] for fault in problem["errors"])])
        assert (await wang.get("/documents/contracts/2.json")).status_code == 404
    assert await _in_force(house) == 1


async def test_every_fault_is_listed(house: Any) -> None:
    document = changed(2, CAP | {"participant": "bus-z"}, CAP | {"participant": "bus-y"})
    async with house.staff("wang") as wang:
        answer = await wang.post("/documents/contracts", json=document)
    assert len(answer.json()["errors"]) == 2


async def test_a_withdrawn_one_never_comes_into_force_and_keeps_its_number(house: Any) -> None:
    async with house.staff("wang") as wang, house.staff("li") as li:
        assert (await wang.post("/documents/contracts", json=changed(2, bus_b="2026-12-31"))).status_code == 201
        assert (await wang.post("/documents/contracts/2/withdrawal")).json()["state"] == "withdrawn"
        refused = await li.post("/documents/contracts/2/approval")
        assert (refused.status_code, refused.json()["reason"]) == (409, "document_withdrawn")
        taken = await wang.post("/documents/contracts", json=changed(2))
        assert (taken.status_code, taken.json()["reason"]) == (409, "version_differs")


async def test_an_approval_looks_again_at_what_has_come_into_force(house: Any) -> None:
    """Both end bus-b's contract otherwise; the later one would undo what the earlier one had ended."""
    async with house.staff("wang") as wang, house.staff("li") as li:
        for document in (changed(2, bus_b="2026-12-31"), changed(3, bus_b="2026-11-30")):
            assert (await wang.post("/documents/contracts", json=document)).status_code == 201
        assert (await li.post("/documents/contracts/3/approval")).status_code == 200
        late = await li.post("/documents/contracts/2/approval")
        assert (late.status_code, late.json()["reason"]) == (409, "newer_in_force")


async def test_an_approval_that_comes_too_late_is_refused(house: Any) -> None:
    async with house.staff("wang") as wang, house.staff("li") as li:
        assert (await wang.post("/documents/contracts", json=changed(2, CAP, bus_b="2026-09-15"))).status_code == 201
        li.headers[HEADER] = "2026-09-16T09:00:00+08:00"
        await li.post("/sign-in", data={"name": "li", "password": "second-person"})
        late = await li.post("/documents/contracts/2/approval")
    assert (late.status_code, late.json()["reason"]) == (422, "document_malformed")
    assert "it can begin on 2026-09-17" in late.text


async def test_an_unknown_document_is_said_so(house: Any) -> None:
    async with house.staff("wang") as wang:
        for answer in (
            await wang.get("/documents/contracts/9.json"),
            await wang.post("/documents/contracts/9/approval"),
        ):
            assert (answer.status_code, answer.json()["reason"]) == (404, "document_unknown")


async def test_set_up_again_changes_nothing(house: Any) -> None:
    async with house.database.transaction() as session:
        await publishing.set_up(session, DocumentKind.CONTRACTS, changed(7), now=NOW)
    assert await _in_force(house) == 1


async def test_a_set_up_with_a_stranger_is_refused(house: Any) -> None:
    document = {"version": 1, "agreements": demonstration_documents()[DocumentKind.APPORTIONMENT]["agreements"]}
    with pytest.raises(MalformedDocument, match="0101 is no station of the tariff"):
        async with house.database.transaction() as session:
            await publishing.set_up(session, DocumentKind.APPORTIONMENT, document, now=NOW)


async def test_the_service_cannot_change_what_was_put_up(house: Any) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        async with house.database.transaction() as session:
            await session.execute(text("UPDATE clearing.agreed_document SET document = '{}'"))


def _city(version: int = 2, **changes: Any) -> dict[str, Any]:
    document = as_document(demonstration(), version=version)
    return document | {"city": document["city"] | changes}


NEW_OPERATOR = {
    "id": "ferry",
    "role": "operator",
    "zh": "轮渡",
    "en": "Ferry",
    "accounts": [["transit", "operator-payable:ferry"]],
}


async def test_a_new_participant_has_its_account_once_two_persons_agree(house: Any) -> None:
    company, *others = _city()["city"]["participants"]
    company = company | {"accounts": [*company["accounts"], ("transit", "retention:ferry")]}
    document = _city(participants=[company, *others, NEW_OPERATOR])
    ferry = changed(2, {"participant": "ferry", "effective_from": "2026-09-16", "hold": {"rate": "0.1", "days": 1}})
    async with house.staff("wang") as wang, house.staff("li") as li:
        early = await wang.post("/documents/contracts", json=ferry)
        assert "ferry is no participant" in early.json()["detail"]
        assert (await wang.post("/documents/city", json=document)).status_code == 201
        assert (await li.post("/documents/city/2/approval")).status_code == 200
        assert (await wang.post("/documents/contracts", json=ferry)).status_code == 201
        assert "轮渡" in (await wang.get("/documents/city/2")).text
    async with house.database.reading() as session:
        assert "operator-payable:ferry" in {s.account.code for s in await ledger.standings(session, "transit")}
        assert "ferry" in {participant.id for participant in (await city(session)).participants}


async def test_two_persons_change_an_agents_limit_never_below_what_it_owes(house: Any) -> None:
    async def limited(version: int, minor: int) -> Any:
        participants = [
            p | ({"limit_minor": minor} if p["id"] == "agent-2" else {}) for p in _city()["city"]["participants"]
        ]
        await wang.post("/documents/city", json=_city(version, participants=participants))
        return await li.post(f"/documents/city/{version}/approval")

    async def load(number: int, minor: int) -> None:
        async with house.database.transaction() as session:
            agent = "agent-with-limit:agent-2"
            one = Transfer(
                id=f"load-{number}",
                book="transit",
                debit=agent,
                credit="value-on-cards",
                amount=Amount(minor),
                purpose=Purpose.LOAD,
                business_day=date(2026, 9, 15),
            )
            await post(session, [one], now=datetime(2026, 9, 15, 12, tzinfo=BUSINESS_ZONE))

    async with house.staff("wang") as wang, house.staff("li") as li:
        await load(1, 2_000_000)
        assert (await limited(2, 1_999_999)).json()["reason"] == "limit_in_use"
        assert (await wang.post("/documents/city/2/withdrawal")).status_code == 200
        assert (await limited(3, 2_000_001)).status_code == 200
        await load(2, 1)
        with pytest.raises(TransfersRefused):
            await load(3, 1)


async def test_a_participant_with_accounts_stays(house: Any) -> None:
    document = _city(participants=[p for p in _city()["city"]["participants"] if p["id"] != "bus-b"])
    async with house.staff("wang") as wang:
        answer = await wang.post("/documents/city", json=document)
    assert answer.status_code == 422
    assert "participant bus-b has accounts in the ledger; it stays" in answer.json()["detail"]


async def test_the_pages(house: Any) -> None:
    async with house.staff("wang") as wang:
        file = {"document_file": ("contracts.json", b'{"version": 2, "contracts": []}', "application/json")}
        refused = await wang.post("/documents/contracts/uploads", files=file)
        assert refused.status_code == 422
        no_json = await wang.post(
            "/documents/contracts/uploads", files={"document_file": ("x.json", b"[1", "text/plain")}
        )
        assert (no_json.status_code, no_json.json()["reason"]) == (422, "document_malformed")
        listed = (await wang.get("/documents")).text
        assert "/documents/contracts/1" in listed
        assert "已生效" in listed
        shown = (await wang.get("/documents/contracts/1")).text
        assert "公交乙公司 Bus Company B" in shown
        assert "1/250" in shown
        before = (await wang.get("/windows/1/charges")).text
        assert "窗口尚未计算" in before


async def test_how_a_ride_is_shared_is_shown(house: Any) -> None:
    terms = {"name": "buses", "effective_from": "2026-09-16", "method": "table", "residue": "last"}
    shares = {"operator_of_line": {}, "default_parts": {"bus-a": "1/3", "bus-b": "2/3"}}
    question = {"operator": "bus-a", "origin": "x", "destination": "y", "minor": 100}
    async with house.staff("wang") as wang, house.staff("li") as li:
        document = {"version": 1, "agreements": [terms | shares]}
        assert (await wang.post("/documents/apportionment", json=document)).status_code == 201
        assert (await li.post("/documents/apportionment/1/approval")).status_code == 200
        assert "尾差归 末个运营方" in (await wang.get("/documents/apportionment/1")).text
        told = (await wang.get("/apportionment", params=question | {"day": "2026-09-16"})).text
        assert all(part in told for part in ("1/3", "0.33", "2/3", "0.67"))
        assert "当日无协议" in (await wang.get("/apportionment", params=question)).text
