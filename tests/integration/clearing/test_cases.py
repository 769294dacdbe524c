"""What stays on open taps is a case until the records prove it or two people decide."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from clearing.ledger import queries as ledger
from rulebook.money import Amount


async def _balance(house: Any, code: str) -> int:
    async with house.database.reading() as session:
        standings = {s.account.code: s.balance for s in await ledger.standings(session, "transit")}
    return int(standings.get(code, Amount(0)).minor)


async def _flipped_tap(house: Any) -> tuple[Any, str]:
    """A tap of 100 fen whose TAC is wrong, closed in window 1: its case."""
    bus = await house.enrol("BUS-A-0001")
    house.town.outcome(house.town.intent(1, 0), tac=bytes(4))
    await bus.upload(1, house.town.journal["BUS-A-0001"])
    await house.close()
    async with house.database.reading() as session:
        (case,) = (await session.execute(text('SELECT id FROM clearing."case"'))).scalars()
    return bus, str(case)


async def _end(house: Any, case: str, resolution: str) -> dict[str, Any]:
    async with house.staff("wang") as wang, house.staff("li") as li:
        proposed = await wang.post(
            f"/cases/{case}/proposal", data={"resolution": resolution, "note": "the CCTV shows it"}
        )
        assert proposed.status_code == 200, proposed.text
        approved = await li.post(f"/cases/{case}/approval")
    assert approved.status_code == 200, approved.text
    found: dict[str, Any] = approved.json()
    return found


@pytest.mark.parametrize(
    ("resolution", "account"),
    [
        ("release", "operator-payable:bus-a"),
        ("refuse", "refunds-owed:03109910000000000001"),
        ("not-on-card", "value-on-cards"),
        ("write-off", "fees"),
    ],
)
async def test_two_people_end_it_and_it_is_gone_for_ever(house: Any, resolution: str, account: str) -> None:
    bus, case = await _flipped_tap(house)
    before = await _balance(house, account)
    assert await _balance(house, "open-taps") == 100
    view = await _end(house, case, resolution)
    assert (view["state"], view["proposed_by"], view["approved_by"]) == ("closed", "wang", "li")
    assert [step["event"] for step in view["steps"]] == ["open", "propose", "approve"]
    assert await _balance(house, "open-taps") == 0
    assert await _balance(house, account) == before + 100
    # The right TAC turns up afterwards: it has been decided.
    house.town.outcome(house.town.journal["BUS-A-0001"][0])
    await bus.upload(2, house.town.journal["BUS-A-0001"][2:])
    closed = await house.close(2)
    assert closed["open_taps_minor"] == 0
    assert all(check["holds"] for check in closed["checks"])
    reason = "released" if resolution == "release" else "decided_against"
    ends = {e["journal_sequence"]: e["reason"] for e in closed["exceptions"]}
    assert ends.get(3, "released") == reason
    assert await _balance(house, account) == before + 100


async def test_what_is_proved_meanwhile_closes_by_itself(house: Any) -> None:
    """The outcome came without its intent, which arrives a window later."""
    bus = await house.enrol("BUS-A-0001")
    house.town.tap(1, 0)
    intent, outcome = house.town.journal["BUS-A-0001"]
    await bus.upload(2, [outcome])
    await house.close()
    assert await _balance(house, "open-taps") == 100
    async with house.staff("wang") as wang:
        waiting = await wang.get("/cases")
    await bus.upload(1, [intent])
    await house.close(2)
    assert await _balance(house, "open-taps") == 0
    case = "tap:01991000FFFFFFFF:03109910000000000001:2:00000"
    assert case in waiting.text
    async with house.staff("wang") as wang:
        page = await wang.get(f"/cases/{case}")
        refused = await wang.post(f"/cases/{case}/proposal", data={"resolution": "release", "note": "late"})
    assert "It settled by itself" in page.text
    assert (refused.status_code, refused.json()["reason"]) == (409, "case_closed")


async def test_one_person_is_not_two(house: Any) -> None:
    _, case = await _flipped_tap(house)
    async with house.staff("wang") as wang:
        await wang.post(f"/cases/{case}/proposal", data={"resolution": "release", "note": "seen"})
        refused = await wang.post(f"/cases/{case}/approval")
        assert (refused.status_code, refused.json()["reason"]) == (409, "second_person_must_differ")
        withdrawn = await wang.post(f"/cases/{case}/withdrawal")
    assert (withdrawn.json()["state"], withdrawn.json()["resolution"]) == ("open", "")
    assert await _balance(house, "open-taps") == 100


async def test_not_while_a_window_is_being_closed(house: Any) -> None:
    """Its frozen result may settle the same tap."""
    _, case = await _flipped_tap(house)
    async with house.staff("wang") as wang, house.staff("li") as li:
        await wang.post(f"/cases/{case}/proposal", data={"resolution": "release", "note": "seen"})
        await wang.post("/windows/2/closing")
        refused = await li.post(f"/cases/{case}/approval")
        assert (refused.status_code, refused.json()["reason"]) == (409, "window_proposed")
        await li.post("/windows/2/approval")
        assert (await li.post(f"/cases/{case}/approval")).status_code == 200


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        ({"resolution": "adjust", "note": "x"}, 422, "no_such_end"),
        ({"resolution": "release", "note": "  "}, 422, "note_missing"),
        ({"resolution": "gone", "note": "x"}, 422, "invalid_fields"),
    ],
)
async def test_a_proposal_needs_a_way_and_a_reason(house: Any, data: dict[str, str], status: int, reason: str) -> None:
    _, case = await _flipped_tap(house)
    async with house.staff("wang") as wang:
        refused = await wang.post(f"/cases/{case}/proposal", data=data)
    assert (refused.status_code, refused.json()["reason"]) == (status, reason)


DISPUTE = {
    "number": "2026-17",
    "book": "transit",
    "claimant": "bus-a",
    "respondent": "bus-b",
    "amount_minor": "350",
    "note": "line B201 was ours that week",
}


async def test_a_dispute_is_answered_decided_and_adjusted(house: Any) -> None:
    async with house.staff("wang") as wang, house.staff("li") as li:
        opened = await wang.post("/cases", data=DISPUTE)
        assert opened.status_code == 201, opened.text
        case = opened.json()["id"]
        assert (opened.json()["owner"], opened.json()["deadline"]) == (
            "bus-b",
            "2026-09-21",
        )  # Sunday the 20th is worked
        assert (await wang.post("/cases", data=DISPUTE)).json()["steps"] == opened.json()["steps"]
        other = await wang.post("/cases", data=DISPUTE | {"amount_minor": "351"})
        assert (other.status_code, other.json()["reason"]) == (409, "repeated_with_other_content")
        await li.post(f"/cases/{case}/answer", data={"note": "it was"})
        await wang.post(f"/cases/{case}/proposal", data={"resolution": "adjust", "note": "admitted"})
        assert (await li.post(f"/cases/{case}/approval")).status_code == 200
    assert (await _balance(house, "operator-payable:bus-a"), await _balance(house, "operator-payable:bus-b")) == (
        350,
        -350,
    )
    view = await house.close()
    nets = {p["participant"]: p["net_minor"] for p in view["positions"] if p["book"] == "transit"}
    assert (nets["bus-a"], nets["bus-b"]) == (350, -350)


async def test_a_dispute_is_refused_whole_with_every_fault(house: Any) -> None:
    async with house.staff("wang") as wang:
        refused = await wang.post(
            "/cases", data=DISPUTE | {"book": "moon", "respondent": "bus-a", "claimant": "bus-a", "note": " "}
        )
    assert refused.status_code == 422
    fields = [error["field"] for error in refused.json()["errors"]]
    assert fields == ["book", "claimant", "respondent", "respondent", "note"]


async def test_steps_are_never_changed(house: Any) -> None:
    await _flipped_tap(house)
    for statement in ("UPDATE clearing.case_step SET actor = 'x'", 'DELETE FROM clearing."case"'):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with house.database.transaction() as session:
                await session.execute(text(statement))


async def test_the_pages_show_the_case(house: Any) -> None:
    _, case = await _flipped_tap(house)
    async with house.staff("wang") as wang:
        listed = await wang.get("/cases")
        shown = await wang.get(f"/cases/{case}")
        missing = await wang.get("/cases/tap:none")
    assert case in listed.text
    assert "released to the operator" in shown.text
    assert "2026-09-15 22:00:00" in shown.text, "the city's time, whatever zone the database server is in"
    assert missing.status_code == 404
