"""A year of cleared records as the day writes them: what ``benchmarks/history.py`` looks cards up in.

Made in columns and written by ``clearing.day.cleared.files`` and ``clearing.day.parquet.write``, so that schema, order and
settings are the real ones. A card taps once or twice on the days it travels; its counter rises through the year.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clearing.day import parquet
from clearing.day.cleared import ENDED, files
from clearing.day.keys import keys_of
from clearing.day.model import Day, DayInputs, Stretch
from clearing.day.schema import Columns
from clearing.facts.rules import deny_list_of
from clearing.verification.context import KnownDevice, Policy
from clearing.verification.reasons import PRECEDENCE, Reason
from rulebook.calendar import calendar_named
from rulebook.messages.devices import DeviceKind
from rulebook.record import Event, Kind, Outcome

ISSUER = bytes.fromhex("01991000FFFFFFFF")
FIRST_DAY = date(2025, 9, 16)
DEVICES = 4_000
OPERATORS = (*(f"bus-{one}" for one in "abcdefghij"), "metro")
LINES = tuple(int.from_bytes(name.ljust(8, b"\x00")) for name in (b"B101", b"B102", b"B201", b"01"))
DONE = "done.json"


@dataclass(frozen=True)
class Year:
    """``records`` in all, of ``cards`` cards over ``days`` days."""

    records: int
    cards: int
    days: int = 365
    seed: int = 4

    def of_day(self, day: int) -> int:
        return self.records * (day + 1) // self.days - self.records * day // self.days

    def business_day(self, day: int) -> date:
        return FIRST_DAY + timedelta(days=day)


def serials(numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
    """0310 9910 and twelve digits, BCD."""
    octets = np.zeros((len(numbers), 10), dtype=np.uint8)
    octets[:, :4] = list(bytes.fromhex("03109910"))
    for place in range(6):
        pair = numbers // 100 ** (5 - place) % 100
        octets[:, 4 + place] = pair // 10 << 4 | pair % 10
    return octets


def card_ids(numbers: NDArray[np.int64]) -> NDArray[np.void]:
    """Issuer ‖ serial of each card."""
    ids = np.empty((len(numbers), 18), dtype=np.uint8)
    ids[:, :8] = np.frombuffer(ISSUER, np.uint8)
    ids[:, 8:] = serials(numbers)
    return ids.reshape(-1).view("V18")


def make(folder: Path, year: Year, progress: Callable[[int, int], None]) -> list[str]:
    """Names of every file below ``folder``. A day that is there is not made again."""
    state: dict[str, Any] = {"year": repr(year), "days": [], "names": []}
    done = folder / DONE
    if done.exists() and (kept := json.loads(done.read_text()))["year"] == state["year"]:
        state = kept
    counters = np.zeros(year.cards, dtype=np.int64)
    for day in range(year.days):
        rows = day_rows(year, day, counters)
        if day in state["days"]:
            continue
        state["names"] += list(_write_day(folder, year, day, rows))
        state["days"].append(day)
        folder.mkdir(parents=True, exist_ok=True)
        done.write_text(json.dumps(state))
        progress(day + 1, year.days)
    names: list[str] = state["names"]
    return names


def day_rows(year: Year, day: int, counters: NDArray[np.int64]) -> Columns:
    """In order of key; ``counters`` go on."""
    random = np.random.default_rng((year.seed, day))
    count = year.of_day(day)
    card = np.sort(random.integers(0, year.cards, count))
    ride = np.arange(count) - np.searchsorted(card, card)
    sequence = counters[card] + ride
    counters += np.bincount(card, minlength=year.cards)
    columns = _columns(random, card, sequence, day, year.business_day(day))
    order = np.argsort(columns["key"], kind="stable")
    return {name: columns[name][order].astype(ENDED[name]) for name in ENDED.names or ()}


def _columns(
    random: np.random.Generator, card: NDArray[np.int64], sequence: NDArray[np.int64], day: int, business_day: date
) -> Columns:
    count = len(card)
    ids, nothing = card_ids(card + 1), np.zeros(count, dtype=np.int64)
    device = random.integers(0, DEVICES, count)
    number = (business_day - date(1970, 1, 1)).days
    gate, faulty = device % 2 == 1, random.integers(0, 1000, count) == 0
    return {
        "key": keys_of(ids, nothing + 2, np.zeros(count, dtype=np.bool_), sequence & 0xFFFF),
        "card": ids,
        "purse": nothing + 2,
        "load": nothing != 0,
        "card_sequence": sequence & 0xFFFF,
        "device": device,
        "sequence": 2 + 2 * (day * 200 + random.integers(0, 200, count)),
        "records": nothing + 2,
        "intent_device": nothing - 1,
        "intent_sequence": 1 + 2 * (day * 200 + random.integers(0, 200, count)),
        "kind": nothing + Kind.OUTCOME,
        "event": np.where(gate, Event.EXIT, Event.RIDE),
        "outcome": nothing + Outcome.DONE,
        "amount": random.integers(100, 900, count),
        "balance_before": random.integers(1_000, 100_000, count),
        "at": number * 86_400 + random.integers(6 * 3600, 22 * 3600, count),
        "business_day": nothing + number,
        "line": np.where(gate, LINES[3], np.array(LINES)[device // 2 % 3]),
        "operated_by": np.where(gate, 10, device // 2 % 10),
        "reason": np.where(faulty, PRECEDENCE[Reason.TAC_WRONG], PRECEDENCE[Reason.NONE]),
        "settled": ~faulty,
        "held": faulty,
    }


def _write_day(folder: Path, year: Year, day: int, rows: Columns) -> Iterator[str]:
    for name, table in files(rows, _day(day + 1, year.business_day(day))):
        unfinished = folder / f"cleared/{name}.unfinished"
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        whole = f"cleared/{name}-{parquet.write(table, unfinished)[:16]}.parquet"
        unfinished.rename(folder / whole)
        yield whole


def _day(window: int, business_day: date) -> Day:
    """Only what names need: devices and operators."""
    names = [f"{'GATE' if n % 2 else 'BUS'}-{n:05}" for n in range(DEVICES)]
    kinds = (DeviceKind.VALIDATOR, DeviceKind.GATE)
    devices = {
        name: KnownDevice(name, kinds[n % 2], OPERATORS[n % len(OPERATORS)], bytes(10), bytes(6))
        for n, name in enumerate(names)
    }
    return Day(
        DayInputs(
            number=window,
            business_day=business_day,
            policy=Policy(frozenset({ISSUER}), timedelta(days=30), calendar_named("china")),
            journals=tuple(Stretch(name, 1, 1, Path(), 0) for name in names),
            devices=devices,
            sams={},
            deny=deny_list_of([]),
            tariffs={},
            register=_NOTHING,
            history=_NOTHING,
        )
    )


class _Nothing:
    """Neither cards nor history: no record is judged here."""

    def cards(self, _bucket: int) -> pa.Table:
        raise NotImplementedError

    def counters(self, _bucket: int) -> Columns:
        raise NotImplementedError

    def settled(self, _ids: Any) -> dict[Any, Any]:
        raise NotImplementedError


_NOTHING = _Nothing()
