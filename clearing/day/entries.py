"""Rows of journals as entries: outcomes paired with their intents, and everything about them that needs no register."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from card_os.profile.transit import TRANSIT_PROCESS
from clearing.day.fares import Fare, Pricer
from clearing.day.keys import keys_of
from clearing.day.moments import business_days, local_seconds
from clearing.day.schema import ENTRY, NO_TIME, Columns, Flags, Numbers
from rulebook.record import Event, Kind, Outcome
from rulebook.record.columns import RECORD_DTYPE, Rows, picked
from rulebook.tariff import RiderClass

_CLASSES = tuple(RiderClass)
_NAMES = {str(rider_class): number for number, rider_class in enumerate(_CLASSES)}
_RIDER_OF_CODE = np.array([_CLASSES.index(RiderClass.of_code(code)) for code in range(256)], dtype=np.int8)
_EPOCH = date(1970, 1, 1)


def rider_number(rider_class: str) -> int:
    """Index in ``RiderClass``; -1 for a class that no tariff knows."""
    return _NAMES.get(rider_class, -1)


def day_number(day: date) -> int:
    """Days since 1970."""
    return (day - _EPOCH).days


def date_of(number: int) -> date:
    """What ``day_number`` was given."""
    return _EPOCH + timedelta(days=number)


def _windows() -> np.dtype[np.void]:
    """Neighbouring fields of a record read as one: numbers of six and seven bytes as the lower bytes of eight."""
    offset = {name: field[1] for name, field in (RECORD_DTYPE.fields or {}).items()}
    assert offset["serial"] == offset["issuer"] + 8
    assert offset["time"] == offset["date"] + 4
    places = {
        "card": (ENTRY["card"], offset["issuer"]),
        "stamp": (np.dtype(">u8"), offset["date"] - 1),
        "sam_terminal": (np.dtype(">u8"), offset["sam_terminal"] - 2),
        "line": (np.dtype(">u8"), offset["line"]),
        "tac": (np.dtype(">u4"), offset["tac"]),
        "origin": (np.dtype(">u8"), offset["capp_before"] + TRANSIT_PROCESS.span("entry_station").start),
        "destination": (np.dtype(">u8"), offset["place"]),
    }
    names, formats, offsets = zip(*((name, *place) for name, place in places.items()), strict=True)
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": RECORD_DTYPE.itemsize})


_WINDOWS = _windows()
_BITS = {"stamp": 56, "sam_terminal": 48}
_AS_THEY_ARE = {
    "purse": "purse",
    "card_sequence": "card_sequence",
    "sequence": "journal_sequence",
    "kind": "kind",
    "event": "event",
    "outcome": "outcome",
    "verdict": "mac2_verdict",
    "key_version": "key_version",
    "algorithm": "algorithm",
    "amount": "amount_minor",
    "balance_before": "balance_before_minor",
    "transaction_type": "transaction_type",
    "sam_sequence": "sam_sequence",
    "list_version": "list_version",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """By what rows are read. ``cut_off`` and ``business_day`` are the calendar's and the window's. ``with_stations``: whether
    somebody wants to know from where to where rides went."""

    business_day: date
    cut_off: time
    pricer: Pricer
    with_stations: bool = False


def paired(rows: Rows, device: NDArray[np.int32]) -> tuple[Numbers, Numbers]:
    """Which rows make entries, and the journal sequence of the intent that each takes along (0: none). ``rows`` are in
    order of (device, journal sequence), each once."""
    sequence = rows["journal_sequence"].astype(np.int64)
    outcomes = np.flatnonzero((rows["kind"] == Kind.OUTCOME) & (rows["refers_to"] != 0))
    wanted = rows["refers_to"][outcomes].astype(np.int64)
    place = _place(device.astype(np.int64) << 32 | sequence, device[outcomes].astype(np.int64) << 32 | wanted, outcomes)
    found = (place >= 0) & (rows["kind"][place] == Kind.INTENT)
    found[found] = _same_transaction(rows, outcomes[found], place[found])
    outcomes, place = outcomes[found], place[found]
    place, first = np.unique(place, return_index=True)  # a second outcome of one intent stands alone
    intent_sequence = np.zeros(len(rows), dtype=np.int64)
    intent_sequence[outcomes[first]] = sequence[place]
    alone = np.ones(len(rows), dtype=np.bool_)
    alone[place] = False
    entries = np.flatnonzero(alone)
    return entries, intent_sequence[entries]


def _place(ids: Numbers, wanted: Numbers, outcomes: Numbers) -> Numbers:
    """Where the record ``wanted`` by each outcome stands, or -1. Nearly always it is the row before."""
    place = outcomes - 1
    elsewhere = np.flatnonzero((place < 0) | (ids[place] != wanted))
    at = np.minimum(np.searchsorted(ids, wanted[elsewhere]), len(ids) - 1)
    place[elsewhere] = np.where(ids[at] == wanted[elsewhere], at, -1)
    return place


# Amount and event too: an intent that says something else has a row of its own.
_OF_THE_TRANSACTION = ("card", "purse", "card_sequence", "event", "amount_minor")


def _same_transaction(rows: Rows, one: Numbers, other: Numbers) -> Flags:
    same: Flags = np.ones(len(one), dtype=np.bool_)
    for name in _OF_THE_TRANSACTION:
        column = rows.view(_WINDOWS)["card"] if name == "card" else rows[name]
        same &= column[one] == column[other]
    return same


def entries_of(
    rows: Rows, device: NDArray[np.int32], intent_sequence: Numbers, reading: Reading, *, priced: Flags | None = None
) -> tuple[Columns, dict[int, Fare]]:
    """The columns of ``ENTRY`` but ``waiting``. ``priced`` names the rows whose fare is asked for: by default outcomes that
    are done."""
    windows = rows.view(_WINDOWS)
    columns: dict[str, NDArray[Any]] = {"device": device, "intent_sequence": intent_sequence}
    columns["card"] = np.ascontiguousarray(windows["card"])
    columns["load"] = rows["event"] == Event.LOAD
    columns["rider"] = _RIDER_OF_CODE[rows["card_class"]]
    for name in ("stamp", "sam_terminal", "line", "tac"):
        columns[name] = windows[name].astype(np.uint64).view(np.int64) & np.int64((1 << _BITS.get(name, 63)) - 1)
    for name, field in _AS_THEY_ARE.items():
        columns[name] = rows[field].astype(ENTRY[name])
    columns |= _stations(rows, reading.with_stations)
    columns["key"] = keys_of(columns["card"], columns["purse"], columns["load"], columns["card_sequence"])
    columns["at"] = local_seconds(columns["stamp"])
    days = business_days(columns["at"], reading.cut_off)
    days = np.where(columns["at"] == NO_TIME, day_number(reading.business_day), days)
    columns["business_day"] = days.astype(ENTRY["business_day"])
    if priced is None:
        priced = (rows["kind"] == Kind.OUTCOME) & (rows["outcome"] == Outcome.DONE)
    of_fare, fares = reading.pricer.columns(rows, priced)
    return {**columns, **of_fare}, fares


def _stations(rows: Rows, wanted: bool) -> Columns:
    """Whether they are stations of the tariff, ``pricing`` says."""
    columns = {name: np.zeros(len(rows), dtype=np.int64) for name in ("origin", "destination")}
    if wanted:
        exits = np.flatnonzero(rows["event"] == Event.EXIT)
        windows = picked(rows, exits).view(_WINDOWS)
        for name, column in columns.items():
            column[exits] = windows[name].astype(np.uint64).view(np.int64)
    return columns


def clock_faults(rows: Rows, device: NDArray[np.int32]) -> list[tuple[int, int, int, int]]:
    """(device, journal sequence, local second before, local second) of each intent dated before the one before it. Only
    intents are compared: an outcome repeats its intent's time. ``rows`` as for ``paired``."""
    intents = np.flatnonzero(rows["kind"] == Kind.INTENT)
    stamps = rows.view(_WINDOWS)["stamp"][intents].astype(np.int64) & np.int64((1 << 56) - 1)
    # BCD rises with time, so only where it falls or is no number at all need it be read.
    at = local_seconds(stamps)
    told = at != NO_TIME
    intents, at = intents[told], at[told]
    back = np.flatnonzero((np.diff(at) < 0) & (np.diff(device[intents]) == 0)) + 1
    numbers = rows["journal_sequence"][intents[back]].tolist()
    return list(zip(device[intents[back]].tolist(), numbers, at[back - 1].tolist(), at[back].tolist(), strict=True))
