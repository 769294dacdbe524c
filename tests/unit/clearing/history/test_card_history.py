"""A card's records are found whatever has been folded, and are those a scan of all cleared files finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.day import parquet
from clearing.day.cleared import ENDED
from clearing.day.keys import keys_of
from clearing.day.schema import NO_TIME, arrow_column
from clearing.history import folding, lookup
from clearing.history.folding import fold, pieces_on
from clearing.history.lookup import bucket_of_card, card_history, key_range
from clearing.history.rules import ClearedRecord, spent_minor, transactions
from clearing.verification.reasons import Reason
from rulebook.record import Event, Kind, Outcome

FIRST = date(2026, 1, 20)
CARDS = [bytes.fromhex("01991000FFFFFFFF03109910") + number.to_bytes(6) for number in range(40)]
EPOCH = date(1970, 1, 1)


@dataclass
class Cleared:
    """Cleared files as windows leave them."""

    results: Path
    names: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def window(self, rows: Sequence[dict[str, Any]]) -> None:
        self.rows += rows
        files: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            day = EPOCH + timedelta(days=row["business_day"])
            files.setdefault(f"cleared/{day:%F}/{bucket_of_card(row['card']):02}", []).append(row)
        for name, of_file in sorted(files.items()):
            self._write(name, sorted(of_file, key=lambda row: row["key"]))

    def _write(self, name: str, rows: list[dict[str, Any]]) -> None:
        unfinished = self.results / f"{name}.unfinished"
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        whole = f"{name}-{parquet.write(_table(rows), unfinished)[:16]}.parquet"
        unfinished.rename(self.results / whole)
        if whole not in self.names:
            self.names.append(whole)

    def fold(self) -> None:
        fold(self.results, self.names)

    def of(self, card: int, first: date = date.min, last: date = date.max) -> list[ClearedRecord]:
        return card_history(self.results, self.names, CARDS[card], first, last)

    def pieces(self) -> list[Path]:
        return sorted((self.results / "history").rglob("*.arrow"))


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    columns = {}
    for name in ENDED.names or ():
        if name in ("device", "intent_device", "operated_by", "reason"):
            columns[name] = pa.array([row[name] for row in rows], pa.string())
        else:
            columns[name] = arrow_column(np.array([row[name] for row in rows], dtype=ENDED[name]))
    return pa.table(columns | {"transfer": pa.array([row["transfer"] for row in rows], pa.string())})


def tap(number: int, counter: int, day: int, **changed: Any) -> dict[str, Any]:
    business_day = (FIRST - EPOCH).days + day
    row: dict[str, Any] = {
        "card": CARDS[number],
        "purse": 2,
        "load": False,
        "card_sequence": counter,
        "device": "BUS-1",
        "sequence": 100 * number + counter,
        "records": 2,
        "intent_device": "",
        "intent_sequence": 1,
        "kind": Kind.OUTCOME,
        "event": Event.RIDE,
        "outcome": Outcome.DONE,
        "amount": 200,
        "balance_before": 10_000,
        "at": business_day * 86_400 + 3600 * 8 + counter,
        "business_day": business_day,
        "line": int.from_bytes(b"B101".ljust(8, b"\x00")),
        "operated_by": "bus-a",
        "reason": Reason.NONE,
        "settled": True,
        "held": False,
        "transfer": "set:000001:2026-01-20:bus-a:B101:fare",
    } | changed
    card_id = np.frombuffer(row["card"], "V18")
    parts = (np.array([row[name]]) for name in ("purse", "load", "card_sequence"))
    return row | {"key": int(keys_of(card_id, *parts)[0])}


@pytest.fixture
def cleared(tmp_path: Path) -> Cleared:
    return Cleared(tmp_path)


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several batches, several ranges of a merge."""
    monkeypatch.setattr("clearing.history.pieces.BATCH_ROWS", 2)
    monkeypatch.setattr(folding, "MERGED_ROWS", 3)
    monkeypatch.setattr(folding, "LOOSE", 2)


def found(records: Sequence[ClearedRecord]) -> list[tuple[str, int, bool]]:
    return sorted((record.device, record.sequence, record.settled) for record in records)


def scanned(cleared: Cleared, card: int, first: date, last: date) -> list[tuple[str, int, bool]]:
    """By a scan of every file, the oldest window first."""
    ends = {}
    for name in cleared.names:
        for row in pq.read_table(cleared.results / name).to_pylist():
            if row["card"] == CARDS[card] and first <= EPOCH + timedelta(days=row["business_day"]) <= last:
                ends[row["device"], row["sequence"]] = row["settled"]
    return sorted((*record, settled) for record, settled in ends.items())


NEIGHBOURS = [card for card in range(40) if bucket_of_card(CARDS[card]) == bucket_of_card(CARDS[0])]
TAPS = st.lists(st.tuples(st.sampled_from(NEIGHBOURS), st.integers(0, 40), st.booleans()), max_size=8)


@settings(max_examples=25, deadline=None)
@given(windows=st.lists(st.tuples(TAPS, st.booleans()), min_size=1, max_size=6), data=st.data())
def test_what_is_found_is_what_a_scan_finds(
    tmp_path_factory: pytest.TempPathFactory, windows: list[tuple[list[tuple[int, int, bool]], bool]], data: Any
) -> None:
    """Records come late and end anew; some windows are folded, some not; a card transaction keeps its business day."""
    cleared = Cleared(tmp_path_factory.mktemp("results"))
    for taps, folded in windows:
        cleared.window([tap(card, place, place, settled=settled) for card, place, settled in dict.fromkeys(taps)])
        if folded:
            cleared.fold()
    first = FIRST + timedelta(days=data.draw(st.integers(0, 41)))
    last = first + timedelta(days=data.draw(st.integers(0, 41)))
    for card in NEIGHBOURS:
        assert found(cleared.of(card, first, last)) == scanned(cleared, card, first, last)


def test_a_record_is_read_back_field_by_field(cleared: Cleared) -> None:
    cleared.window(
        [tap(3, 7, 0, line=0, operated_by="", at=NO_TIME, reason=Reason.TAC_WRONG, settled=False, held=True)]
    )
    (before,) = cleared.of(3)
    cleared.fold()
    (record,) = cleared.of(3)
    assert record == before
    assert (record.transaction.issuer + record.transaction.serial, record.transaction.sequence) == (CARDS[3], 7)
    assert (record.at, record.line, record.operator, record.business_day) == (None, "", "", FIRST)
    assert (record.reason, record.event, record.held) == (Reason.TAC_WRONG, Event.RIDE, True)


def test_a_month_that_is_over_is_one_piece_and_the_running_one_a_piece_a_file(cleared: Cleared) -> None:
    for day in (0, 1, 2, 12, 13):  # January, February
        cleared.window([tap(0, day, day)])
    cleared.fold()
    january, *february = cleared.pieces()
    assert january.name.startswith("merged-")
    assert len(february) == 2
    assert found(cleared.of(0)) == [("BUS-1", day, True) for day in (0, 1, 2, 12, 13)]


def test_late_records_are_merged_only_when_there_are_many(cleared: Cleared) -> None:
    for day in (0, 1, 12):
        cleared.window([tap(0, day, day)])
    cleared.fold()
    counts = []
    for late in range(20, 23):
        cleared.window([tap(0, late, 2)])
        cleared.fold()
        counts.append(sum("2026-01" in str(path) for path in cleared.pieces()))
    assert counts == [2, 1, 2]
    assert len(cleared.of(0)) == 6


def test_a_piece_with_a_file_nobody_told_of_is_not_read(cleared: Cleared) -> None:
    for day in (0, 1, 12):
        cleared.window([tap(0, day, day)])
    cleared.fold()
    told = [name for name in cleared.names if "2026-01-21" not in name]
    records = card_history(cleared.results, told, CARDS[0], date.min, date.max)
    assert found(records) == [("BUS-1", 0, True), ("BUS-1", 12, True)]


def test_an_interrupted_fold_goes_on(cleared: Cleared, monkeypatch: pytest.MonkeyPatch) -> None:
    for card in range(12):
        cleared.window([tap(card, day, day) for day in range(2)])
    calls = []

    def stopped(done: int, total: int) -> None:
        calls.append((done, total))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fold(cleared.results, cleared.names, stopped)
    assert calls[0][1] == len({bucket_of_card(card) for card in CARDS[:12]})
    there = {path: path.stat().st_mtime_ns for path in cleared.pieces()}
    cleared.fold()
    assert there.items() <= {path: path.stat().st_mtime_ns for path in cleared.pieces()}.items()
    assert len(cleared.of(5)) == 2


def test_a_piece_merged_away_meanwhile_is_looked_for_again(cleared: Cleared, monkeypatch: pytest.MonkeyPatch) -> None:
    cleared.window([tap(0, 1, 1)])
    times = []

    def gone_once(results: Path, shelf: str, told: Sequence[str]) -> Any:
        times.append(shelf)
        if len(times) == 1:
            raise FileNotFoundError
        return pieces_on(results, shelf, told)

    monkeypatch.setattr(lookup, "pieces_on", gone_once)
    assert len(cleared.of(0)) == 1
    assert len(times) == 2


def test_two_cards_of_one_hash_are_told_apart(cleared: Cleared, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = bucket_of_card(CARDS[0])
    assert len(NEIGHBOURS) > 1
    cleared.window([tap(card, card, 0) for card in NEIGHBOURS])
    monkeypatch.setattr(lookup, "key_range", lambda _card: (-(2**63), 2**63 - 1))
    monkeypatch.setattr(lookup, "bucket_of_card", lambda _card: bucket)
    assert [record.transaction.sequence for record in cleared.of(0)] == [0]


def test_every_transaction_of_a_card_lies_in_its_range() -> None:
    low, high = key_range(CARDS[4])
    keys = [
        tap(4, sequence, 0, purse=purse, load=load)["key"]
        for sequence in (0, 65_535)
        for purse in (1, 2)
        for load in (0, 1)
    ]
    assert all(low <= key <= high for key in keys)
    assert not any(low <= tap(other, 0, 0)["key"] <= high for other in range(40) if other != 4)


def test_a_transaction_is_told_by_the_record_that_moved_its_money(cleared: Cleared) -> None:
    cleared.window(
        [
            tap(0, 5, 0, sequence=1, records=1, kind=Kind.INTENT, outcome=Outcome.NONE, settled=False),
            tap(0, 5, 0, sequence=2, kind=Kind.FINDING, device="BUS-2"),
            tap(0, 6, 0, sequence=3, settled=False, reason=Reason.TAC_WRONG),
            tap(0, 1, 0, sequence=4, load=True, event=Event.LOAD, amount=5000),
        ]
    )
    told = transactions(cleared.of(0))
    assert [(one.transaction.load, one.transaction.sequence, one.device) for one in told] == [
        (True, 1, "BUS-1"),
        (False, 5, "BUS-2"),
        (False, 6, "BUS-1"),
    ]
    assert spent_minor(told) == 200
