"""An adjustment is one person's proposal, another's approval and one entry in the window open then."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from clearing.ledger import queries as ledger
from clearing.ledger.rules import Transfer

FORM = {
    "number": "A-17",
    "book": "transit",
    "giver": "bus-b",
    "receiver": "bus-a",
    "amount_minor": "350",
    "reason": "case-decided",
    "text": "line B201 was bus-a's that week",
    "corrects": "case",
    "corrected": "dispute:bus-a:2026-17",
}
DISPUTE = {
    "number": "2026-17",
    "book": "transit",
    "claimant": "bus-a",
    "respondent": "bus-b",
    "amount_minor": "350",
    "note": "line B201 was ours that week",
}
ONE = "/adjustments/adjustment:A-17"


async def _unlinked(house: Any) -> dict[str, Transfer]:
    """What the window open now will gather, of ours."""
    async with house.database.reading() as session:
        found = await ledger.unlinked(session, "transit")
    return {transfer.id: transfer for transfer in found if transfer.id.startswith("adjustment:")}


async def _proposed(house: Any, wang: Any) -> None:
    assert (await wang.post("/cases", data=DISPUTE)).status_code == 201
    answer = await wang.post("/adjustments", data=FORM)
    assert answer.status_code == 201, answer.text


async def test_two_persons_post_it_once_and_two_take_it_back(house: Any) -> None:
    async with house.staff("wang") as wang, house.staff("li") as li:
        await _proposed(house, wang)
        assert await _unlinked(house) == {}
        own = await wang.post(f"{ONE}/approval")
        assert (own.status_code, own.json()["reason"]) == (409, "second_person_must_differ")
        posted = await li.post(f"{ONE}/approval")
        assert (posted.json()["state"], posted.json()["decided_by"]) == ("posted", "li")
        again = await li.post(f"{ONE}/approval")
        assert again.json() == posted.json()
        late = await wang.post(f"{ONE}/approval")
        assert (late.status_code, late.json()["reason"]) == (409, "adjustment_posted")
        (entry,) = (await _unlinked(house)).values()
        assert (entry.debit, entry.credit, entry.amount.minor, entry.purpose) == (
            "operator-payable:bus-b",
            "operator-payable:bus-a",
            350,
            "adjustment",
        )
        assert entry.reference == "case:dispute:bus-a:2026-17"

        back = await wang.post(f"{ONE}/reversal", data={"number": "A-18", "text": "the other week"})
        assert (back.json()["giver"], back.json()["reason"]) == ("bus-a", "reversal")
        other = await li.post(f"{ONE}/reversal", data={"number": "A-19", "text": "me too"})
        assert (other.status_code, other.json()["reason"]) == (409, "adjustment_taken_back")
        assert (await li.post("/adjustments/adjustment:A-18/approval")).json()["state"] == "posted"
        listed, shown = await wang.get("/adjustments"), await wang.get(ONE)
    assert "case decided" in listed.text
    assert "A-18" in shown.text
    async with house.database.reading() as session:
        balances = {s.account.code: s.balance.minor for s in await ledger.standings(session, "transit")}
    assert balances["operator-payable:bus-a"] == balances["operator-payable:bus-b"] == 0


async def test_what_is_not_approved_moves_nothing(house: Any) -> None:
    async with house.staff("wang") as wang, house.staff("li") as li:
        await _proposed(house, wang)
        assert (await wang.post("/adjustments", data=FORM)).status_code == 201  # the same again
        other = await wang.post("/adjustments", data=FORM | {"amount_minor": "351"})
        assert (other.status_code, other.json()["reason"]) == (409, "repeated_with_other_content")
        early = await li.post(f"{ONE}/reversal", data={"number": "A-18", "text": "x"})
        assert (early.status_code, early.json()["reason"]) == (409, "adjustment_not_posted")
        assert (await li.post(f"{ONE}/withdrawal", data={"note": "x"})).json()["reason"] == "not_the_proposer"
        assert (await li.post(f"{ONE}/refusal", data={"note": " "})).json()["reason"] == "note_missing"
        refused = await li.post(f"{ONE}/refusal", data={"note": "the case says otherwise"})
        assert (refused.json()["state"], refused.json()["note"]) == ("refused", "the case says otherwise")
        second = await wang.post("/adjustments", data=FORM | {"number": "A-20"})
        withdrawn = await wang.post(f"/adjustments/{second.json()['id']}/withdrawal", data={"note": "typing mistake"})
        assert withdrawn.json()["state"] == "withdrawn"
    assert await _unlinked(house) == {}
    with pytest.raises(DBAPIError, match="permission denied"):
        async with house.database.transaction() as session:
            await session.execute(text("DELETE FROM clearing.adjustment"))


async def test_a_proposal_is_refused_whole_with_every_fault(house: Any) -> None:
    across = {"book": "medical:employee-fund", "giver": "hospital-1", "receiver": "bus-a"}
    wrong: list[tuple[dict[str, str], list[str]]] = [
        ({"book": "moon", "text": " "}, ["book", "text", "corrected"]),
        (across, ["receiver", "corrected"]),
        ({"receiver": "bus-b", "amount_minor": "0"}, ["receiver", "amount_minor", "corrected"]),
        ({"corrects": "window", "corrected": "1"}, ["corrected"]),  # it is open
        ({"corrects": "window", "corrected": "first"}, ["corrected"]),
        ({"reason": "reversal"}, ["reason", "corrected"]),
    ]
    async with house.staff("wang") as wang:
        for changes, fields in wrong:
            refused = await wang.post("/adjustments", data=FORM | changes)
            assert refused.status_code == 422, changes
            assert [error["field"] for error in refused.json()["errors"]] == fields
        unknown = await wang.get("/adjustments/adjustment:none")
    assert (unknown.status_code, unknown.json()["reason"]) == (404, "adjustment_unknown")


async def test_what_the_ledger_refuses_stays_a_proposal(house: Any) -> None:
    """A prefunded agent cannot give what it never paid in."""
    async with house.staff("wang") as wang, house.staff("li") as li:
        await wang.post("/cases", data=DISPUTE)
        await wang.post("/adjustments", data=FORM | {"giver": "agent-1", "amount_minor": "5000001"})
        refused = await li.post(f"{ONE}/approval")
        assert (refused.status_code, refused.json()["reason"]) == (409, "ledger_refuses")
        assert "to be approved" in (await li.get(ONE)).text
    assert await _unlinked(house) == {}
