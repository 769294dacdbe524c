"""What restated rides change between the operators of a shared network: each window's agreements, applied before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np

from card_os.profile.transit import TRANSIT_PROCESS
from clearing.apportionment.sharing import Rides as SharedRides
from clearing.apportionment.sharing import shared
from clearing.day.posting import FareSet
from clearing.day.schema import Flags, Numbers
from clearing.ledger.rules import Transfer
from clearing.restatement.rides import Rides, WindowFacts, distinct
from rulebook.record import Event
from rulebook.record.columns import RECORD_DTYPE, Rows


class Alike(NamedTuple):
    """Rides of one set between two stations that brought their operator, or whom ``bearer`` gave it for, ``before`` and now
    ``after`` fen apiece. Stations are eight ASCII bytes as a number."""

    of_set: int
    origin: int
    destination: int
    bearer: str
    before: int
    after: int


def _stations() -> np.dtype[np.void]:
    offset = {name: field[1] for name, field in (RECORD_DTYPE.fields or {}).items()}
    entry = offset["capp_before"] + TRANSIT_PROCESS.span("entry_station").start
    return np.dtype(
        {
            "names": ["origin", "destination"],
            "formats": [">u8", ">u8"],
            "offsets": [entry, offset["place"]],
            "itemsize": RECORD_DTYPE.itemsize,
        }
    )


_STATIONS = _stations()


def shareable(sets: Sequence[tuple[int, FareSet]], facts: Mapping[int, WindowFacts]) -> Flags:
    """Which sets are of an operator that was in an agreement on their day."""
    found = [facts[window].agreements.of(fares.operator, fares.business_day) is not None for window, fares in sets]
    return np.array(found, dtype=np.bool_)


def alike(rides: Rides, rows: Rows, before: Numbers, after: Numbers, bearer: str, wanted: Flags) -> Counter[Alike]:
    """Those of ``rides`` between two stations that change, counted. ``wanted``: by set."""
    which = np.flatnonzero((before != after) & (rows["event"] == Event.EXIT) & wanted[rides.columns["set"]])
    if not len(which):
        return Counter()
    stations = rows.view(_STATIONS)
    ends = [stations[name][which].astype(np.int64) for name in ("origin", "destination")]
    keys, place = distinct([rides.columns["set"][which], *ends, before[which], after[which]])
    counts = np.bincount(place, minlength=len(keys)).tolist()
    return Counter(
        {
            Alike(of_set, origin, destination, bearer, was, is_): count
            for (of_set, origin, destination, was, is_), count in zip(keys, counts, strict=True)
        }
    )


class Change(NamedTuple):
    """``transfer``: as the window would have made it for these rides alone. ``minor``: how much more it should be."""

    transfer: Transfer
    minor: int


def changes_between_operators(
    found: Mapping[Alike, int], sets: Sequence[tuple[int, FareSet]], facts: Mapping[int, WindowFacts]
) -> Iterator[Change]:
    """In order of window and id."""
    for window in sorted({sets[one.of_set][0] for one in found}):
        of_window = {one: count for one, count in found.items() if sets[one.of_set][0] == window}
        minor: Counter[str] = Counter()
        named: dict[str, Transfer] = {}
        for sign, field in ((-1, "before"), (1, "after")):
            for transfer in _shared(window, of_window, sets, facts[window], field):
                named[transfer.id] = transfer
                minor[transfer.id] += sign * transfer.amount.minor
        yield from (Change(named[id_], minor[id_]) for id_ in sorted(minor) if minor[id_])


def _shared(
    window: int, found: Mapping[Alike, int], sets: Sequence[tuple[int, FareSet]], of: WindowFacts, field: str
) -> Iterable[Transfer]:
    rides = [
        SharedRides(
            business_day=_day(sets, one),
            operator=sets[one.of_set][1].operator,
            origin=_code(one.origin),
            destination=_code(one.destination),
            bearer=one.bearer,
            each_minor=getattr(one, field),
            count=count,
        )
        for one, count in found.items()
    ]
    return shared(window, rides, agreements=of.agreements, tariffs=of.tariffs).transfers


def _day(sets: Sequence[tuple[int, FareSet]], one: Alike) -> date:
    return sets[one.of_set][1].business_day


def _code(number: int) -> str:
    return (number % (1 << 64)).to_bytes(8).rstrip(b"\x00").decode("ascii")


def row_of(change: Change, number: str) -> dict[str, Any]:
    """What ``entries.ENTRY`` says of it; who owes is the operator whose gates charged the rides."""
    transfer, more = change.transfer, change.minor > 0
    return {
        "id": f"restatement:{number}:{transfer.id}",
        "business_day": transfer.business_day,
        "operator": transfer.debit.partition(":")[2],
        "line": "",
        "kind": "share",
        "whom": transfer.credit.partition(":")[2],
        "minor": change.minor,
        "rides": 0,
        "debit": transfer.debit if more else transfer.credit,
        "credit": transfer.credit if more else transfer.debit,
        "reference": transfer.id,
    }
