"""Statements and advices: taken whole, once, and in order, or the book stops; what nothing explains is somebody's case."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

from clearing.cases.rules import CaseKind, Subject
from clearing.cases.service import open_cases
from clearing.participants.banking import BankAccount
from clearing.participants.rules import City
from clearing.participants.service import city, publish_city
from rulebook.calendar import calendar_named
from rulebook.money import Amount

NOW = datetime.fromisoformat("2026-09-15T22:00:00+08:00")
AT_BUS_A = BankAccount(number="9558800200000000011", bank_code="102100099996", name="公交甲公司")
DAY1, DAY2, DAY3 = date(2026, 9, 16), date(2026, 9, 17), date(2026, 9, 18)


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
    await closed.balances()


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
    await closed.balances()


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
    await closed.balances()


async def test_an_advice_is_matched_and_its_statement_confirms_it_without_a_second_posting(closed: Any) -> None:
    await closed.post("/settlement/1/transit/start")
    await closed.pay_in("concession-fund", 100_001)
    await closed.say(closed.bank.advice("transit", DAY1))
    await closed.post("/bank/transit/matching")
    assert (await closed.state())["cover_minor"] == 150_001
    await closed.say(closed.bank.statement("transit", DAY1))
    assert (await closed.post("/bank/transit/matching"))["matched"] == []
    await closed.balances()


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
    await closed.balances()
