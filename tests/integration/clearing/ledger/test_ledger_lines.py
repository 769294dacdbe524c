"""Personal accounts are added up by the database, to what adding up every single account gives."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.ledger import queries
from clearing.ledger.accounts import Kind, Side, account, code, medical_book
from clearing.ledger.lines import SUMMED, lines_after_window, lines_at, lines_now
from clearing.ledger.rules import Counters, Phase, Purpose, Standing, Transfer, settling
from clearing.ledger.service import close_chain, open_accounts, post
from clearing.ledger.sheet import Line, position_of_float
from rulebook.money import Amount, Currency

NOW, DAY = datetime(2026, 9, 15, 8, tzinfo=UTC), date(2026, 9, 15)
HOUR = timedelta(hours=1)
BOOK, OTHER = medical_book("f"), medical_book("other")
BANK, HOSPITAL = code(Kind.FUND_AT_BANK), code(Kind.HOSPITAL_PAYABLE, "h")
PERSONS = [code(Kind.PERSONAL_ACCOUNT, f"p{number}") for number in range(4)]


def _moved(name: str, debit: str, credit: str, fen: int, **fields: Any) -> Transfer:
    given = {"book": BOOK, "purpose": Purpose.PERSONAL, "business_day": DAY, **fields}
    return Transfer(id=name, debit=debit, credit=credit, amount=Amount(fen), **given)


@pytest.fixture
async def ledger(clearing_session: AsyncSession) -> AsyncSession:
    """Four persons (the last one has nothing) and one more in another book. Two hours of transfers: the first hour's are
    window 1, but for one."""
    kept = [account(book, kind) for book in (BOOK, OTHER) for kind in (Kind.FUND_AT_BANK, Kind.FUND_POOL)]
    kept += [account(BOOK, Kind.PERSONAL_ACCOUNT, person.partition(":")[2]) for person in PERSONS]
    kept += [account(BOOK, Kind.HOSPITAL_PAYABLE, "h"), account(OTHER, Kind.PERSONAL_ACCOUNT, "p0")]
    await open_accounts(clearing_session, kept)
    opening = [_moved(f"o{n}", BANK, person, 1000 + n) for n, person in enumerate(PERSONS[:3])]
    pending = _moved("reserved", PERSONS[0], HOSPITAL, 70, phase=Phase.PENDING)
    await post(clearing_session, [*opening, pending, _moved("inside", PERSONS[0], PERSONS[1], 5)], now=NOW)
    await post(clearing_session, [_moved("elsewhere", BANK, PERSONS[0], 9999, book=OTHER)], now=NOW)
    await close_chain(clearing_session, BOOK, 1, only={each.id for each in opening} | {pending.id})
    last = [
        settling(pending, Phase.POST, id="paid", business_day=DAY),
        _moved("still reserved", PERSONS[1], HOSPITAL, 30, phase=Phase.PENDING),
        _moved("visit", PERSONS[2], HOSPITAL, 200),
    ]
    await post(clearing_session, last, now=NOW + HOUR)
    return clearing_session


def _added_up(standings: Iterable[Standing]) -> dict[str, tuple[int, Counters]]:
    """By code, or by kind where it is summed: how many accounts, and their counters."""
    many: Counter[str] = Counter()
    sums: dict[str, Counters] = {}
    for standing in standings:
        kind = standing.account.kind
        line = str(kind) if kind in SUMMED else standing.account.code
        many[line] += 1
        both = zip(sums.get(line, Counters()), standing.counters, strict=True)
        sums[line] = Counters(*(one + other for one, other in both))
    return {line: (many[line], sums[line]) for line in many}


def _said(lines: Iterable[Line]) -> dict[str, tuple[int, Counters]]:
    return {line.code: (line.accounts, line.counters) for line in lines}


async def test_people_are_one_line_and_participants_one_each(ledger: AsyncSession) -> None:
    lines = await lines_now(ledger, BOOK)
    assert [line.code for line in lines] == [BANK, "fund-pool", HOSPITAL, "personal-account"]
    persons = lines[-1]
    assert (persons.summed, persons.accounts, persons.side) == (True, 4, Side.CREDIT)
    assert persons.counters == Counters(275, 3008, 30, 0)
    assert persons.balance == Amount(2733)
    assert not any(line.summed for line in lines[:-1])


async def test_it_is_what_every_account_adds_up_to(ledger: AsyncSession) -> None:
    assert _said(await lines_now(ledger, BOOK)) == _added_up(await queries.standings(ledger, BOOK))
    for moment in (NOW - HOUR, NOW, NOW + HOUR):
        found = await lines_at(ledger, BOOK, moment)
        assert _said(found) == _added_up(await queries.standings_at(ledger, BOOK, moment))
        assert position_of_float(found).balanced
    assert _said(await lines_at(ledger, BOOK, NOW + HOUR)) == _said(await lines_now(ledger, BOOK))


async def test_after_a_window_there_are_only_its_transfers(ledger: AsyncSession) -> None:
    found = _said(await lines_after_window(ledger, BOOK, 1))
    assert found["personal-account"] == (4, Counters(0, 3003, 70, 0))
    assert found[BANK] == (1, Counters(3003, 0, 0, 0))
    assert found[HOSPITAL] == (1, Counters(0, 0, 0, 70))
    await close_chain(ledger, BOOK, 2)
    assert _said(await lines_after_window(ledger, BOOK, 1)) == found
    assert _said(await lines_after_window(ledger, BOOK, 2)) == _said(await lines_now(ledger, BOOK))


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_moves_between_whomever(ledger: AsyncSession, seed: int) -> None:
    random = Random(seed)
    codes = [BANK, HOSPITAL, *PERSONS[:3]]
    for number in range(20):
        debit, credit = random.sample(codes, 2)
        if debit in PERSONS:
            debit, credit = BANK, debit  # nobody is overdrawn
        if random.random() < 0.5:
            await post(ledger, [_moved(f"r{number}", debit, credit, 1 + number)], now=NOW + number * HOUR)
            continue
        pending = _moved(f"r{number}", debit, credit, 1 + number, phase=Phase.PENDING)
        await post(ledger, [pending], now=NOW + number * HOUR)
        if random.random() < 0.6:
            phase = random.choice([Phase.POST, Phase.VOID])
            ended = settling(pending, phase, id=f"e{number}", business_day=DAY)
            await post(ledger, [ended], now=NOW + (number + 1) * HOUR)
    assert _said(await lines_now(ledger, BOOK)) == _added_up(await queries.standings(ledger, BOOK))
    for hours in (0, 3, 10, 21):
        moment = NOW + hours * HOUR
        expected = _added_up(await queries.standings_at(ledger, BOOK, moment))
        assert _said(await lines_at(ledger, BOOK, moment)) == expected


async def test_a_book_of_nobody_has_no_lines(ledger: AsyncSession) -> None:
    assert await lines_now(ledger, medical_book("nobody")) == []


async def test_a_line_of_another_book_is_refused_on_the_sheet(ledger: AsyncSession) -> None:
    stranger = Line(OTHER, BANK, Kind.FUND_AT_BANK, Currency.CNY, Counters())
    with pytest.raises(ValueError, match="one book"):
        position_of_float([*await lines_now(ledger, BOOK), stranger])


async def test_each_table_is_read_once_and_no_row_of_a_person_leaves_the_database(ledger: AsyncSession) -> None:
    """Whatever the page is of: one scan of the accounts, at most one of the transfers."""
    for reading, of_transfers in (
        (lines_now(ledger, BOOK), 0),
        (lines_at(ledger, BOOK, NOW + HOUR), 1),
        (lines_after_window(ledger, BOOK, 1), 1),
    ):
        asked: list[tuple[str, Any]] = []
        connection = (await ledger.connection()).sync_connection
        assert connection is not None

        def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any, into: Any = asked) -> None:
            into.append((statement, parameters))

        event.listen(connection, "before_cursor_execute", note)
        assert len(await reading) == 4
        event.remove(connection, "before_cursor_execute", note)
        ((statement, parameters),) = asked
        plan = await (await ledger.connection()).exec_driver_sql(f"EXPLAIN {statement}", parameters)
        scans = Counter(re.findall(r"Scan .*on (ledger_account|ledger_transfer)\b", "\n".join(row[0] for row in plan)))
        assert (scans["ledger_account"], scans["ledger_transfer"]) == (1, of_transfers)
