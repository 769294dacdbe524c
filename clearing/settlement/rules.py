"""The result of a window from its cleared day: every transfer numbered and chained, and who stands where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import pyarrow as pa

from clearing.apportionment.sharing import Rides, Unshared
from clearing.day.cleared import bucket_in
from clearing.day.parquet import Written
from clearing.day.run import DayResult
from clearing.ledger.chain import GENESIS, Link, chain
from clearing.ledger.rules import Transfer
from clearing.participants.charging import NOTHING_RUNNING, Running
from clearing.participants.closing import Agreed, by_agreement
from clearing.settlement.model import NumberedTransfer, Remark, WindowResult
from clearing.settlement.positions import positions
from clearing.verification.reasons import RemarkKind
from rulebook.tariff import Tariff


@dataclass(frozen=True, slots=True)
class Opening:
    """What earlier windows left: the last link of each book's chain, the closing balance of each (book, participant), the files
    of cards' counters, and what contracts carry on."""

    links: Mapping[str, Link] = field(default_factory=dict)
    balances: Mapping[tuple[str, str], int] = field(default_factory=dict)
    counters: tuple[Written, ...] = ()
    running: Running = NOTHING_RUNNING


@dataclass(frozen=True, slots=True)
class WindowInputs:
    """``online``: transfers that loads, visits and people posted since the last window. ``parties``: the books that each
    participant has a position in. ``keepers``: whose the accounts of a book are that name no participant."""

    number: int
    business_day: date
    online: tuple[Transfer, ...]
    agreed: Agreed
    tariffs: Mapping[int, Tariff]
    parties: Mapping[str, tuple[str, ...]]
    keepers: Mapping[str, str]
    opening: Opening = field(default_factory=Opening)


def settle(inputs: WindowInputs, day: DayResult) -> WindowResult:
    """Pure: order, duplicates and splits of what came in change nothing."""
    agreed = by_agreement(
        inputs.number,
        inputs.business_day,
        inputs.agreed,
        transfers=(*day.transfers, *inputs.online),
        pieces=day.pieces,
        rides=_rides(day.rides),
        tariffs=inputs.tariffs,
        running=inputs.opening.running,
    )
    posted = tuple(sorted((*day.transfers, *agreed.transfers), key=lambda transfer: transfer.id))
    transfers = _numbered((*posted, *inputs.online), inputs.opening.links)
    return WindowResult(
        number=inputs.number,
        counts=day.counts,
        exceptions=day.exceptions,
        remarks=tuple(sorted((*day.remarks, *map(_unshared, agreed.unshared)))),
        posted=posted,
        transfers=transfers,
        positions=positions(
            (n.transfer for n in transfers),
            parties=inputs.parties,
            keepers=inputs.keepers,
            opening=inputs.opening.balances,
        ),
        held=day.held,
        cleared=day.cleared,
        counters=_in_force(inputs.opening.counters, day.counters),
        running=agreed.running,
    )


_EPOCH = date(1970, 1, 1)


def _rides(table: pa.Table) -> Iterator[Rides]:
    for row in table.to_pylist():
        yield Rides(**row | {"business_day": _EPOCH + timedelta(days=row["business_day"])})


def _unshared(one: Unshared) -> Remark:
    rides = one.rides
    subject = f"{rides.business_day:%F} {rides.origin}–{rides.destination}"
    return Remark(RemarkKind.NOT_SHARED, subject, rides.operator, rides.each_minor * rides.count, one.why)


def _in_force(before: Iterable[Written], after: Iterable[Written]) -> tuple[Written, ...]:
    """Of each bucket the newest, in order of bucket."""
    of_bucket = {bucket_in(file.name): file for file in (*before, *after)}
    return tuple(file for _, file in sorted(of_bucket.items()))


def _numbered(transfers: Iterable[Transfer], last: Mapping[str, Link]) -> tuple[NumberedTransfer, ...]:
    by_book: dict[str, dict[str, Transfer]] = {}
    for transfer in transfers:
        by_book.setdefault(transfer.book, {})[transfer.id] = transfer
    return tuple(
        NumberedTransfer(of_book[link.transfer_id], link)
        for book, of_book in sorted(by_book.items())
        for link in chain(of_book.values(), last.get(book, GENESIS))
    )
