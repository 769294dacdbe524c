"""A holder asks where the money went: staff see every transaction with its end, and that they looked is in the audit trail."""

from __future__ import annotations

import csv
import io
import shutil
from typing import Any

import pytest

from clearing.base import accounts
from clearing.files import Files
from clearing.history.service import fold_closed

PERIOD = {"first_day": "2026-09-01", "last_day": "2026-09-30"}


def _pan(card: int) -> str:
    return f"3109910{card:012d}"


async def _closed_day(house: Any) -> None:
    """Card 1: a good tap and one with a wrong TAC; card 3: one whose end nobody knows."""
    bus, town = await house.enrol("BUS-A-0001"), house.town
    town.tap(1, 0)
    town.outcome(town.intent(1, 1), tac=bytes(4))
    town.intent(3, 0)
    await bus.upload(1, town.journal["BUS-A-0001"])
    await house.close()


async def _ask(house: Any, card: str, path: str = "/card-history", accept: str = "*/*", **changed: str) -> Any:
    async with house.staff("wang") as wang:
        return await wang.post(path, data=PERIOD | {"card": card} | changed, headers={"Accept": accept})


async def _looks(house: Any) -> list[tuple[str, str]]:
    async with house.database.reading() as session:
        trail = await accounts.trail(session)
    return [(row.actor, row.subject) for row in trail if row.act == "looked at a card's history"]


async def test_every_transaction_is_told_with_its_end_folded_or_not(house: Any) -> None:
    await _closed_day(house)
    results = Files(house.app.state.service.settings.data_folder / "clearing").results
    assert list((results / "history").rglob("*.arrow")), "a close folds what it cleared"
    shutil.rmtree(results / "history")
    answer = await _ask(house, _pan(1))
    assert answer.status_code == 200, answer.text
    view = answer.json()
    assert [(line["reason"], line["moved"], line["waits"]) for line in view["lines"]] == [
        ("none", True, False),
        ("tac_wrong", False, True),
    ]
    good, wrong = view["lines"]
    assert (good["event"], good["operator"], good["device"], good["line"]) == ("ride", "bus-a", "BUS-A-0001", "B101")
    assert view["spent_minor"] == good["amount_minor"] > 0
    assert good["transfer"].startswith("set:000001:2026-09-15:bus-a:B101")
    assert wrong["transfer"] == ""
    assert _pan(1) not in answer.text
    async with house.database.reading() as session:
        await fold_closed(session, results)
    assert list((results / "history").rglob("*.arrow"))
    assert (await _ask(house, _pan(1))).json() == view


async def test_the_page_tells_it_in_both_languages(house: Any) -> None:
    await _closed_day(house)
    page = await _ask(house, "310 9910 " + _pan(1)[7:], accept="text/html")
    assert page.status_code == 200
    for words in ("钱去哪儿了", "Where did my money go", "已入账", "moved", "TAC 错误", "310991…0001"):
        assert words in page.text
    open_end = await _ask(house, _pan(3), accept="text/html")
    assert "结果未知" in open_end.text


async def test_a_spreadsheet_has_the_same_lines(house: Any) -> None:
    await _closed_day(house)
    answer = await _ask(house, _pan(1), "/card-history.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["business_day"], row["amount_yuan"], row["reason"]) for row in rows] == [
        ("2026-09-15", "1.00", "none"),
        ("2026-09-15", "1.00", "tac_wrong"),
    ]


async def test_every_look_is_in_the_audit_trail_with_the_card_masked(house: Any) -> None:
    await _closed_day(house)
    await _ask(house, _pan(1))
    await _ask(house, _pan(2), "/card-history.csv")
    await _ask(house, _pan(9))
    assert await _looks(house) == [("wang", "310991…0009"), ("wang", "310991…0002"), ("wang", "310991…0001")]


@pytest.mark.parametrize(
    ("card", "changed", "status", "fields"),
    [
        (_pan(9), {}, 404, []),
        ("123", {}, 422, ["card"]),
        ("９" * 19, {}, 422, ["card"]),
        (_pan(1), {"last_day": "2026-08-31"}, 422, ["last_day"]),
        ("123", {"first_day": "2020-01-01"}, 422, ["card", "last_day"]),
    ],
)
async def test_a_question_that_cannot_be_answered_is_refused_by_name(
    house: Any, card: str, changed: dict[str, str], status: int, fields: list[str]
) -> None:
    answer = await _ask(house, card, **changed)
    assert answer.status_code == status
    assert [error["field"] for error in answer.json()["errors"]] == fields
    page = await _ask(house, card, accept="text/html", **changed)
    assert (page.status_code, "refused" in page.text) == (status, True)
    assert answer.json()["title"] in page.text


async def test_nobody_looks_without_signing_in(house: Any) -> None:
    async with house.client() as client:
        answer = await client.post("/card-history", data=PERIOD | {"card": _pan(1)}, headers={"Accept": "*/*"})
    assert answer.status_code == 401
    assert await _looks(house) == []
