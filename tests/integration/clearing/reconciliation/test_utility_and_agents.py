"""A utility's bills, collected by an agent with a limit: what each owes and gets, through the bank, in a book of their own."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from clearing.ledger.rules import Purpose
from clearing.ledger.service import TransfersRefused
from clearing.participants.documents import DocumentKind, demonstration_documents

BOOK = "utilities"
AGENT, WATER = "agent-with-limit:agent-2", "utility-payable:water"
DAY1, DAY2 = date(2026, 9, 16), date(2026, 9, 17)


@pytest.fixture
def agreed() -> dict[DocumentKind, Any]:
    return {DocumentKind.CONTRACTS: demonstration_documents()[DocumentKind.CONTRACTS]}


async def _collected(office: Any) -> None:
    """100.00 and 250.01 by the agent: 0.003 of it and 0.10 each from the waterworks, 0.20 each to the agent."""
    for number, minor in enumerate((10_000, 25_001)):
        await office.move(f"bill-{number}", minor, AGENT, WATER, Purpose.BILL, book=BOOK)
    await office.house.close()


async def test_what_an_agent_collects_is_called_in_and_paid_to_the_utility(office: Any) -> None:
    await _collected(office)
    view = await office.post(f"/settlement/1/{BOOK}/start")
    legs = {(leg["direction"], leg["participant"]): leg["amount_minor"] for leg in view["legs"]}
    charged, commission = 105 + 20, 40
    assert legs == {("in", "agent-2"): 35_001 - commission, ("out", "water"): 35_001 - charged}
    assert view["own_minor"] == commission - charged
    call = next(leg["call"] for leg in view["legs"] if leg["call"])
    await office.pay_in("agent-2", 34_961, call=call, book=BOOK)
    await office.say(office.bank.statement(BOOK, DAY1))
    await office.post(f"/bank/{BOOK}/matching")
    file = await office.pay_out(book=BOOK, day=DAY2)
    assert file["total_minor"] == 34_876
    await office.say(office.bank.statement(BOOK, DAY2))
    await office.post(f"/bank/{BOOK}/matching")
    assert (await office.state(book=BOOK))["state"] == "settled"
    accounts = {row["book"]: row for row in await office.get("/bank/accounts")}
    assert (accounts[BOOK]["bank_minor"], accounts[BOOK]["unexplained_minor"]) == (85, 0)


async def test_the_utilitys_statement_says_what_was_collected_and_charged(office: Any) -> None:
    await _collected(office)
    answer = await office.first.get(f"/windows/1/statement.csv?participant=water&book={BOOK}")
    assert "100.00" in answer.text
    assert "250.01" in answer.text
    assert "1.25" in answer.text
    page = (await office.first.get(f"/windows/1/statement?participant=water&book={BOOK}")).text
    assert "代收账单" in page


async def test_an_agent_collects_up_to_its_limit_and_not_a_fen_beyond(office: Any) -> None:
    await office.move("bill-1", 1_999_999, AGENT, WATER, Purpose.BILL, book=BOOK)
    await office.move("bill-2", 1, AGENT, WATER, Purpose.BILL, book=BOOK)
    with pytest.raises(TransfersRefused):
        await office.move("bill-3", 1, AGENT, WATER, Purpose.BILL, book=BOOK)


async def test_its_limit_in_one_book_is_none_in_another(office: Any) -> None:
    """Books never net against each other, and a load on credit is called in from the agent as well."""
    await office.move("bill-1", 2_000_000, AGENT, WATER, Purpose.BILL, book=BOOK)
    await office.move("load-1", 2_000_000, AGENT, "value-on-cards", Purpose.LOAD)
    await office.house.close()
    view = await office.post("/settlement/1/transit/start")
    (leg,) = view["legs"]
    assert (leg["participant"], leg["amount_minor"]) == ("agent-2", 2_000_000 - 4_000)
    # Its cap is 15,000.00: what is beyond comes in before anybody is paid.
    assert leg["held_minor"] == 496_000
    assert (await office.post(f"/settlement/1/{BOOK}/start"))["legs"][0]["amount_minor"] == 2_000_000 - 20
