"""A closed window is called in, paid and settled; each thing that must stop it stops it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from backoffice.clock import HEADER
from clearing.participants.banking import BankAccount
from clearing.participants.service import city
from clearing.reconciliation.views import at_banks
from simulator.city.bank import Form

NOW = datetime.fromisoformat("2026-09-15T22:00:00+08:00")
AT_BUS_A = BankAccount(number="9558800200000000011", bank_code="102100099996", name="公交甲公司")
DAY1, DAY2, DAY3 = date(2026, 9, 16), date(2026, 9, 17), date(2026, 9, 18)


async def test_a_window_is_settled_through_the_bank_to_the_fen(closed: Any) -> None:
    view = await closed.post("/settlement/1/transit/start")
    assert (view["state"], view["settlement_date"]) == ("pending", "2026-09-16")
    assert (view["own_minor"], view["cover_minor"], view["shortfall_minor"]) == (50_000, 50_000, 100_001)
    assert closed.open_legs(view) == {
        ("in", "concession-fund"): 100_001,
        ("out", "bus-a"): 66_667,
        ("out", "bus-b"): 33_334,
        ("out", "metro"): 50_000,
    }
    await closed.cover()
    await closed.pay_out(day=DAY2)
    await closed.say(closed.bank.statement("transit", DAY2, form=Form.CAMT_053_02))
    planned = await closed.get("/bank/transit/matching/dry-run")
    assert {row["rule"] for row in planned["matched"]} == {"end_to_end"}
    assert planned == await closed.post("/bank/transit/matching")
    state = await closed.state()
    assert (state["state"], state["shortfall_minor"]) == ("settled", 0)
    balances = await closed.balances()
    assert balances["float-at-bank"] == closed.bank.balance("transit", DAY2) == 5_000_000 - 50_000
    assert [balances[f"operator-payable:{who}"] for who in ("bus-a", "bus-b", "metro")] == [0, 0, 0]
    assert balances["subsidy-receivable:concession-fund"] == 0


async def test_a_whole_file_booked_in_one_sum_pays_each_of_its_payments(closed: Any) -> None:
    await closed.post("/settlement/1/transit/start")
    await closed.cover()
    await closed.pay_out(day=DAY2, in_one_sum=True)
    await closed.say(closed.bank.statement("transit", DAY2))
    matched = (await closed.post("/bank/transit/matching"))["matched"]
    assert [row["rule"] for row in matched] == ["batch"] * 3
    assert (await closed.state())["state"] == "settled"


async def test_a_shortfall_pays_as_far_as_covered_and_stays_pending(closed: Any) -> None:
    await closed.post("/settlement/1/transit/start")
    file = await closed.pay_out(day=DAY1)
    assert file["total_minor"] == 50_000
    await closed.pay_in("concession-fund", 1, call="C1 of nobody", day=DAY1)
    await closed.say(closed.bank.statement("transit", DAY1))
    await closed.post("/bank/transit/matching")
    state = await closed.state()
    assert (state["state"], state["cover_minor"], state["shortfall_minor"]) == ("pending", 0, 100_001)
    assert sum(minor for (side, _), minor in closed.open_legs(state).items() if side == "out") == 100_001
    refused = await closed.post("/settlement/1/transit/payments", expect=409)
    assert refused["reason"] == "nothing_covered"


async def test_calls_paid_by_instalments_release_what_they_cover(closed: Any) -> None:
    view = await closed.post("/settlement/1/transit/start")
    call = next(leg["call"] for leg in view["legs"] if leg["call"])
    total = 0
    for day, minor in ((DAY1, 1), (DAY2, 33_333), (DAY3, 66_667)):
        await closed.pay_in("concession-fund", minor, call=call, day=day)
        await closed.say(closed.bank.statement("transit", day))
        await closed.post("/bank/transit/matching")
        total += (await closed.pay_out(day=date(2026, 9, 21)))["total_minor"]
        assert (await closed.state())["cover_minor"] == 0
    assert total == 150_001
    for day in (date(2026, 9, 19), date(2026, 9, 20), date(2026, 9, 21)):
        await closed.say(closed.bank.statement("transit", day))
    await closed.post("/bank/transit/matching")
    assert (await closed.state())["state"] == "settled"
    await closed.balances()


async def _fail(office: Any, path: str, by: Any = None) -> Any:
    return await (by or office.first).post(path, data={"reason": "账户已销户 account closed"})


async def test_a_payment_the_bank_will_not_execute_is_given_up_by_two_and_ordered_anew(closed: Any) -> None:
    await closed.post("/settlement/1/transit/start")
    file = await closed.post("/settlement/1/transit/payments")
    payment = f"/payments/{file['id']}-1"
    assert (await _fail(closed, f"{payment}/failure")).json()["reason"] == "payment_not_under_way"
    await closed.post(f"/payments/{file['id']}/release", by=closed.second)
    assert (await _fail(closed, f"{payment}/failure")).status_code == 200
    assert (await _fail(closed, f"{payment}/failure")).json()["reason"] == "failure_known"
    assert (await closed.state())["cover_minor"] == 0
    refused = await closed.post(f"{payment}/failure-approval", expect=409)
    assert refused["reason"] == "second_person_must_differ"
    await closed.post(f"{payment}/failure-approval", by=closed.second)
    assert (await closed.state())["cover_minor"] > 0
    again = await closed.post("/settlement/1/transit/payments")
    assert again["total_minor"] == (await _total(closed)) - 50_000
    late = closed.bank
    late.take(await _content(closed, file["id"]), DAY1)
    await closed.say(late.statement("transit", DAY1))
    answer = await closed.post("/bank/transit/matching")
    assert (len(answer["matched"]), len(answer["unmatched"])) == (2, 1)
    await closed.balances()


async def _content(office: Any, file: str) -> bytes:
    content: bytes = (await office.first.get(f"/payments/{file}.xml")).content
    return content


async def _total(office: Any) -> int:
    return sum(file["total_minor"] for file in (await office.state())["files"])


async def test_a_file_whose_day_is_past_is_not_released(closed: Any) -> None:
    await closed.post("/settlement/1/transit/start")
    file = (await closed.post("/settlement/1/transit/payments"))["id"]
    for client, (name, password) in (
        (closed.first, ("wang", "first-person")),
        (closed.second, ("li", "second-person")),
    ):
        client.headers[HEADER] = "2026-09-17T09:00:00+08:00"
        await client.post("/sign-in", data={"name": name, "password": password})
    refused = await closed.post(f"/payments/{file}/release", by=closed.second, expect=409)
    assert (refused["reason"], "2026-09-16, is past" in refused["detail"]) == ("payment_file_outdated", True)
    await closed.post(f"/payments/{file}/withdrawal", by=closed.second)
    again = await closed.post("/settlement/1/transit/payments")
    assert again["execute_on"] == "2026-09-17"
    await closed.post(f"/payments/{again['id']}/release", by=closed.second)


async def test_two_people_for_a_payment_file_and_no_file_before_the_release(closed: Any) -> None:
    await closed.post("/settlement/1/transit/start")
    file = (await closed.post("/settlement/1/transit/payments"))["id"]
    assert (await closed.post(f"/payments/{file}/release", expect=409))["reason"] == "second_person_must_differ"
    assert (await closed.first.get(f"/payments/{file}.xml")).status_code == 409
    assert (await closed.post("/settlement/1/transit/payments", expect=409))["reason"] == "payment_file_waiting"
    await closed.post(f"/payments/{file}/withdrawal")
    assert (await closed.post(f"/payments/{file}/release", by=closed.second, expect=409))["reason"] == (
        "payment_file_withdrawn"
    )
    again = await closed.post("/settlement/1/transit/payments")
    assert (again["id"] != file, again["total_minor"]) == (True, 50_000)


async def test_a_released_file_does_not_leave_the_house_while_the_book_is_stopped(closed: Any) -> None:
    await closed.post("/settlement/1/transit/start")
    file = (await closed.post("/settlement/1/transit/payments"))["id"]
    await closed.post(f"/payments/{file}/release", by=closed.second)
    assert (await closed.first.get(f"/payments/{file}.xml")).status_code == 200
    right = closed.bank.statement("transit", DAY1)
    await closed.say(right.replace(b"50000.00", b"49999.99").replace(b"SIMULATOR-S", b"WRONG-S"))
    answer = await closed.first.get(f"/payments/{file}.xml")
    assert (answer.status_code, answer.json()["reason"]) == (409, "bank_stopped")


async def test_settlement_right_after_close(closed: Any) -> None:
    """Regression of others: what is posted in the moment of the close belongs to the next window, and only there."""
    await closed.move("late", 777, "subsidy-receivable:concession-fund", "operator-payable:bus-a")
    view = await closed.post("/settlement/1/transit/start")
    frozen = await closed.get("/windows/1")
    nets = {p["participant"]: p["net_minor"] for p in frozen["positions"] if p["book"] == "transit"}
    sign = {"in": -1, "out": 1}
    legs = {leg["participant"]: sign[leg["direction"]] * leg["amount_minor"] for leg in view["legs"]}
    assert legs == {who: minor for who, minor in nets.items() if minor and who != "card-company"}
    assert sum(legs.values()) == view["own_minor"] == -nets["card-company"]
    await closed.house.close(2)
    second = await closed.post("/settlement/2/transit/start")
    assert closed.open_legs(second) == {("in", "concession-fund"): 777, ("out", "bus-a"): 777}


async def test_an_aborted_settlement_is_carried_into_the_next_one_once(closed: Any) -> None:
    await closed.post("/settlement/1/transit/start")
    await closed.pay_in("concession-fund", 1)
    await closed.say(closed.bank.statement("transit", DAY1))
    await closed.post("/settlement/1/transit/abort")
    refused = await closed.post("/settlement/1/transit/abort-approval", expect=409)
    assert refused["reason"] == "second_person_must_differ"
    await closed.post("/settlement/1/transit/abort-approval", by=closed.second)
    await closed.move("back", 100, "operator-payable:bus-a", "subsidy-receivable:concession-fund")
    await closed.house.close(2)
    view = await closed.post("/settlement/2/transit/start")
    assert closed.open_legs(view) == {
        ("in", "concession-fund"): 99_901,
        ("out", "bus-a"): 66_567,
        ("out", "bus-b"): 33_334,
        ("out", "metro"): 50_000,
    }
    await closed.house.close(3)
    assert (await closed.post("/settlement/3/transit/start"))["state"] == "settled"


async def test_nothing_is_aborted_while_a_payment_is_on_its_way(closed: Any) -> None:
    await closed.post("/settlement/1/transit/start")
    await closed.pay_out()
    await closed.post("/settlement/1/transit/abort")
    refused = await closed.post("/settlement/1/transit/abort-approval", by=closed.second, expect=409)
    assert refused["reason"] == "payments_under_way"
    assert (await closed.post("/settlement/1/transit/abort-withdrawal"))["state"] == "pending"


async def test_a_net_debit_beyond_the_cap_holds_every_payment_until_the_excess_has_come(office: Any) -> None:
    await office.move("big", 50_000_100, "subsidy-receivable:concession-fund", "operator-payable:bus-a")
    await office.move("f1", 50_000, "value-on-cards", "operator-payable:metro")
    await office.house.close()
    await office.post("/settlement/1/transit/start")
    refused = await office.post("/settlement/1/transit/payments", expect=409)
    assert (refused["reason"], "1.00" in refused["detail"]) == ("net_debit_cap_exceeded", True)
    call = next(leg["call"] for leg in (await office.state())["legs"] if leg["call"])
    await office.pay_in("concession-fund", 100, call=call)
    await office.say(office.bank.statement("transit", DAY1))
    await office.post("/bank/transit/matching")
    assert (await office.post("/settlement/1/transit/payments"))["total_minor"] == 50_100


async def test_contributions_the_ledger_has_booked_are_recognised_not_posted_again(office: Any) -> None:
    """The persons' opening balances were booked when the fund heard of them; the bank shows them in one sum."""
    payer = next(iter(office.bank._accounts.values()))[0]
    office.bank.credit("medical:employee-fund", 60_000, payer=payer, remittance="contributions", day=DAY1)
    await office.say(office.bank.statement("medical:employee-fund", DAY1))
    (row,) = (await office.post("/bank/medical:employee-fund/matching"))["matched"]
    assert (row["rule"], row["kind"]) == ("booked_sum", "booked")
    async with office.house.database.reading() as session:
        (account,) = [a for a in await at_banks(session, await city(session)) if a.book == "medical:employee-fund"]
    assert (account.bank_minor, account.ledger_minor, account.unexplained_minor) == (200_060_000, 200_060_000, 0)


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/settlement/9/transit/start", 404, "window_unknown"),
        ("/settlement/2/transit/start", 409, "window_open"),
        ("/settlement/1/elsewhere/start", 404, "book_not_at_bank"),
        ("/settlement/2/transit/payments", 404, "settlement_not_begun"),
        ("/payments/P9/release", 404, "payment_file_unknown"),
        ("/bank/transit/lift", 409, "bank_running"),
    ],
)
async def test_each_refusal_has_its_name(closed: Any, path: str, status: int, reason: str) -> None:
    assert (await closed.post(path, expect=status))["reason"] == reason


async def test_a_settlement_starts_once(closed: Any) -> None:
    await closed.post("/settlement/1/transit/start")
    assert (await closed.post("/settlement/1/transit/start", expect=409))["reason"] == "settlement_pending"


@pytest.mark.parametrize("path", ["/settlement", "/settlement/1/transit", "/bank", "/bank/transit/matching"])
async def test_each_page_opens_before_and_after(closed: Any, path: str) -> None:
    for _ in range(2):
        assert (await closed.first.get(path)).status_code == 200
        answer = await closed.first.post("/settlement/1/transit/start")
        assert answer.status_code in (200, 409)
