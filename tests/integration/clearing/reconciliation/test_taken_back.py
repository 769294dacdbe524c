"""What the bank had shown and takes back is owed or called again; what it corrects itself moves nothing."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from clearing.participants.banking import BankAccount
from simulator.city.bank import Booking

NOW = datetime.fromisoformat("2026-09-15T22:00:00+08:00")
AT_BUS_A = BankAccount(number="9558800200000000011", bank_code="102100099996", name="公交甲公司")
DAY1, DAY2, DAY3 = date(2026, 9, 16), date(2026, 9, 17), date(2026, 9, 18)


async def _settled(closed: Any) -> str:
    """The whole window; the id of the payment to bus-a."""
    await closed.post("/settlement/1/transit/start")
    await closed.cover()
    file = await closed.pay_out(day=DAY2)
    await closed.say(closed.bank.statement("transit", DAY2))
    await closed.post("/bank/transit/matching")
    assert (await closed.state())["state"] == "settled"
    return f"{file['id']}-1"


async def test_a_payment_that_comes_back_is_owed_again_and_ordered_anew(closed: Any) -> None:
    """The bank had shown it, and sends it back the day after: what was settled is not."""
    payment = await _settled(closed)
    account = AT_BUS_A
    closed.bank.book("transit", Booking(66_667, DAY3, "", ((payment, 66_667, account, ""),)))
    await closed.say(closed.bank.statement("transit", DAY3))
    (matched,) = (await closed.post("/bank/transit/matching"))["matched"]
    assert (matched["rule"], matched["target"]) == ("returned", payment)
    state = await closed.state()
    assert (state["state"], closed.open_legs(state)["out", "bus-a"], state["cover_minor"]) == (
        "pending",
        66_667,
        66_667,
    )
    assert (await closed.balances())["operator-payable:bus-a"] == 66_667
    day4 = date(2026, 9, 19)
    again = await closed.pay_out(day=day4)
    assert again["total_minor"] == 66_667
    await closed.say(closed.bank.statement("transit", day4))
    await closed.post("/bank/transit/matching")
    assert (await closed.state())["state"] == "settled"
    assert (await closed.balances())["operator-payable:bus-a"] == 0


async def test_a_pay_in_the_bank_reverses_is_called_again_once_two_persons_say_so(closed: Any) -> None:
    await closed.post("/settlement/1/transit/start")
    await closed.cover()
    closed.bank.book("transit", Booking(-100_001, DAY2, "", ()))
    await closed.say(closed.bank.statement("transit", DAY2))
    (left,) = (await closed.post("/bank/transit/matching"))["unmatched"]
    call = next(leg["call"] for leg in (await closed.state())["legs"] if leg["call"])
    assert "冲回缴款" in (await closed.first.get("/bank/transit/matching")).text
    data = {"reference": left, "target": f"call_back:{call}"}
    assert (await closed.first.post("/bank/transit/by-hand", data=data)).status_code == 204
    assert (await closed.second.post("/bank/transit/by-hand-approval", data=data)).status_code == 200
    state = await closed.state()
    assert (closed.open_legs(state)["in", "concession-fund"], state["cover_minor"]) == (100_001, 50_000)
    assert (await closed.balances())["subsidy-receivable:concession-fund"] == 100_001
    await closed.pay_in("concession-fund", 100_001, call=call, day=DAY3)
    await closed.say(closed.bank.statement("transit", DAY3))
    await closed.post("/bank/transit/matching")
    assert (await closed.state())["cover_minor"] == 150_001
    await closed.balances()


async def test_two_entries_that_cancel_each_other_are_two_persons_matter(closed: Any) -> None:
    """Money for nothing known that the bank sends back, or a wrong booking that it corrects: nothing moves in the ledger."""
    stranger = BankAccount(number="9558800200000000999", bank_code="102100099996", name="unknown")
    closed.bank.credit("transit", 700, payer=stranger, remittance="?", day=DAY1)
    closed.bank.book("transit", Booking(-700, DAY2, "", ()))
    closed.bank.book("transit", Booking(-701, DAY2, "", ()))
    for day in (DAY1, DAY2):
        await closed.say(closed.bank.statement("transit", day))
    came, went, other = (await closed.post("/bank/transit/matching"))["unmatched"]

    async def by_hand(what: str, by: Any, target: str) -> Any:
        data = {"reference": came, "target": f"entry:{target}"}
        return (await by.post(f"/bank/transit/by-hand{what}", data=data)).status_code

    assert await by_hand("", closed.first, other) == await by_hand("", closed.first, came) == 409
    assert f"entry:{went}" in (await closed.first.get("/bank/transit/matching")).text
    assert await by_hand("", closed.first, went) == 204
    assert await by_hand("-approval", closed.first, went) == 409
    before = await closed.balances()
    assert await by_hand("-approval", closed.second, went) == 200
    assert await closed.balances() == before
    assert (await closed.post("/bank/transit/matching"))["unmatched"] == [other]
    page = (await closed.first.get("/bank/transit/matching")).text
    assert f"break:0200000109000000017:{other}" in page
    assert f"break:0200000109000000017:{went}" not in page


async def test_a_file_that_is_no_longer_covered_is_not_released(closed: Any) -> None:
    """Regression: the pay-in that covered it was reversed between draft and release."""
    await closed.post("/settlement/1/transit/start")
    await closed.cover()
    file = (await closed.post("/settlement/1/transit/payments"))["id"]
    closed.bank.book("transit", Booking(-100_001, DAY2, "", ()))
    await closed.say(closed.bank.statement("transit", DAY2))
    (left,) = (await closed.post("/bank/transit/matching"))["unmatched"]
    call = next(leg["call"] for leg in (await closed.state())["legs"] if leg["call"])
    data = {"reference": left, "target": f"call_back:{call}"}
    await closed.first.post("/bank/transit/by-hand", data=data)
    await closed.second.post("/bank/transit/by-hand-approval", data=data)
    refused = await closed.post(f"/payments/{file}/release", by=closed.second, expect=409)
    assert (refused["reason"], "1000.01 short" in refused["detail"]) == ("payment_file_outdated", True)
    await closed.post(f"/payments/{file}/withdrawal")
    assert (await closed.post("/settlement/1/transit/payments"))["total_minor"] == 50_000
