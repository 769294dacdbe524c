"""Rides between two stations, for agreements on sharing them: how many brought an operator how much, in columns."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from clearing.day.model import Day

RIDES = pa.schema(
    [
        ("business_day", pa.int32()),  # days since 1970
        ("operator", pa.string()),
        ("origin", pa.string()),  # station codes
        ("destination", pa.string()),
        ("bearer", pa.string()),  # of a concession; empty for what the cards paid
        ("each_minor", pa.int64()),  # fen apiece
        ("count", pa.int64()),
    ]
)
_ALIKE = [field.name for field in RIDES if field.name != "count"]


def rides_of(rides: pa.Table, granted: pa.Table, day: Day) -> pa.Table:
    """``RIDES`` of an engine's answers, where operators and stations are numbers."""
    no_bearer = pa.array([""] * rides.num_rows, pa.string())
    every = pa.concat_tables([rides.append_column("bearer", no_bearer), granted], promote_options="permissive")
    operators = pa.array(day.operators, pa.string())
    columns = {
        "business_day": every["business_day"],
        "operator": operators.take(every["operated_by"]),
        "origin": _codes(every["origin"]),
        "destination": _codes(every["destination"]),
        "bearer": every["bearer"],
        "each_minor": every["each_minor"],
        "count": every["count"],
    }
    return pa.table(columns).cast(RIDES)


def added(tables: Iterable[pa.Table]) -> pa.Table:
    """One row for rides that are alike, in order."""
    every = pa.concat_tables([RIDES.empty_table(), *tables])
    sums = every.group_by(_ALIKE).aggregate([("count", "sum")]).rename_columns([*_ALIKE, "count"])
    return sums.sort_by([(name, "ascending") for name in _ALIKE]).select(RIDES.names).cast(RIDES)


def _codes(numbers: pa.ChunkedArray) -> pa.Array:
    """Stations from eight ASCII bytes as a number; a few hundred names for however many rides."""
    different = pc.unique(numbers)
    names = [number.to_bytes(8).rstrip(b"\x00").decode("ascii") for number in different.to_pylist()]
    return pa.array(names, pa.string()).take(pc.index_in(numbers, value_set=different).combine_chunks())
