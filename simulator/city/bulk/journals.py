"""The bulk day as terminals upload it: journals in order of time, TACs, batches sealed with each device's key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from card_os.crypto.suites import Algorithm
from clearing.day.proof import card_keys
from clearing.verification.bulk import compute_tacs
from clearing.verification.tac_columns import TacColumns
from hardware.vault.vault import Vault
from rulebook.batch import seal_rows
from rulebook.record import Event, Outcome, Verdict
from rulebook.record.columns import Rows, octets, picked
from simulator.city.bulk.day import BulkDay
from simulator.city.bulk.faults import FORMS, RECORDS, Fault
from simulator.city.bulk.records import put
from simulator.city.bulk.rides import Numbers
from terminals.journal.journal import BATCH_LIMIT

ACTS_AT_ONCE = 100_000
"""Taps and loads whose records are in memory at once, about."""

_WRONG = 0x80000001
"""What a wrong TAC differs by."""

_MOST = max(len(forms) for forms in FORMS.values())


def _form_table(field: int) -> NDArray[np.int64]:
    """``FORMS`` as a table: fault, place in it."""
    table = np.zeros((len(Fault), _MOST), dtype=np.int64)
    for fault, forms in FORMS.items():
        table[fault, : len(forms)] = [int(form[field]) for form in forms]
    return table


_KIND, _OUTCOME, _BACK, _HAS_TAC = (_form_table(field) for field in range(4))


@dataclass(frozen=True, slots=True)
class Upload:
    """A batch file. The same records may be in two (a repeated batch)."""

    device: str
    number: int
    first: int
    count: int
    path: Path


@dataclass(frozen=True, slots=True)
class _Acts:
    """What devices did, device by device in order of time. ``tap``: its place, or for a load -1 - its place."""

    device: Numbers
    tap: Numbers
    fault: NDArray[np.uint8]
    number: Numbers
    """Of the act at its device, from 0: what its PSAM counts."""


def write(
    day: BulkDay, folder: Path, vault: Vault, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> list[Upload]:
    """Every device's batches as ``folder/<device>/<number>.batch``; the same bytes for the same seed. ``progress`` is told how
    many taps and loads are done."""
    random = np.random.default_rng([day.town.seed, 8])
    keys = card_keys(vault, day.town.card_ids(), Algorithm.TRIPLE_DES)
    acts, done = _acts(day), 0
    uploads: list[Upload] = []
    for start, stop in _parts(acts.device):
        some = _Acts(*(getattr(acts, name)[start:stop] for name in _Acts.__slots__))
        for device, rows in _by_device(some, _records(day, some, keys)):
            uploads += _upload(day, device, rows, folder, random)
        progress(stop, len(acts.device))
        done = stop
    assert done == len(acts.device)
    return uploads


def _acts(day: BulkDay) -> _Acts:
    taps, loads = day.taps, day.loads
    device = np.concatenate([taps.device, loads.device])
    at = np.concatenate([taps.at, loads.at])
    tap = np.concatenate([np.arange(len(taps.at)), -1 - np.arange(len(loads.at))])
    fault = np.concatenate([day.fault, np.zeros(len(loads.at), dtype=np.uint8)])
    order = np.argsort(device * 86_400 + at, kind="stable")
    device = device[order]
    return _Acts(device, tap[order], fault[order], np.arange(len(order)) - np.searchsorted(device, device))


def _parts(device: Numbers) -> Iterator[tuple[int, int]]:
    """Of whole devices."""
    start = 0
    while start < len(device):
        last = device[min(start + ACTS_AT_ONCE, len(device)) - 1]
        stop = int(np.searchsorted(device, last, "right"))
        yield start, stop
        start = stop


def _records(day: BulkDay, acts: _Acts, keys: NDArray[np.uint8]) -> Rows:
    """One for each act, as it went well, with its TAC."""
    rows = np.empty(len(acts.tap), dtype=day.recorder.taps_rows(acts.tap[:0]).dtype)
    card = np.empty(len(acts.tap), dtype=np.int64)
    tapped, loaded = np.flatnonzero(acts.tap >= 0), np.flatnonzero(acts.tap < 0)
    for which, places, made, cards in (
        (tapped, acts.tap[tapped], day.recorder.taps_rows, day.taps.card),
        (loaded, -1 - acts.tap[loaded], day.recorder.loads_rows, day.loads.card),
    ):
        rows[which], card[which] = made(places), cards[places]
    rows["sam_sequence"] = np.where(acts.tap >= 0, acts.number, 0)
    tac = compute_tacs(_columns(rows), keys[card])
    tac ^= np.where(acts.fault == Fault.TAC_WRONG, _WRONG, 0)
    put(rows, "tac", tac.astype(">u4").view(np.uint8).reshape(-1, 4))
    return rows


def _columns(rows: Rows) -> TacColumns:
    def number(name: str) -> Numbers:
        return rows[name].astype(np.int64)

    def of_octets(*names: str) -> Numbers:
        joined = np.concatenate([octets(rows, name) for name in names], axis=1)
        wide = np.zeros((len(rows), 8), dtype=np.uint8)
        wide[:, 8 - joined.shape[1] :] = joined
        found: Numbers = wide.view(">i8").reshape(-1).astype(np.int64)
        return found

    return TacColumns(
        load=rows["event"] == Event.LOAD,
        algorithm=number("algorithm"),
        amount=number("amount_minor"),
        transaction_type=number("transaction_type"),
        sam_terminal=of_octets("sam_terminal"),
        stamp=of_octets("date", "time"),
        sam_sequence=number("sam_sequence"),
        card_sequence=number("card_sequence"),
        balance_before=number("balance_before_minor"),
        tac=np.zeros(len(rows), dtype=np.int64),
    )


def _by_device(acts: _Acts, rows: Rows) -> Iterator[tuple[int, Rows]]:
    """Each device's journal: the records that an act leaves, numbered."""
    count = RECORDS[acts.fault]
    act = np.repeat(np.arange(len(rows)), count)
    place = np.arange(len(act)) - np.repeat(np.cumsum(count) - count, count)
    fault, device = acts.fault[act], acts.device[act]
    journal = picked(rows, act)
    sequence = np.arange(len(act)) - np.searchsorted(device, device) + 1
    back = _BACK[fault, place]
    journal["kind"], journal["outcome"] = _KIND[fault, place], _OUTCOME[fault, place]
    journal["journal_sequence"], journal["refers_to"] = sequence, np.where(back > 0, sequence - back, 0)
    bare = np.flatnonzero(_HAS_TAC[fault, place] == 0)
    journal["tac"][bare] = np.zeros(1, "V4")
    judged = (journal["outcome"] == Outcome.DONE) & (journal["mac2_verdict"] == Verdict.RIGHT) & (back == 1)
    journal["mac2_verdict"] = np.where(judged, Verdict.RIGHT, Verdict.NOT_ASKED)
    edges = np.flatnonzero(np.diff(device)) + 1
    for start, stop in zip([0, *edges.tolist()], [*edges.tolist(), len(act)], strict=True):
        yield int(device[start]), journal[start:stop]


def _upload(day: BulkDay, number: int, rows: Rows, folder: Path, random: np.random.Generator) -> Iterator[Upload]:
    device = day.town.devices[number]
    sign = device.signing_key(day.town.seed).sign
    home = folder / device.name
    home.mkdir(parents=True, exist_ok=True)
    parts = [rows[start : start + BATCH_LIMIT] for start in range(0, len(rows), BATCH_LIMIT)]
    lost, twice = (
        random.random(len(parts)) < day.rates.lost_batches,
        random.random(len(parts)) < day.rates.batches_twice,
    )
    numbered = [(place, part) for place, part in enumerate(parts, 1) if not lost[place - 1]]
    again = [part for place, part in enumerate(parts) if twice[place]]
    numbered += list(enumerate(again, len(parts) + 1))
    for place, part in numbered:
        path = home / f"{place:05}.batch"
        path.write_bytes(seal_rows(place, part, sign))
        yield Upload(device.name, place, int(part["journal_sequence"][0]), len(part), path)
