"""Cleared records: how every record of a window ended, as rows of Parquet by business day and bucket of the card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clearing.day.booking import SET
from clearing.day.entries import date_of
from clearing.day.keys import bucket_of
from clearing.day.model import Day
from clearing.day.odd import OddEnds
from clearing.day.posting import FareSet
from clearing.day.schema import Columns, Flags, Numbers, arrow_column, stacked, taken
from clearing.ledger.rules import Purpose
from clearing.verification.reasons import PRECEDENCE
from rulebook.record import Record

REASONS = tuple(sorted(PRECEDENCE, key=lambda reason: PRECEDENCE[reason]))

ENDED = np.dtype(
    [
        ("key", "i8"),
        ("card", "V18"),
        ("purse", "i2"),
        ("load", "?"),
        ("card_sequence", "i4"),
        ("device", "i4"),
        ("sequence", "i8"),
        ("records", "i1"),  # 2: the intent at ``intent_sequence`` ended the same way and has no row of its own
        ("intent_device", "i4"),  # of the intent whose fields the TAC covers; -1: this row's own cover it
        ("intent_sequence", "i8"),
        ("kind", "i1"),
        ("event", "i1"),
        ("outcome", "i1"),
        ("amount", "i8"),
        ("balance_before", "i8"),
        ("at", "i8"),
        ("business_day", "i4"),
        ("line", "i8"),
        ("operated_by", "i4"),
        ("reason", "i2"),
        ("settled", "?"),
        ("held", "?"),
    ]
)


def plain_ends(entries: Columns, ends: Columns) -> Columns:
    """``entries`` with what ``engine.judge`` answered for each ``row``; other rows mean nothing."""
    paired = entries["intent_sequence"] > 0
    columns = {name: entries[name] for name in ENDED.names or () if name in entries}
    for name in ("reason", "operated_by", "settled", "held"):
        columns[name] = np.zeros(len(paired), dtype=ENDED[name])
        columns[name][ends["row"]] = ends[name]
    columns["records"] = np.where(paired, 2, 1).astype(ENDED["records"])
    columns["intent_device"] = np.full(len(paired), -1, dtype=ENDED["intent_device"])
    return columns


def odd_ends(odd: OddEnds, day: Day) -> Columns:
    """One row for each record. What proves a claim names the intent it proves, and is of the line, day and operator that it was
    paid by: another operator's terminal may have found it."""
    decisions = [decision for one in odd.judged for decision in one.decisions]
    claims = {claim.evidence: claim for one in odd.judged if (claim := one.settled or one.held)}
    settled = {claim.evidence for one in odd.judged if (claim := one.settled)}
    records = [record for one in odd.judged for record in one.transaction.records]
    intents = [claims[r].inputs if r in claims and claims[r].inputs is not r else None for r in records]
    paid, by_claim = _paid(records, odd)
    columns = {name: column.copy() for name, column in odd.records.items()}
    for name in ("line", "at", "business_day"):
        columns[name][paid] = odd.claims[name][by_claim]
    operators = _of_intents([day.operator_numbers.get(d.operator, -1) for d in decisions], "operated_by")
    operators[paid] = [
        day.operator_numbers.get(day.operator_of(device), -1) for device in odd.claims["device"][by_claim]
    ]
    return columns | {
        "records": np.ones(len(records), dtype=ENDED["records"]),
        "intent_device": _of_intents([day.device_numbers[i.device] if i else -1 for i in intents], "intent_device"),
        "intent_sequence": _of_intents([i.journal_sequence if i else 0 for i in intents], "intent_sequence"),
        "operated_by": operators,
        "reason": _of_intents([PRECEDENCE[d.reason] for d in decisions], "reason"),
        "settled": np.array([record in settled for record in records], dtype=np.bool_),
        "held": np.array([record in claims and record not in settled for record in records], dtype=np.bool_),
    }


def _paid(records: Sequence[Record], odd: OddEnds) -> tuple[list[int], list[int]]:
    """Rows of ``records`` that were paid, and of ``odd.claims`` the row that each was paid by."""
    claims = [claim for one in odd.judged if (claim := one.settled or one.held)]
    by_evidence = {claim.evidence: number for number, claim in enumerate(claims)}
    settled = {claim.evidence for one in odd.judged if (claim := one.settled)}
    paid = [(row, by_evidence[record]) for row, record in enumerate(records) if record in settled]
    return [row for row, _ in paid], [number for _, number in paid]


def _of_intents(values: Sequence[int], name: str) -> NDArray[Any]:
    return np.array(values, dtype=ENDED[name])


def in_order(ended: Columns, plain: Flags, odd: Columns) -> Columns:
    """The ``plain`` ones of ``ended`` and all of ``odd`` by key, device and journal sequence."""
    every = stacked([ended, odd], ENDED)
    rows = np.flatnonzero(np.concatenate([plain, np.ones(len(odd["key"]), dtype=np.bool_)]))
    order = rows[np.argsort(every["key"][rows], kind="stable")]
    key = every["key"][order]
    shared = np.zeros(len(key), dtype=np.bool_)
    shared[1:] |= key[1:] == key[:-1]
    shared[:-1] |= key[1:] == key[:-1]
    rows = order[shared]
    order[shared] = rows[np.lexsort((every["sequence"][rows], every["device"][rows], every["key"][rows]))]
    return taken(every, order)


def files(ended: Columns, day: Day) -> Iterator[tuple[str, pa.Table]]:
    """Name and rows of each file, from columns in order."""
    bucket = bucket_of(ended["key"].astype(np.int64, copy=False))
    for one in np.unique(bucket).tolist():
        first, last = np.searchsorted(bucket, [one, one + 1])
        rows = {name: column[first:last] for name, column in ended.items()}
        days = np.unique(rows["business_day"]).tolist()
        for number in days:
            of_day = rows if len(days) == 1 else taken(rows, rows["business_day"] == number)
            yield f"{date_of(number):%F}/{one:02}", _table(of_day, day)


def _table(ended: Columns, day: Day) -> pa.Table:
    columns = {name: arrow_column(column) for name, column in ended.items()}
    columns["device"] = _named(ended["device"], day.devices)
    columns["intent_device"] = _named(ended["intent_device"], day.devices)
    columns["operated_by"] = _named(ended["operated_by"], day.operators)
    columns["reason"] = _named(ended["reason"], REASONS)
    columns["transfer"] = _transfers(ended, day)
    return pa.table(columns)


def _named(numbers: NDArray[Any], names: Sequence[str]) -> pa.Array:
    """Names by number, empty for -1."""
    return pa.array([*names, ""], pa.string()).take(pa.array(np.where(numbers < 0, len(names), numbers)))


def _transfers(ended: Columns, day: Day) -> pa.Array:
    """Of one business day: the id of the transfer that pays the operator; empty where none does."""
    paid = np.flatnonzero(ended["settled"] & ~ended["load"] & (ended["amount"] > 0))
    line = _numbered(ended["line"][paid])
    which = _numbered(line << 32 | ended["operated_by"][paid])
    first = np.empty(which.max(initial=-1) + 1, dtype=np.int64)
    first[which[::-1]] = paid[::-1]
    number = np.full(len(ended["key"]), -1)
    number[paid] = which
    return _named(number, [_transfer_of(ended, row, day) for row in first.tolist()])


def _numbered(column: NDArray[Any]) -> Numbers:
    """Equal values by one number, from 0 in order of appearance; quicker than sorting them."""
    numbers: Numbers = pa.array(column).dictionary_encode().indices.to_numpy().astype(np.int64)
    return numbers


def _transfer_of(ended: Columns, row: int, day: Day) -> str:
    return FareSet.of(day, [int(ended[name][row]) for name in SET]).id(day.inputs.number, Purpose.FARE)


def bucket_in(name: str) -> int:
    """Of a file of cleared records or counters, as ``Workshop`` names them."""
    return int(name.rpartition("/")[2][:2])
