"""A period is restated: proposed, computed as a dry run, approved by another person, posted once into the window open then."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from clearing.files import Files
from clearing.ledger import queries as ledger
from clearing.ledger.rules import Purpose, Transfer
from clearing.ledger.service import post
from clearing.participants.service import publish_tariff, tariff_documents
from clearing.restatement import service
from rulebook.calendar import BUSINESS_ZONE
from rulebook.money import Amount

FORM = {
    "number": "R-2026-1",
    "first_day": "2026-09-14",
    "last_day": "2026-09-15",
    "tariff_version": "2",
    "borne_by": "operator",
    "reason": "the council's fare of 1 September was loaded late",
    "lines": "B101",
}
ONE = "/restatements/R-2026-1"
NOW = datetime(2026, 9, 15, 22, tzinfo=BUSINESS_ZONE)


async def _cleared(house: Any) -> None:
    """Cards 1 and 3 are charged 100 on line B101; the right fare, published afterwards, is 80."""
    bus = await house.enrol("BUS-A-0001")
    house.town.tap(1, 0, amount=100)
    house.town.tap(3, 0, amount=100)
    house.town.tap(3, 1, amount=50)
    await bus.upload(1, house.town.journal["BUS-A-0001"])
    await house.close()
    async with house.database.transaction() as session:
        document = (await tariff_documents(session))[1]
        zones = [
            {**document["zones"][0], "tiers": [{"upto_metres": None, "amount_minor": 160}]},
            *document["zones"][1:],
        ]
        await publish_tariff(session, {**document, "version": 2, "zones": zones}, now=NOW)


async def _leave_to_the_agent(house: Any, minor: int) -> None:
    taken = Transfer(
        id="test:taken",
        book="transit",
        debit="agent-prefunded:agent-1",
        credit="fees",
        amount=Amount(5_000_000 - minor),
        purpose=Purpose.FEE,
        business_day=NOW.date(),
    )
    async with house.database.transaction() as session:
        await post(session, [taken], now=NOW)


async def _entries(house: Any) -> dict[str, Transfer]:
    async with house.database.reading() as session:
        found = await ledger.unlinked(session, "transit")
    return {transfer.id: transfer for transfer in found if transfer.id.startswith("restatement:")}


async def test_two_persons_restate_a_period_once(house: Any) -> None:
    await _cleared(house)
    async with house.staff("wang") as wang, house.staff("li") as li:
        proposed = await wang.post("/restatements", data=FORM)
        assert proposed.status_code == 201, proposed.text
        assert (await wang.post("/restatements", data=FORM)).json() == proposed.json()
        early = await li.post(f"{ONE}/approval")
        assert (early.status_code, early.json()["reason"]) == (409, "restatement_proposed")
        dry = (await wang.post(f"{ONE}/computation")).json()
        assert (dry["state"], dry["rides"], dry["days"], dry["days_done"]) == ("computed", 3, 1, 1)
        totals = {(t["kind"], t["bearer"]): (t["minor"], t["rides"], t["entries"]) for t in dry["totals"]}
        # The tap of 50 was a loss of 50 by the tariff it was charged by, and is one of 30 by the right one.
        assert totals == {("refund", ""): (40, 2, 2), ("loss", "operator"): (-20, 1, 0)}
        assert dry["examples"][0]["en"][-1] == "charged to the card: 0.80 yuan"
        assert await _entries(house) == {}
        own = await wang.post(f"{ONE}/approval")
        assert (own.status_code, own.json()["reason"]) == (409, "second_person_must_differ")
        posted = (await li.post(f"{ONE}/approval")).json()
        assert (posted["state"], posted["pieces_posted"], posted["pieces"]) == ("posted", 1, 1)
        entries = await _entries(house)
        assert {(e.debit, e.credit, e.amount.minor, e.reference) for e in entries.values()} == {
            (
                "operator-payable:bus-a",
                f"refunds-owed:0310991000000000000{card}",
                20,
                "set:000001:2026-09-15:bus-a:B101:fare",
            )
            for card in (1, 3)
        }
        assert (await li.post(f"{ONE}/posting")).json()["pieces_posted"] == 1
        again = await wang.post("/restatements", data=FORM | {"number": "R-2026-2"})
        assert again.status_code == 201
        nothing = (await wang.post("/restatements/R-2026-2/computation")).json()
        assert (nothing["rides"], nothing["totals"]) == (3, [])
        page, listed = await wang.get(ONE), await wang.get("/restatements")
    assert await _entries(house) == entries
    assert "reported only" in page.text
    assert "R-2026-2" in listed.text
    view = await house.close(2)
    nets = {p["participant"]: p["net_minor"] for p in view["positions"] if p["book"] == "transit"}
    assert (nets["bus-a"], nets["card-company"]) == (-40, 40)


async def test_a_dry_run_that_is_out_of_date_or_not_covered_is_not_posted(house: Any) -> None:
    await _cleared(house)
    async with house.staff("wang") as wang, house.staff("li") as li:
        await _leave_to_the_agent(house, 29)  # where 30 are to be borne
        await wang.post("/restatements", data=FORM | {"borne_by": "agent-1"})
        await wang.post(f"{ONE}/computation")
        refused = await li.post(f"{ONE}/approval")
        assert (refused.status_code, refused.json()["reason"]) == (409, "loss_not_covered")
        await wang.post("/restatements", data=FORM | {"number": "R-2"})
        await wang.post("/restatements/R-2/computation")
        await wang.post("/restatements", data=FORM | {"number": "R-3"})
        await wang.post("/restatements/R-3/computation")
        async with house.database.transaction() as session:
            await service.approve(session, "R-2", actor="li", now=NOW)
        # Its posting broke off: whoever goes on posts the rest.
        late = await li.post("/restatements/R-3/approval")
        assert (late.status_code, late.json()["reason"]) == (409, "restatement_outdated")
        assert "Go on posting" in (await wang.get("/restatements/R-2")).text
        assert (await wang.post("/restatements/R-2/posting")).json()["state"] == "posted"
        assert (await wang.post("/restatements/R-3/computation")).json()["totals"] == []
        withdrawn = await wang.post(f"{ONE}/withdrawal")
        assert withdrawn.json()["state"] == "withdrawn"
        assert (await li.post(f"{ONE}/approval")).json()["reason"] == "restatement_withdrawn"
    assert len(await _entries(house)) == 2


class PowerCut(Exception):
    pass


async def _post_and_break_off(house: Any, folder: Path) -> None:
    async with house.database.transaction() as session:
        await service.post_piece(session, "R-2026-1", folder, now=NOW)
        raise PowerCut


async def test_posting_that_breaks_off_goes_on_and_posts_nothing_twice(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearing.day.parquet.ROW_GROUP", 1)  # an entry is a piece
    await _cleared(house)
    files = Files(house.app.state.service.settings.data_folder / "clearing")
    async with house.staff("wang") as wang:
        await wang.post("/restatements", data=FORM | {"borne_by": "bus-b"})
        dry = (await wang.post(f"{ONE}/computation")).json()
        assert dry["pieces"] == 4  # two refunds, and the loss from the operator to bus-b
        async with house.database.transaction() as session:
            row = await service.approve(session, "R-2026-1", actor="li", now=NOW)
            folder = service.folder_of(files, row.inputs or b"")
        async with house.database.transaction() as session:
            assert await service.post_piece(session, "R-2026-1", folder, now=NOW)
        with pytest.raises(PowerCut):
            await _post_and_break_off(house, folder)
        posted = (await wang.post(f"{ONE}/posting")).json()
    assert (posted["state"], posted["pieces_posted"]) == ("posted", 4)
    moved = sorted((e.debit, e.credit.partition(":")[0], e.amount.minor) for e in (await _entries(house)).values())
    assert moved == [
        ("operator-payable:bus-a", "refunds-owed", 20),
        ("operator-payable:bus-a", "refunds-owed", 20),
        ("operator-payable:bus-b", "operator-payable", 30),
    ]


async def test_a_restatement_is_refused_whole_with_every_fault(house: Any) -> None:
    wrong = {
        "first_day": "2026-09-17",
        "last_day": "2026-09-16",
        "tariff_version": "1",
        "lines": "B101 B999",
        "operators": "hospital-1",
        "borne_by": "nobody",
        "reason": " ",
    }
    async with house.staff("wang") as wang:
        refused = await wang.post("/restatements", data=FORM | wrong)
        unknown = await wang.post("/restatements", data=FORM)
        missing = await wang.get("/restatements/none")
    assert refused.status_code == 422
    fields = [error["field"] for error in refused.json()["errors"]]
    assert fields == ["last_day", "last_day", "lines", "operators", "borne_by", "reason"]
    assert [error["field"] for error in unknown.json()["errors"]] == ["tariff_version"]
    assert (missing.status_code, missing.json()["reason"]) == (404, "restatement_unknown")
