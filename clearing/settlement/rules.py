"""The result of a window from its cleared day: every transfer numbered and chained, and who stands where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from clearing.day.cleared import bucket_in
from clearing.day.parquet import Written
from clearing.day.run import DayResult
from clearing.ledger.chain import GENESIS, Link, chain
from clearing.ledger.rules import Transfer
from clearing.settlement.model import NumberedTransfer, WindowResult
from clearing.settlement.positions import positions


@dataclass(frozen=True, slots=True)
class Opening:
    """What earlier windows left: the last link of each book's chain, the closing balance of each (book, participant), and the
    files of cards' counters."""

    links: Mapping[str, Link] = field(default_factory=dict)
    balances: Mapping[tuple[str, str], int] = field(default_factory=dict)
    counters: tuple[Written, ...] = ()


@dataclass(frozen=True, slots=True)
class WindowInputs:
    """``online``: transfers that loads, visits and people posted since the last window. ``parties``: the books that each
    participant has a position in. ``keepers``: whose the accounts of a book are that name no participant."""

    number: int
    online: tuple[Transfer, ...]
    parties: Mapping[str, tuple[str, ...]]
    keepers: Mapping[str, str]
    opening: Opening = field(default_factory=Opening)


def settle(inputs: WindowInputs, day: DayResult) -> WindowResult:
    """Pure: order, duplicates and splits of what came in change nothing."""
    transfers = _numbered((*day.transfers, *inputs.online), inputs.opening.links)
    return WindowResult(
        number=inputs.number,
        counts=day.counts,
        exceptions=day.exceptions,
        remarks=day.remarks,
        posted=day.transfers,
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
    )


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
