"""What clearing knows of devices, loads and denied cards, as tables that entries are joined with."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from clearing.day.entries import day_number, rider_number
from clearing.day.keys import bucket_of
from clearing.day.model import CARDS, Day, DayInputs
from clearing.day.moments import datetime_of, first_second
from clearing.day.schema import NEVER, NO_TIME, Columns, Flags, arrow, taken
from clearing.facts.rules import DenyList
from clearing.verification.context import CardId
from clearing.verification.rules import EVENTS, is_bound
from rulebook.deny_list import SPREADING

DEVICES = pa.schema(
    [
        ("number", pa.int32()),
        ("device_known", pa.bool_()),
        ("operated_by", pa.int32()),  # number in ``operators``; -1: an unknown device's
        ("bound", pa.bool_()),  # to its PSAM, as the PSAM's register says too
        ("terminal", pa.int64()),
        ("events", pa.int64()),  # bit n: may do the event of that number
        ("spreading", pa.int64()),  # seconds from the report of a denied card to force
    ]
)
LOADS = pa.schema(
    [
        ("card", pa.binary(18)),
        ("purse", pa.int16()),
        ("load", pa.bool_()),
        ("card_sequence", pa.int32()),
        ("load_amount", pa.int64()),
        ("load_posted", pa.bool_()),
    ]
)
REGISTERED_CARDS = CARDS.append(pa.field("registered", pa.int8()))  # the rider class as a number, too
DAYS = pa.schema([("oldest_day", pa.int32()), ("newest_day", pa.int32())])  # of which a window takes records: one row
DENY = pa.schema(
    [
        ("denied_card", pa.binary(18)),
        ("denied_from", pa.int64()),
        ("denied_until", pa.int64()),
        ("reported_at", pa.int64()),
        ("listed_since", pa.int64()),
    ]
)


def devices_table(day: Day) -> pa.Table:
    rows = [_NOT_ENROLLED | {"number": number} | _facts(name, day) for number, name in enumerate(day.devices)]
    return pa.Table.from_pylist(rows, schema=DEVICES)


_NOT_ENROLLED: dict[str, Any] = {field.name: False if pa.types.is_boolean(field.type) else 0 for field in DEVICES}
_NOT_ENROLLED["operated_by"] = -1


def _facts(name: str, day: Day) -> dict[str, Any]:
    known = day.inputs.devices.get(name)
    if known is None:
        return {}
    return {
        "device_known": True,
        "operated_by": day.operator_numbers[known.operator],
        "bound": is_bound(known, day.inputs.sams),
        "terminal": int.from_bytes(known.terminal_number),
        "events": sum(1 << event for event in EVENTS[known.kind]),
        "spreading": int(SPREADING[known.kind].time.total_seconds()),
    }


def while_away(entries: Columns, day: Day) -> Flags:
    """Which of ``entries`` their device wrote while it was away (``Absence.covers``)."""
    absences = {
        number: known.absences
        for number, name in enumerate(day.devices)
        if (known := day.inputs.devices.get(name)) is not None and known.absences
    }
    away: Flags = np.zeros(len(entries["device"]), dtype=np.bool_)
    rows = np.flatnonzero(np.isin(entries["device"], list(absences)))
    for number in np.unique(entries["device"][rows]).tolist():
        of_it = rows[entries["device"][rows] == number]
        at = entries["at"][of_it]
        for absence in absences[number]:
            until = NEVER if absence.back_at is None else first_second(absence.back_at)
            told = (at >= first_second(absence.lost_at)) & (at < until)
            away[of_it] |= told | ((at == NO_TIME) & (absence.back_at is None))
    return away


def days_table(inputs: DayInputs) -> pa.Table:
    newest = day_number(inputs.business_day)
    return pa.Table.from_pylist(
        [{"oldest_day": newest - inputs.policy.upload_horizon.days, "newest_day": newest}], schema=DAYS
    )


def loads_table(inputs: DayInputs) -> pa.Table:
    loads = sorted(inputs.loads.items())
    columns = {
        "card": [id_.issuer + id_.serial for id_, _ in loads],
        "purse": [id_.purse for id_, _ in loads],
        "load": [True] * len(loads),
        "card_sequence": [id_.sequence for id_, _ in loads],
        "load_amount": [load.amount_minor for _, load in loads],
        "load_posted": [load.posted for _, load in loads],
    }
    return pa.table(columns, schema=LOADS)


def deny_table(deny: DenyList) -> pa.Table:
    """For each card that was ever denied, from when to when which report denies it."""
    reports: dict[CardId, set[int]] = {}
    for change in deny.changes:
        reports.setdefault((change.issuer, change.serial), set()).add(first_second(change.reported_at))
    rows = [row for card, times in sorted(reports.items()) for row in _denials(card, sorted(times), deny)]
    return pa.Table.from_pylist(rows, schema=DENY)


def _denials(card: CardId, times: list[int], deny: DenyList) -> list[dict[str, Any]]:
    rows = []
    for since, until in pairwise([*times, NEVER]):
        report = deny.report_by(*card, datetime_of(since))
        if report is not None:
            rows.append(
                {
                    "denied_card": card[0] + card[1],
                    "denied_from": since,
                    "denied_until": until,
                    "reported_at": first_second(report.reported_at),
                    "listed_since": report.number,
                }
            )
    return rows


def cards_table(cards: pa.Table) -> pa.Table:
    """``REGISTERED_CARDS``."""
    classes = cards.column("rider_class").combine_chunks().dictionary_encode()
    numbers = pa.array([rider_number(name) for name in classes.dictionary.to_pylist()], pa.int8())
    return cards.append_column("registered", numbers.take(classes.indices))


def counter_files(counters: Columns) -> Iterator[tuple[str, pa.Table]]:
    """Name and rows of each bucket's, from counters in order."""
    bucket = bucket_of(counters["key"].astype(np.int64, copy=False))
    for one in np.unique(bucket).tolist():
        yield f"{one:02}", arrow(taken(counters, bucket == one))
