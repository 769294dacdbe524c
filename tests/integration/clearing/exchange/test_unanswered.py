"""A package that is not answered in time is a case, once, until the answer comes or two people have explained it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from clearing.app import one_round
from clearing.cases.queries import steps, waiting
from clearing.cases.tables import CaseRow
from clearing.exchange.unanswered import follow_answers
from clearing.facts.queries import deny_list
from clearing.participants.service import city, publish_city
from rulebook.calendar import BUSINESS_ZONE
from rulebook.messages.facts import DenyListFact
from simulator.city.neighbour import NAME

CASE = f"unanswered:{NAME}:1"
# Three working days after Tuesday 15 September 2026.
IN_TIME, LATE = timedelta(days=3), timedelta(days=4)


@pytest.fixture
async def sent(cities: Any) -> Any:
    """Package 1, of two foreign rides, has been fetched."""
    bus = await cities.house.enrol("BUS-A-0001")
    cities.foreign_ride(1, 7)
    cities.foreign_ride(2, 0, amount=150)
    await bus.upload(1, cities.house.town.journal["BUS-A-0001"])
    await cities.house.close()
    await cities.pack()
    cities.package = await cities.fetch("package", 1)
    return cities


async def _close_window(cities: Any, number: int) -> None:
    for name, act in (("wang", "closing"), ("li", "approval")):
        answer = await cities.post(name, f"/windows/{number}/{act}")
        assert answer.status_code == 200, answer.text


async def _followed(cities: Any) -> list[str]:
    async with cities.house.database.transaction() as session:
        return await follow_answers(session, now=cities.now)


async def _case(cities: Any) -> tuple[CaseRow, list[tuple[str, str]]]:
    async with cities.house.database.reading() as session:
        return await session.get(CaseRow, CASE), [(step.event, step.actor) for step in await steps(session, CASE)]


async def _answered(cities: Any) -> None:
    taken = await cities.send(cities.office.answer(*cities.package, now=cities.now))
    assert taken.status_code == 201, taken.text


async def _page(cities: Any, path: str) -> str:
    async with cities.staff("li") as staff:
        text: str = (await staff.get(path)).text
    return text


async def test_the_next_close_after_the_deadline_opens_one_case(sent: Any) -> None:
    sent.now += LATE
    await _close_window(sent, 2)
    assert await sent.cases() == [("unanswered", CASE, 250)]
    case, _ = await _case(sent)
    # Three working days after Saturday the 19th; Sunday the 20th is worked (State Council's notice).
    assert (case.owner, case.book, str(case.deadline)) == ("card-company", "transit", "2026-09-22")
    assert (
        case.detail
        == "邻市市民卡中心 Neighbour City: 交易包 1，应于 2026-09-18 前答复 package 1, answer due by 2026-09-18"
    )
    sent.now += timedelta(days=1)
    await _close_window(sent, 3)
    assert await _followed(sent) == []
    assert await sent.cases() == [("unanswered", CASE, 250)]


async def test_nothing_is_late_on_the_last_day_and_who_never_fetches_is_late_too(cities: Any, sent: Any) -> None:
    bus = cities.house.devices["BUS-A-0001"]
    cities.foreign_ride(1, 8)
    await bus.upload(2, cities.house.town.journal["BUS-A-0001"][4:])
    await cities.house.close(2)
    await cities.pack()  # package 2, which nobody fetches
    cities.now += IN_TIME
    assert await _followed(cities) == []
    cities.now += LATE - IN_TIME
    assert await _followed(cities) == [CASE, f"unanswered:{NAME}:2"]


async def test_the_answer_closes_it_at_once_and_says_who_gave_it(sent: Any) -> None:
    sent.now += LATE
    await _followed(sent)
    await _answered(sent)
    case, done = await _case(sent)
    assert (case.state, case.resolution, case.closed_at) == ("closed", "", sent.now)
    assert done == [("open", "clearing"), ("vanish", NAME)]
    assert await _followed(sent) == []
    assert await sent.cases() == []


async def test_an_answer_leaves_the_cases_of_other_packages(cities: Any, sent: Any) -> None:
    bus = cities.house.devices["BUS-A-0001"]
    cities.foreign_ride(1, 8)
    await bus.upload(2, cities.house.town.journal["BUS-A-0001"][4:])
    await cities.house.close(2)
    await cities.pack()
    await cities.fetch("package", 2)
    cities.now += LATE
    assert await _followed(cities) == [CASE, f"unanswered:{NAME}:2"]
    await _answered(cities)
    assert await cities.cases() == [("unanswered", f"unanswered:{NAME}:2", 100)]


async def test_an_answer_in_time_makes_no_case(sent: Any) -> None:
    await _answered(sent)
    sent.now += LATE
    await _close_window(sent, 2)
    assert await sent.cases() == []


async def test_two_people_may_explain_it_and_the_answer_still_comes(sent: Any) -> None:
    sent.now += LATE
    await _followed(sent)
    await sent.end_case(CASE, "explained")
    assert await _followed(sent) == []
    await _answered(sent)
    case, done = await _case(sent)
    assert (case.state, case.resolution) == ("closed", "explained")
    assert [event for event, _ in done] == ["open", "propose", "approve"]


async def test_a_close_that_began_before_midnight_ends_no_case(sent: Any) -> None:
    """It follows the answers by the day of its beginning, when the timer has gone on to the next."""
    sent.now += LATE
    await _followed(sent)
    sent.now -= timedelta(days=1)
    assert await _followed(sent) == []
    assert await sent.cases() == [("unanswered", CASE, 250)]


async def test_a_deadline_beyond_the_calendar_stops_no_close(sent: Any) -> None:
    """Nobody has told next year's working days yet: Friday 1 January is counted like any other."""
    sent.now = datetime(2026, 12, 30, 22, tzinfo=BUSINESS_ZONE)
    await _close_window(sent, 2)
    case, _ = await _case(sent)
    assert str(case.deadline) == "2027-01-04"


async def test_where_money_would_have_no_date_settlement_says_what_is_missing(sent: Any) -> None:
    sent.now = datetime(2026, 12, 31, 22, tzinfo=BUSINESS_ZONE)
    await _close_window(sent, 2)
    answer = await sent.post("li", "/settlement/2/transit/start")
    assert (answer.status_code, answer.json()["reason"]) == (409, "calendar_ends")
    assert "2027-01-01 lies outside calendar china" in answer.json()["detail"]
    assert "To do" in (page := await _page(sent, "/"))
    assert "2026-12-31" in page


async def test_whatever_is_wrong_with_an_answer_the_deny_list_comes(sent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise LookupError("a package of nobody")

    monkeypatch.setattr("clearing.exchange.queries.unanswered", broken)
    stolen = sent.house.facts[0]
    sent.house.facts.append(DenyListFact(issuer=stolen.issuer, serial=stolen.serial, denied=True, reported_at=sent.now))
    app = sent.house.app
    app.state.service.clock.advance(sent.now.isoformat())
    await one_round(app.state.service, app.state.issuing)
    async with sent.house.database.reading() as session:
        assert [change.serial for change in (await deny_list(session)).changes] == [stolen.serial]


async def test_a_partner_with_another_name_stops_nothing(sent: Any) -> None:
    """The case says what it was called when it was opened."""
    sent.now += LATE
    await _followed(sent)
    async with sent.house.database.transaction() as session:
        of = await city(session)
        renamed = [p.model_copy(update={"en": "Renamed"}) if p.id == NAME else p for p in of.participants]
        await publish_city(session, of.model_copy(update={"participants": tuple(renamed)}), now=sent.now)
    assert await _followed(sent) == []
    async with sent.house.database.reading() as session:
        assert ["Neighbour City" in row.detail for row in await waiting(session)] == [True]


async def test_it_is_seen_on_the_overview_among_the_cases_and_at_its_package(sent: Any) -> None:
    sent.now += LATE
    assert f"/cases/{CASE}" not in await _page(sent, "/exchange")  # overdue, and no case yet
    await _followed(sent)
    link = f'<a href="/cases/{CASE}">'
    for path in ("/", "/cases", "/exchange"):
        assert link in await _page(sent, path), path
    assert "somebody must see to it" in await _page(sent, "/")
    case = await _page(sent, f"/cases/{CASE}")
    for text in ("异地逾期未答复", "package not answered elsewhere", "2.50", f'href="/exchange/out/{NAME}/1"'):
        assert text in case, text
    await sent.post("wang", f"/cases/{CASE}/proposal", resolution="explained", note="their centre is down")
    assert "somebody must see to it" not in await _page(sent, "/")
    assert link in await _page(sent, "/")  # it waits for the second person now
