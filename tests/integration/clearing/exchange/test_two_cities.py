"""Cards ride in the other city: claimed, answered, ruled on, and the ledger says the same on every way."""

from __future__ import annotations

import base64
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import select

from clearing.exchange.codec import encode
from clearing.exchange.messages import DisputeCode, DisputeResult, Ruling, Verdict
from clearing.facts.rules import DenyChange, deny_list_of
from clearing.gaps.service import follow_deadlines
from clearing.gaps.tables import GapRow
from clearing.ledger.rules import Purpose, Transfer
from clearing.ledger.service import post
from clearing.opening.cards import opening_counters
from clearing.opening.counters import counter_rows, write_counters
from rulebook.calendar import BUSINESS_ZONE
from rulebook.money import Amount
from simulator.city.neighbour import CENTRE, NAME, OUR_CENTRE
from simulator.city.neighbour_cards import ISSUER

FEES_BEFORE = Transfer(
    id="fees-before",
    book="transit",
    debit="value-on-cards",
    credit="fees",
    amount=Amount(1000),
    purpose=Purpose.FEE,
    business_day=date(2026, 9, 15),
)
OTHER = f"other-city-payable:{NAME}"


async def _day_of_foreign_cards(cities: Any) -> None:
    """Three foreign rides on two operators' buses, the third with a TAC that is not the card's, and one of our own cards."""
    bus, other = await cities.house.enrol("BUS-A-0001"), await cities.house.enrol("BUS-B-0001")
    town = cities.house.town
    cities.foreign_ride(1, 7)
    cities.foreign_ride(2, 0, device="BUS-B-0001", line="B201", amount=150)
    town.outcome(town.intent(3, 4, issuer=ISSUER, amount=300), tac=bytes(4))
    town.tap(1, 0)
    await bus.upload(1, town.journal["BUS-A-0001"])
    await other.upload(1, town.journal["BUS-B-0001"])
    await cities.house.close()


async def _answered(cities: Any) -> Any:
    """Package 1 fetched, judged over there, the answer sent back."""
    content, signature = await cities.fetch("package", 1)
    reply = cities.office.answer(content, signature, now=cities.now)
    return await cities.send(reply)


async def test_a_claim_moves_nothing_until_it_is_confirmed(cities: Any) -> None:
    await _day_of_foreign_cards(cities)
    before = await cities.books()
    assert before["operator-payable:bus-a"] == 100
    assert OTHER not in before
    (package,) = await cities.pack()
    assert (package["count"], package["amount_minor"], package["state"]) == (3, 550, "made")
    assert await cities.moved(before) == {}
    answer = await _answered(cities)
    assert (answer.status_code, answer.json()) == (201, {"kind": "accounting", "number": 1, "result": 1})
    assert cities.office.owes_minor == 250
    assert await cities.moved(before) == {
        OTHER: -250,
        "operator-payable:bus-a": 100,
        "operator-payable:bus-b": 150,
    }
    ((kind, case, minor),) = await cities.cases()
    assert (kind, minor) == ("claim-refused", 300)
    assert cities.office.answered[1].disputed == {3: DisputeCode.VERIFICATION_FAILED}
    page = await _page(cities, f"/exchange/out/{NAME}/1")
    assert "TAC 校验失败" in page
    assert case in page
    assert "已了结" in page


async def test_an_answer_counts_once(cities: Any) -> None:
    await _day_of_foreign_cards(cities)
    await cities.pack()
    await _answered(cities)
    before = await cities.books()
    again = await _answered(cities)
    assert (again.status_code, again.json()["result"]) == (200, 5)
    reply = cities.office.answer(*await cities.fetch("package", 1), now=cities.now)
    changed = await cities.send(reply.replace(b"<Result>1<", b"<Result>6<"))
    assert (changed.status_code, changed.json()["reason"]) == (409, "repeated_with_other_content")
    assert await cities.moved(before) == {}


async def test_packages_are_made_once_and_a_late_repeat_is_not_claimed_again(cities: Any) -> None:
    await _day_of_foreign_cards(cities)
    assert len(await cities.pack()) == 1
    assert await cities.pack() == []
    town = cities.house.town
    bus = cities.house.devices["BUS-A-0001"]
    # Another terminal learns of a claimed ride, and there is one new ride.
    ride = next(r for r in town.journal["BUS-A-0001"] if r.issuer == ISSUER)
    town.outcome(ride, tac=town.journal["BUS-A-0001"][1].tac)
    cities.foreign_ride(1, 8)
    await bus.upload(2, town.journal["BUS-A-0001"][6:])
    await cities.house.close(2)
    (package,) = await cities.pack()
    assert (package["number"], package["window"], package["count"]) == (2, 2, 1)


async def test_what_a_later_terminal_finds_is_claimed(cities: Any) -> None:
    """The bus never heard the card's answer; a gate has it proven."""
    bus, gate = await cities.house.enrol("BUS-A-0001"), await cities.house.enrol("GATE-1")
    town = cities.house.town
    ride = cities.foreign_ride(1, 7)
    intent = town.journal["BUS-A-0001"].pop(0)
    town.journal["BUS-A-0001"][0] = intent
    town.finding(intent, "GATE-1", tac=ride.tac)
    await bus.upload(1, [intent])
    await gate.upload(1, town.journal["GATE-1"])
    await cities.house.close()
    (package,) = await cities.pack()
    assert (package["count"], package["amount_minor"]) == (1, 100)
    before = await cities.books()
    assert (await _answered(cities)).status_code == 201
    assert await cities.moved(before) == {OTHER: -100, "operator-payable:metro": 100}


async def test_a_ruling_pays_what_was_disputed(cities: Any) -> None:
    await _disputed_by_deny_list(cities)
    before = await cities.books()
    assert before.get(OTHER, 0) == -150
    ruling = cities.office.rule(Verdict.PAY, now=cities.now)
    assert (await cities.send(ruling)).status_code == 201
    assert (await cities.send(ruling)).json()["result"] == 5
    assert await cities.moved(before) == {OTHER: -100, "operator-payable:bus-a": 100}
    assert [minor for _, _, minor in await cities.cases()] == [300]


async def test_even_a_wrong_tac_may_be_paid_once(cities: Any) -> None:
    await _disputed_by_deny_list(cities)
    before = await cities.books()
    for number, status in ((1, 201), (2, 422)):
        ruling = DisputeResult(CENTRE, OUR_CENTRE, number, cities.now, (Ruling(1, 3, Verdict.PAY, 300),))
        assert (await cities.send(encode(ruling))).status_code == status
    assert await cities.moved(before) == {OTHER: -300, "operator-payable:bus-a": 300}


async def test_what_the_card_company_gave_comes_back_when_it_is_paid(cities: Any) -> None:
    await _disputed_by_deny_list(cities)
    async with cities.house.database.transaction() as session:
        await post(session, [FEES_BEFORE], now=cities.now)
    before = await cities.books()
    (case,) = [case for _, case, minor in await cities.cases() if minor == 100]
    await cities.end_case(case, "adjust")
    assert await cities.moved(before) == {"fees": -100, "operator-payable:bus-a": 100}
    assert (await cities.send(cities.office.rule(Verdict.PAY, now=cities.now))).status_code == 201
    assert await cities.moved(before) == {OTHER: -100, "operator-payable:bus-a": 100}


async def test_a_bad_debt_is_the_operators_unless_two_people_give_it_to_the_card_company(cities: Any) -> None:
    await _disputed_by_deny_list(cities)
    before = await cities.books()
    assert (await cities.send(cities.office.rule(Verdict.BAD_DEBT, now=cities.now))).status_code == 201
    assert await cities.moved(before) == {}
    waiting = await cities.cases()
    assert sorted(minor for _, _, minor in waiting) == [100, 300]
    for _, case, _ in waiting:
        await cities.end_case(case, "dismiss")
    assert await cities.moved(before) == {}
    assert await cities.cases() == []


async def _disputed_by_deny_list(cities: Any) -> None:
    await _day_of_foreign_cards(cities)
    await cities.pack()
    reported = datetime(2026, 9, 15, 6, tzinfo=BUSINESS_ZONE)
    serial = bytes.fromhex("03109910000000000001")
    change = DenyChange(number=1, issuer=ISSUER, serial=serial, denied=True, reported_at=reported)
    cities.office.deny = deny_list_of([change])
    assert (await _answered(cities)).status_code == 201
    codes = {1: DisputeCode.USER_STATE_CHANGED, 3: DisputeCode.VERIFICATION_FAILED}
    assert cities.office.answered[1].disputed == codes


async def test_a_ruling_on_nothing_in_dispute_is_refused_whole(cities: Any) -> None:
    await _disputed_by_deny_list(cities)
    before = await cities.books()
    ruling = cities.office.rule(Verdict.PAY, now=cities.now)
    answer = await cities.send(ruling.replace(b"<TransId>1<", b"<TransId>2<"))
    assert answer.status_code == 422
    assert "TransId 2 is nothing that was disputed" in answer.json()["errors"][0]["message"]
    assert await cities.moved(before) == {}


async def test_an_answer_that_fits_nothing_is_refused(cities: Any) -> None:
    await _day_of_foreign_cards(cities)
    await cities.pack()
    content, signature = await _by_hand(cities)
    reply = cities.office.answer(content, signature, now=cities.now)
    too_early = await cities.send(reply)
    assert (too_early.status_code, too_early.json()["reason"]) == (409, "package_made")
    assert (await cities.post("wang", f"/exchange/packages/{NAME}/1/sending")).status_code == 200
    other = await cities.send(reply.replace(b"<MessageId>1<", b"<MessageId>9<"))
    assert (other.status_code, other.json()["reason"]) == (404, "package_unknown")
    less = await cities.send(reply.replace(b"<Count>3<", b"<Count>2<"))
    assert (less.status_code, less.json()["reason"]) == (422, "answer_differs")
    assert (await cities.send(reply)).status_code == 201


async def _by_hand(cities: Any) -> tuple[bytes, bytes]:
    async with cities.staff("wang") as staff:
        content = (await staff.get(f"/exchange/files/{NAME}/package/1.xml")).content
        signature = base64.b64decode((await staff.get(f"/exchange/files/{NAME}/package/1.sig")).content)
    return content, signature


async def test_an_overdue_answer_is_asked_for_again(cities: Any) -> None:
    await _day_of_foreign_cards(cities)
    await cities.pack()
    early = await cities.post("wang", f"/exchange/packages/{NAME}/1/reminder")
    assert (early.status_code, early.json()["reason"]) == (409, "package_made")
    await cities.fetch("package", 1)
    in_time = await cities.post("wang", f"/exchange/packages/{NAME}/1/reminder")
    assert in_time.json()["reason"] == "not_overdue"
    cities.now += timedelta(days=4)  # three working days after a Tuesday is Friday, and this is Saturday
    reminded = await cities.post("wang", f"/exchange/packages/{NAME}/1/reminder")
    assert (reminded.status_code, reminded.json()["reminders"], reminded.json()["overdue"]) == (200, 1, True)
    assert "逾期" in await _page(cities, "/exchange")


async def _elsewhere(cities: Any, claims: list[Any]) -> Any:
    (content,) = cities.office.claim(claims, cleared_on=datetime(2026, 9, 15, tzinfo=UTC).date())
    taken = await cities.send(content)
    assert taken.status_code == 201, taken.text
    number = max(cities.office.claimed)
    return cities.office.take_answer(*await cities.fetch("accounting", number))


async def test_what_our_cards_paid_there_is_owed_to_the_other_city(cities: Any) -> None:
    before = await cities.books()
    claims = [cities.ride_elsewhere(1, 3), cities.ride_elsewhere(2, 5), cities.ride_elsewhere(2, 6, flipped=True)]
    result = await _elsewhere(cities, claims)
    assert result.disputed == {3: DisputeCode.VERIFICATION_FAILED}
    assert await cities.moved(before) == {"value-on-cards": -400, OTHER: 400}
    assert cities.office.owed_minor == 400


async def test_a_ride_there_closes_the_cards_gap_here(cities: Any) -> None:
    """A flipped TAC proves nothing, and leaves it open."""
    bus = await cities.house.enrol("BUS-A-0001")
    for card in (1, 2):
        cities.house.town.tap(card, 0)
        cities.house.town.tap(card, 2)
    await bus.upload(1, cities.house.town.journal["BUS-A-0001"])
    await cities.house.close(1)
    await _elsewhere(cities, [cities.ride_elsewhere(1, 1), cities.ride_elsewhere(2, 1, flipped=True)])
    async with cities.house.database.transaction() as session:
        await follow_deadlines(session, now=cities.now)
        found = {row.subject: row.state for row in await session.scalars(select(GapRow))}
    assert found == {"03109910000000000001": "came", "03109910000000000002": "open"}


async def test_a_ride_there_is_paid_once_for_ever(cities: Any) -> None:
    ride = cities.ride_elsewhere(1, 3)
    await _elsewhere(cities, [ride])
    before = await cities.books()
    result = await _elsewhere(cities, [ride])
    assert result.disputed == {1: DisputeCode.DUPLICATE}
    assert await cities.moved(before) == {}


async def test_a_package_sent_again_is_answered_as_before(cities: Any) -> None:
    await _elsewhere(cities, [cities.ride_elsewhere(1, 3)])
    before, first = await cities.books(), await cities.fetch("accounting", 1)
    content = encode(cities.office.claimed[1])
    again = await cities.send(content)
    assert (again.status_code, again.json()["result"]) == (200, 5)
    other = await cities.send(content.replace(b"<Detail></Detail>", b"<Detail>X</Detail>").replace(b"N1", b"N2"))
    assert other.status_code == 409
    assert await cities.fetch("accounting", 1) == first
    assert await cities.moved(before) == {}


async def test_what_was_paid_at_home_is_a_duplicate_there(cities: Any) -> None:
    bus = await cities.house.enrol("BUS-A-0001")
    town = cities.house.town
    town.tap(1, 0)
    await bus.upload(1, town.journal["BUS-A-0001"])
    await cities.house.close()
    result = await _elsewhere(cities, [cities.ride_elsewhere(1, 0), cities.ride_elsewhere(1, 1)])
    assert result.disputed == {1: DisputeCode.DUPLICATE}


async def test_what_the_old_system_ended_is_a_duplicate_there(cities: Any, tmp_path: Path) -> None:
    """Card 1 was migrated after its ride 4."""
    late, new = (cities.ride_elsewhere(1, sequence) for sequence in (4, 5))
    ride = late.claim.inputs
    card = pa.table(
        {"card": [(ride.issuer + ride.serial).hex()], "purse": [ride.purse], "last_offline": [4], "last_online": [0]}
    )
    written = write_counters(opening_counters(card), tmp_path / "clearing" / "results")
    async with cities.house.database.transaction() as session:
        session.add_all(counter_rows(written))
    result = await _elsewhere(cities, [late, new])
    assert result.disputed == {1: DisputeCode.DUPLICATE}


async def _held(cities: Any, denied: Any) -> None:
    cities.house.facts.append(denied(1))
    await cities.house.pull()
    result = await _elsewhere(cities, [cities.ride_elsewhere(1, 3), cities.ride_elsewhere(2, 5)])
    assert result.disputed == {1: DisputeCode.USER_STATE_CHANGED}


@pytest.mark.parametrize(
    ("resolution", "verdict", "creditor"),
    [
        ("release", Verdict.PAY, OTHER),
        ("refuse", Verdict.BAD_DEBT, "refunds-owed:03109910000000000001"),
        ("write-off", Verdict.BAD_DEBT, "fees"),
    ],
)
async def test_two_people_rule_on_what_is_held(
    cities: Any, denied: Any, resolution: str, verdict: Verdict, creditor: str
) -> None:
    start = await cities.books()
    await _held(cities, denied)
    assert await cities.moved(start) == {"value-on-cards": -400, OTHER: 200, "open-taps": 200}
    ((kind, case, minor),) = await cities.cases()
    assert (kind, minor) == ("claim-held", 200)
    before = await cities.books()
    nothing = await cities.post("wang", f"/exchange/partners/{NAME}/rulings")
    assert nothing.json() is None
    await cities.end_case(case, resolution)
    told = await cities.post("wang", f"/exchange/partners/{NAME}/rulings")
    assert told.json() == {"kind": "dispute", "number": 1, "result": 1}
    rulings = cities.office.take_rulings(*await cities.fetch("dispute", 1)).rulings
    assert [(r.package, r.transaction, r.verdict, r.amount_minor) for r in rulings] == [(1, 1, verdict, 200)]
    assert await cities.moved(before) == {"open-taps": -200, creditor: 200}
    assert (await cities.post("wang", f"/exchange/partners/{NAME}/rulings")).json() is None
    later = await _elsewhere(cities, [cities.ride_elsewhere(1, 3)])
    assert later.disputed == {1: DisputeCode.DUPLICATE}


async def test_one_person_alone_rules_on_nothing(cities: Any, denied: Any) -> None:
    await _held(cities, denied)
    ((_, case, _),) = await cities.cases()
    await cities.post("wang", f"/cases/{case}/proposal", resolution="release", note="the bus had no network")
    alone = await cities.post("wang", f"/cases/{case}/approval")
    assert (alone.status_code, alone.json()["reason"]) == (409, "second_person_must_differ")
    assert (await cities.post("wang", f"/exchange/partners/{NAME}/rulings")).json() is None


async def test_only_a_partners_key_opens_the_door(cities: Any) -> None:
    (content,) = cities.office.claim([cities.ride_elsewhere(1, 3)], cleared_on=datetime(2026, 9, 15, tzinfo=UTC).date())
    before = await cities.books()
    forged = await cities.send(content, signature=bytes(64))
    assert (forged.status_code, forged.json()["reason"]) == (401, "signature_wrong")
    altered = await cities.send(content.replace(b"2.00", b"9.00"), signature=cities.office.sign(content))
    assert altered.status_code == 401
    stranger = await cities.send(content.replace(b"01992000FFFFFFFF", b"01993000FFFFFFFF"))
    assert (stranger.status_code, stranger.json()["reason"]) == (422, "header_error")
    elsewhere = await cities.send(content.replace(b"<ReceiverId>01991000", b"<ReceiverId>01993000"))
    assert (elsewhere.status_code, elsewhere.json()["reason"]) == (422, "header_error")
    async with cities.house.client() as client:
        assert (await client.get("/exchange/messages/package")).status_code == 401
    assert await cities.moved(before) == {}


async def test_a_malformed_message_is_refused_with_every_fault(cities: Any) -> None:
    (content,) = cities.office.claim([cities.ride_elsewhere(1, 3)], cleared_on=datetime(2026, 9, 15, tzinfo=UTC).date())
    wrong = content.replace(b"<Count>1<", b"<Count>2<").replace(b"<Amount>2.00<", b"<Amount>3.00<")
    answer = await cities.send(wrong)
    assert (answer.status_code, answer.json()["reason"]) == (422, "content_error")
    assert len(answer.json()["errors"]) == 2


async def test_the_page_shows_both_ways_and_what_is_missing(cities: Any) -> None:
    await _day_of_foreign_cards(cities)
    await cities.pack()
    cities.office.claim([cities.ride_elsewhere(3, 0)], cleared_on=datetime(2026, 9, 15, tzinfo=UTC).date())
    await _elsewhere(cities, [cities.ride_elsewhere(1, 3)])
    page = await _page(cities, "/exchange")
    for text in ("异地清分", "Exchange with other cities", "邻市", "原始交易包 1 未收到", "本地卡在外地"):
        assert text in page, text
    assert "已确认" in await _page(cities, f"/exchange/in/{NAME}/2")


async def _page(cities: Any, path: str) -> str:
    async with cities.staff("li") as staff:
        answer = await staff.get(path)
    assert answer.status_code == 200, answer.text
    text: str = answer.text
    return text
