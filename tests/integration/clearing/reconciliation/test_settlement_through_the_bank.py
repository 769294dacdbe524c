"""A closed window is called in, paid and settled; each thing that must stop it stops it."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

import pytest

from backoffice.clock import HEADER
from clearing.cases.rules import CaseKind, Subject
from clearing.cases.service import open_cases
from clearing.ledger import queries as ledger
from clearing.ledger.service import verify
from clearing.participants.banking import BankAccount
from clearing.participants.rules import City
from clearing.participants.service import city, publish_city
from clearing.reconciliation.views import at_banks
from rulebook.calendar import calendar_named
from rulebook.money import Amount
from simulator.city.bank import Booking, Form

NOW = datetime.fromisoformat("2026-09-15T22:00:00+08:00")
AT_BUS_A = BankAccount(number="9558800200000000011", bank_code="102100099996", name="公交甲公司")
DAY1, DAY2, DAY3 = date(2026, 9, 16), date(2026, 9, 17), date(2026, 9, 18)


def _open(state: dict[str, Any]) -> dict[tuple[str, str], int]:
    return {(leg["direction"], leg["participant"]): leg["open_minor"] for leg in state["legs"]}


async def _balances(office: Any) -> dict[str, int]:
    async with office.house.database.reading() as session:
        assert await verify(session, "transit") == []
        for account in await at_banks(session, await city(session)):
            if account.book == "transit":
                assert account.unexplained_minor == 0
        return {s.account.code: s.balance.minor for s in await ledger.standings(session, "transit")}


async def _settle(office: Any) -> None:
    call = next(leg["call"] for leg in (await office.state())["legs"] if leg["direction"] == "in")
    await office.pay_in("concession-fund", 100_001, call=call)
    await office.say(office.bank.statement("transit", DAY1))
    await office.post("/bank/transit/matching")


async def test_a_window_is_settled_through_the_bank_to_the_fen(closed: Any) -> None:
    view = await closed.post("/settlement/1/transit/start")
    assert (view["state"], view["settlement_date"]) == ("pending", "2026-09-16")
    assert (view["own_minor"], view["cover_minor"], view["shortfall_minor"]) == (50_000, 50_000, 100_001)
    assert _open(view) == {
        ("in", "concession-fund"): 100_001,
        ("out", "bus-a"): 66_667,
        ("out", "bus-b"): 33_334,
        ("out", "metro"): 50_000,
    }
    await _settle(closed)
    await closed.pay_out(day=DAY2)
    await closed.say(closed.bank.statement("transit", DAY2, form=Form.CAMT_053_02))
    planned = await closed.get("/bank/transit/matching/dry-run")
    assert {row["rule"] for row in planned["matched"]} == {"end_to_end"}
    assert planned == await closed.post("/bank/transit/matching")
    state = await closed.state()
    assert (state["state"], state["shortfall_minor"]) == ("settled", 0)
    balances = await _balances(closed)
    assert balances["float-at-bank"] == closed.bank.balance("transit", DAY2) == 5_000_000 - 50_000
    assert [balances[f"operator-payable:{who}"] for who in ("bus-a", "bus-b", "metro")] == [0, 0, 0]
    assert balances["subsidy-receivable:concession-fund"] == 0


async def test_a_whole_file_booked_in_one_sum_pays_each_of_its_payments(closed: Any) -> None:
    await closed.post("/settlement/1/transit/start")
    await _settle(closed)
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
    assert sum(minor for (side, _), minor in _open(state).items() if side == "out") == 100_001
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
    await _balances(closed)


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
    await _balances(closed)


async def _content(office: Any, file: str) -> bytes:
    content: bytes = (await office.first.get(f"/payments/{file}.xml")).content
    return content


async def _total(office: Any) -> int:
    return sum(file["total_minor"] for file in (await office.state())["files"])


async def _settled(closed: Any) -> str:
    """The whole window; the id of the payment to bus-a."""
    await closed.post("/settlement/1/transit/start")
    await _settle(closed)
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
    assert (state["state"], _open(state)["out", "bus-a"], state["cover_minor"]) == ("pending", 66_667, 66_667)
    assert (await _balances(closed))["operator-payable:bus-a"] == 66_667
    day4 = date(2026, 9, 19)
    again = await closed.pay_out(day=day4)
    assert again["total_minor"] == 66_667
    await closed.say(closed.bank.statement("transit", day4))
    await closed.post("/bank/transit/matching")
    assert (await closed.state())["state"] == "settled"
    assert (await _balances(closed))["operator-payable:bus-a"] == 0


async def test_a_pay_in_the_bank_reverses_is_called_again_once_two_persons_say_so(closed: Any) -> None:
    await closed.post("/settlement/1/transit/start")
    await _settle(closed)
    closed.bank.book("transit", Booking(-100_001, DAY2, "", ()))
    await closed.say(closed.bank.statement("transit", DAY2))
    (left,) = (await closed.post("/bank/transit/matching"))["unmatched"]
    call = next(leg["call"] for leg in (await closed.state())["legs"] if leg["call"])
    assert "冲回缴款" in (await closed.first.get("/bank/transit/matching")).text
    data = {"reference": left, "target": f"call_back:{call}"}
    assert (await closed.first.post("/bank/transit/by-hand", data=data)).status_code == 204
    assert (await closed.second.post("/bank/transit/by-hand-approval", data=data)).status_code == 200
    state = await closed.state()
    assert (_open(state)["in", "concession-fund"], state["cover_minor"]) == (100_001, 50_000)
    assert (await _balances(closed))["subsidy-receivable:concession-fund"] == 100_001
    await closed.pay_in("concession-fund", 100_001, call=call, day=DAY3)
    await closed.say(closed.bank.statement("transit", DAY3))
    await closed.post("/bank/transit/matching")
    assert (await closed.state())["cover_minor"] == 150_001
    await _balances(closed)


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
    before = await _balances(closed)
    assert await by_hand("-approval", closed.second, went) == 200
    assert await _balances(closed) == before
    assert (await closed.post("/bank/transit/matching"))["unmatched"] == [other]
    page = (await closed.first.get("/bank/transit/matching")).text
    assert f"break:0200000109000000017:{other}" in page
    assert f"break:0200000109000000017:{went}" not in page


async def test_a_file_that_is_no_longer_covered_is_not_released(closed: Any) -> None:
    """Regression: the pay-in that covered it was reversed between draft and release."""
    await closed.post("/settlement/1/transit/start")
    await _settle(closed)
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


async def test_wrong_finalisation_balance_accepted(closed: Any) -> None:
    """Regression of others: a balance a cent adrift stops the book, and only a right statement and two people lift it."""
    await closed.post("/settlement/1/transit/start")
    file = (await closed.post("/settlement/1/transit/payments"))["id"]
    await closed.pay_in("concession-fund", 100_001)
    right = closed.bank.statement("transit", DAY1)
    wrong = right.replace(b"51000.01", b"51000.02")
    assert wrong != right
    (answer,) = await closed.say(wrong.replace(b"SIMULATOR-S", b"WRONG-S"))
    assert answer["state"] == "wrong"
    assert "sum_differs" in answer["faults"][0]
    stopped = [
        ("/bank/transit/matching", None),
        (f"/payments/{file}/release", closed.second),
        ("/settlement/1/transit/payments", None),
    ]
    for path, by in stopped:
        assert (await closed.post(path, by=by, expect=409))["reason"] == "bank_stopped"
    assert (await closed.state())["cover_minor"] == 0
    assert (await closed.post("/bank/transit/lift", expect=409))["reason"] == "statement_still_wrong"
    assert [row["state"] for row in await closed.say(right)] == ["accepted"]
    assert (await closed.post("/bank/transit/matching", expect=409))["reason"] == "bank_stopped"
    await closed.post("/bank/transit/lift")
    assert (await closed.post("/bank/transit/lift-approval", expect=409))["reason"] == "second_person_must_differ"
    await closed.post("/bank/transit/lift-approval", by=closed.second)
    await closed.post("/bank/transit/matching")
    assert (await closed.state())["cover_minor"] == 100_001
    await _balances(closed)


async def test_a_released_file_does_not_leave_the_house_while_the_book_is_stopped(closed: Any) -> None:
    await closed.post("/settlement/1/transit/start")
    file = (await closed.post("/settlement/1/transit/payments"))["id"]
    await closed.post(f"/payments/{file}/release", by=closed.second)
    assert (await closed.first.get(f"/payments/{file}.xml")).status_code == 200
    right = closed.bank.statement("transit", DAY1)
    await closed.say(right.replace(b"50000.00", b"49999.99").replace(b"SIMULATOR-S", b"WRONG-S"))
    answer = await closed.first.get(f"/payments/{file}.xml")
    assert (answer.status_code, answer.json()["reason"]) == (409, "bank_stopped")


async def test_a_gap_between_statements_stops_until_the_missing_one_has_come(closed: Any) -> None:
    await closed.post("/settlement/1/transit/start")
    await closed.pay_in("concession-fund", 1, day=DAY1)
    await closed.pay_in("concession-fund", 100_000, day=DAY2)
    late = closed.bank.statement("transit", DAY2)
    assert (await closed.say(late))[0]["faults"][0].startswith("opening_differs")
    await closed.say(closed.bank.statement("transit", DAY1))
    assert (await closed.say(late))[0]["state"] == "accepted"
    await closed.post("/bank/transit/lift")
    await closed.post("/bank/transit/lift-approval", by=closed.second)
    await closed.post("/bank/transit/matching")


async def test_a_statement_twice_counts_once_and_the_same_id_with_other_content_is_refused(closed: Any) -> None:
    await closed.post("/settlement/1/transit/start")
    await closed.pay_in("concession-fund", 100_001)
    for name in ("", "ANOTHER-ENVELOPE"):
        await closed.say(closed.bank.statement("transit", DAY1, message_id=name))
        await closed.post("/bank/transit/matching")
    assert (await closed.state())["cover_minor"] == 150_001
    await closed.pay_in("concession-fund", 7)
    other = await closed.say(closed.bank.statement("transit", DAY1), expect=409)
    assert other["reason"] == "repeated_with_other_content"
    await _balances(closed)


def _page(statement: bytes, number: int, without: bytes) -> bytes:
    """One of two pages of ``statement``: the balance ``without`` and, on the first, the entries are on the other."""
    kept = re.sub(rb"<Bal><Tp><CdOrPrtry><Cd>" + without + rb".*?</Bal>", b"", statement)
    kept = re.sub(rb"<Ntry>.*</Ntry>", b"", kept) if number == 1 else kept
    mark = f"<StmtPgntn><PgNb>{number}</PgNb><LastPgInd>{str(number == 2).lower()}</LastPgInd></StmtPgntn>".encode()
    return re.sub(rb"(<Stmt><Id>[^<]*</Id>)", rb"\1" + mark, kept)


async def test_a_statement_in_pages_is_taken_whole_once_all_are_there(closed: Any) -> None:
    await closed.post("/settlement/1/transit/start")
    await closed.pay_in("concession-fund", 100_001)
    whole = closed.bank.statement("transit", DAY1)
    first, second = _page(whole, 1, b"CLBD"), _page(whole, 2, b"OPBD")
    for _ in range(2):
        (answer,) = await closed.say(second)
        assert (answer["state"], answer["faults"]) == ("waiting", ["page_missing: 1"])
    assert "第 2 页" in (await closed.first.get("/bank")).text
    assert (await closed.post("/bank/transit/matching"))["matched"] == []
    other = await closed.say(second.replace(b"1000.01", b"1000.02"), expect=409)
    assert other["reason"] == "repeated_with_other_content"
    for message in (first, second, whole):
        assert [row["state"] for row in await closed.say(message)] == ["accepted"]
    assert len((await closed.post("/bank/transit/matching"))["matched"]) == 1
    assert "第 2 页" not in (await closed.first.get("/bank")).text
    await _balances(closed)


async def test_an_advice_is_matched_and_its_statement_confirms_it_without_a_second_posting(closed: Any) -> None:
    await closed.post("/settlement/1/transit/start")
    await closed.pay_in("concession-fund", 100_001)
    await closed.say(closed.bank.advice("transit", DAY1))
    await closed.post("/bank/transit/matching")
    assert (await closed.state())["cover_minor"] == 150_001
    await closed.say(closed.bank.statement("transit", DAY1))
    assert (await closed.post("/bank/transit/matching"))["matched"] == []
    await _balances(closed)


async def test_an_advice_that_contradicts_a_statement_stops_until_a_right_statement_comes_after_it(closed: Any) -> None:
    """Regression: the statement before it was taken for the one that shows all to be right again."""
    await closed.pay_in("concession-fund", 100_001)
    await closed.say(closed.bank.statement("transit", DAY1))
    (answer,) = await closed.say(closed.bank.advice("transit", DAY1).replace(b"1000.01", b"1000.02"))
    assert answer["faults"][0].startswith("entry_differs")
    assert (await closed.post("/bank/transit/lift", expect=409))["reason"] == "statement_still_wrong"
    await closed.say(closed.bank.statement("transit", DAY2))
    await closed.post("/bank/transit/lift")


async def test_a_malformed_message_is_refused_whole_with_every_fault(closed: Any) -> None:
    await closed.pay_in("concession-fund", 100_001)
    content = closed.bank.statement("transit", DAY1)
    spoilt = content.replace(b"1000.01", b"1000.011").replace(b"CLBD", b"ITBD")
    refused = await closed.say(spoilt, expect=422)
    assert refused["reason"] == "malformed_message"
    assert len(refused["errors"]) >= 2
    strange = await closed.say(content.replace(b"0200000109000000017", b"0200000109000000033"), expect=422)
    assert "is of no book" in strange["errors"][0]["message"]


async def test_what_is_left_becomes_a_case_with_owner_and_deadline_and_goes_when_matched(closed: Any) -> None:
    await closed.pay_in("concession-fund", 100_001)
    await closed.say(closed.bank.statement("transit", DAY1))
    left = (await closed.post("/bank/transit/matching"))["unmatched"]
    assert len(left) == 1
    page = (await closed.first.get("/bank/transit/matching")).text
    case = f"break:0200000109000000017:{left[0]}"
    assert case in page
    assert "优惠乘车补贴资金" in page
    assert "2026-09-18" in page  # three working days after the 15th
    await closed.post("/settlement/1/transit/start")
    await closed.post("/bank/transit/matching")
    assert case not in (await closed.first.get("/bank/transit/matching")).text


async def test_matching_one_book_leaves_the_cases_of_another_alone(closed: Any) -> None:
    """What came into another book at this moment is not seen yet: its case would look as if its reason had gone."""
    fund = Subject(
        id="break:0200000109000000025:B1",
        kind=CaseKind.BREAK,
        book="medical:employee-fund",
        owner="employee-fund",
        amount=Amount(1),
    )
    async with closed.house.database.transaction() as session:
        await open_cases(session, [fund], calendar=calendar_named("china"), actor="wang", now=NOW)
    await closed.post("/bank/transit/matching")
    assert fund.id in (await closed.first.get("/cases")).text


async def test_a_break_stays_with_its_owner_when_the_bank_account_becomes_a_participants(closed: Any) -> None:
    """Regression: matching was refused for ever, because the case of the unmatched entry would have another owner now."""
    stranger = BankAccount(number="9558800200000000999", bank_code="102100099996", name="unknown")
    closed.bank.credit("transit", 7, payer=stranger, remittance="", day=DAY1)
    await closed.say(closed.bank.statement("transit", DAY1))
    await closed.post("/bank/transit/matching")
    async with closed.house.database.transaction() as session:
        here = (await city(session)).model_dump(mode="json")
        here["participants"][1]["bank_account"]["number"] = stranger.number
        await publish_city(session, City.model_validate(here), now=NOW)
    assert len((await closed.post("/bank/transit/matching"))["unmatched"]) == 1


async def test_what_no_rule_finds_is_matched_by_two_persons_and_its_case_closed(closed: Any) -> None:
    await closed.post("/settlement/1/transit/start")
    await closed.pay_in("bus-b", 500, call="on behalf of the fund")
    await closed.say(closed.bank.statement("transit", DAY1))
    (left,) = (await closed.post("/bank/transit/matching"))["unmatched"]
    call = next(leg["call"] for leg in (await closed.state())["legs"] if leg["call"])

    async def by_hand(what: str, by: Any = None, **form: str) -> Any:
        return await (by or closed.first).post(f"/bank/transit/by-hand{what}", data={"reference": left, **form})

    assert (await by_hand("", target="call:C9")).json()["reason"] == "target_not_open"
    assert (await by_hand("-approval")).json()["reason"] == "hand_match_unknown"
    for _ in range(2):
        assert (await by_hand("", target=f"call:{call}")).status_code == 204
        assert (await by_hand("-approval")).json()["reason"] == "second_person_must_differ"
        assert (await closed.second.get("/bank/transit/matching")).text.count("by-hand-approval") == 1
        assert (await by_hand("-withdrawal")).status_code == 204
    await by_hand("", target=f"call:{call}")
    matched = (await by_hand("-approval", closed.second)).json()["matched"]
    assert [(row["rule"], row["amount_minor"]) for row in matched] == [("by_hand", 500)]
    assert (await by_hand("", target=f"call:{call}")).json()["reason"] == "entry_not_open"
    assert "break:" not in (await closed.first.get("/bank/transit/matching")).text
    assert (await closed.state())["cover_minor"] == 50_500
    await _balances(closed)


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
    assert _open(second) == {("in", "concession-fund"): 777, ("out", "bus-a"): 777}


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
    assert _open(view) == {
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
