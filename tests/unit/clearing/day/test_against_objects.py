"""The columns say of a window what the objects say of it: every end, remark, sum, and what the next window must know."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from clearing.settlement.model import WindowResult
from clearing.verification.reasons import Status
from rulebook.calendar import BUSINESS_ZONE
from rulebook.record import Outcome

MORNING = datetime(2026, 9, 15, 8, tzinfo=BUSINESS_ZONE)


def _eventful_day(town: Any) -> None:
    for sequence in range(4):
        town.tap(1, sequence, at=MORNING + timedelta(minutes=sequence))
    torn = town.intent(2, 0, device="BUS-B-0001", line="B201")
    town.outcome(torn, Outcome.UNKNOWN)
    town.finding(torn, "BUS-A-0001")
    flipped = town.intent(2, 1, at=MORNING + timedelta(minutes=10))
    town.outcome(flipped, tac=b"\x00\x01\x02\x03")
    intent, outcome = town.tap(3, 0, device="BUS-B-0001", line="B201", card_class=3, amount=20)
    town.classes[3] = "elder"
    again = town.write(intent)
    town.write(replace(outcome, refers_to=again.journal_sequence))
    town.deny_card(3)
    town.tap(3, 1, at=MORNING + timedelta(hours=2), list_version=5)
    town.intent(1, 4, at=MORNING + timedelta(hours=3))


def _sums(transfers: Any) -> Counter[Any]:
    sums: Counter[Any] = Counter()
    for t in transfers:
        sums[t.business_day, t.debit, t.credit, t.purpose] += t.amount.minor
    return sums


def assert_equal(columns: Any, objects: WindowResult) -> None:
    wrong = [r for r in objects.decided if r.decision.status in (Status.REJECTED, Status.SUSPENDED)]
    assert list(columns.exceptions) == wrong
    assert +columns.counts == Counter(r.decision.status for r in objects.decided)
    assert columns.remarks == objects.remarks
    assert _sums(columns.transfers) == _sums(objects.posted)
    assert columns.held == objects.held


def test_an_eventful_day(town: Any, columnar: Any) -> None:
    _eventful_day(town)
    inputs = town.inputs()
    assert_equal(columnar.clear(inputs), town.settle(inputs))
