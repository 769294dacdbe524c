"""A day of taps as raw batches with right TACs and fares, made in columns: what ``benchmarks/day.py`` clears.

Half bus rides, a quarter metro entries, a quarter exits; each tap an intent and its outcome, one in a thousand with a fault of
its own (torn, TAC flipped, repeated, charged wrongly).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from card_os.profile.transit import TRANSIT_PROCESS, TransitProcess
from clearing.day.model import Stretch
from clearing.fare_checks.bulk import Repricer
from clearing.verification.context import KnownDevice
from rulebook.messages.devices import DeviceKind
from rulebook.messages.facts import SamFact, SamState
from rulebook.record import Event, Kind, Outcome
from rulebook.record.columns import RECORD_DTYPE, Rows
from rulebook.tariff import Tariff

DAY = date(2026, 9, 15)
ISSUER = bytes.fromhex("01991000FFFFFFFF")
RECORDS_OF_A_DEVICE = 800
RECORDS_OF_A_BATCH = 400
TAPS_OF_A_CARD = 4
FAULTS = 1000

Tacs = Callable[[Rows], NDArray[np.uint32]]


@dataclass(frozen=True)
class Fleet:
    """Devices of ten bus operators and one metro, named by number."""

    size: int

    def name(self, number: int) -> str:
        return f"{'GATE' if self.is_gate(number) else 'BUS'}-{number:07}"

    def is_gate(self, number: int) -> bool:
        return number % 2 == 1

    def terminal(self, number: int) -> bytes:
        return bytes.fromhex(f"9910{number:08}")

    def known(self) -> dict[str, KnownDevice]:
        kinds = (DeviceKind.VALIDATOR, DeviceKind.GATE)
        operators = [*(f"bus-{one}" for one in "abcdefghij"), "metro"]
        return {
            self.name(n): KnownDevice(
                self.name(n),
                kinds[self.is_gate(n)],
                operators[10 if self.is_gate(n) else n // 2 % 10],
                n.to_bytes(10),
                self.terminal(n),
            )
            for n in range(self.size)
        }

    def sams(self) -> dict[bytes, SamFact]:
        return {
            known.sam_serial: SamFact(
                sam_serial=known.sam_serial,
                terminal_number=known.terminal_number,
                issuer=ISSUER,
                key_version=1,
                device=known.device,
                operator=known.operator,
                state=SamState.BOUND,
            )
            for known in self.known().values()
        }


def serials(numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
    """0310 9910 and twelve digits, BCD."""
    octets = np.zeros((len(numbers), 10), dtype=np.uint8)
    octets[:, :4] = list(bytes.fromhex("03109910"))
    for place in range(6):
        pair = numbers // 100 ** (5 - place) % 100
        octets[:, 4 + place] = pair // 10 << 4 | pair % 10
    return octets


def day_rows(
    fleet: Fleet, first: int, devices: int, *, cards: int, tariff: Tariff, tacs: Tacs
) -> Iterator[tuple[int, Rows]]:
    """The journals of ``devices`` devices from number ``first``. Taps are numbered through the whole day; a card's are
    ``cards`` apart, so its counter is the tap's number divided by ``cards``."""
    taps_of_device = RECORDS_OF_A_DEVICE // 2
    taps = np.arange(first * taps_of_device, (first + devices) * taps_of_device, dtype=np.int64)
    rows = np.zeros(len(taps), dtype=RECORD_DTYPE)
    place = taps % taps_of_device
    device = taps // taps_of_device
    gate = device % 2 == 1
    seconds = 6 * 3600 + place * (16 * 3600 // taps_of_device)
    rows["version"], rows["kind"], rows["outcome"] = 1, Kind.OUTCOME, Outcome.DONE
    rows["event"] = np.where(gate, np.where(taps % 2 == 0, Event.ENTRY, Event.EXIT), Event.RIDE)
    names = np.array([fleet.name(n) for n in range(first, first + devices)], dtype="S12")
    _put(rows, "device", names[device - first].view(np.uint8).reshape(-1, 12))
    rows["journal_sequence"] = place * 2 + 2
    rows["refers_to"] = place * 2 + 1
    lines = np.array(["B101", "B102", "B201"], dtype="S8")
    line = np.where(gate, np.bytes_("01"), lines[device // 2 % 3]).astype("S8")
    _put(rows, "line", line.view(np.uint8).reshape(-1, 8))
    _put(rows, "place", np.where(gate, np.bytes_("0102"), b"").astype("S12").view(np.uint8).reshape(-1, 12))
    _put(rows, "issuer", np.broadcast_to(np.frombuffer(ISSUER, np.uint8), (len(taps), 8)))
    # Scattered, so that neighbours in a journal are no neighbours in the register.
    _put(rows, "serial", serials(taps % cards * 999_983 % cards + 1))
    rows["city"] = np.frombuffer(b"\x10\x00", "V2")
    rows["card_class"], rows["key_version"], rows["purse"], rows["transaction_type"] = 1, 1, 2, 9
    rows["card_sequence"] = taps // cards
    rows["balance_before_minor"] = 10_000
    _put(rows, "sam_terminal", _terminals(fleet, first, devices)[device - first])
    rows["sam_sequence"] = place
    rows["date"] = np.frombuffer(bytes.fromhex(f"{DAY:%Y%m%d}"), "V4")
    clock = np.stack([seconds // 3600, seconds // 60 % 60, seconds % 60], axis=1)
    _put(rows, "time", (clock // 10 << 4 | clock % 10).astype(np.uint8))
    entered = TransitProcess(entry_time="20260915060000", entry_station=b"0101\x00\x00\x00\x00", month="2609")
    exits = np.flatnonzero(rows["event"] == Event.EXIT)
    rows["capp_before"][exits] = np.frombuffer(TRANSIT_PROCESS.encode(entered), "V128")
    rows["tariff_version"] = tariff.version
    priced = np.flatnonzero(rows["event"] != Event.ENTRY)
    rows["amount_minor"][priced] = Repricer({tariff.version: tariff}).reprice(rows[priced]).total_minor
    rows["tac"] = tacs(rows).astype(">u4").view("V4")
    yield from _with_intents(rows, first, devices)


def _terminals(fleet: Fleet, first: int, devices: int) -> NDArray[np.uint8]:
    raw = b"".join(fleet.terminal(n) for n in range(first, first + devices))
    return np.frombuffer(raw, np.uint8).reshape(-1, 6)


def _put(rows: Rows, name: str, octets: NDArray[np.uint8]) -> None:
    rows[name] = np.ascontiguousarray(octets).view(RECORD_DTYPE[name]).reshape(len(rows))


def _with_intents(outcomes: Rows, first: int, devices: int) -> Iterator[tuple[int, Rows]]:
    both = np.empty(2 * len(outcomes), dtype=RECORD_DTYPE)
    both[1::2] = outcomes
    both[0::2] = outcomes
    intents = both[0::2]
    intents["kind"], intents["outcome"], intents["refers_to"] = Kind.INTENT, Outcome.NONE, 0
    intents["journal_sequence"] -= 1
    intents["tac"] = np.zeros(1, "V4")
    _faults(both)
    for device in range(devices):
        yield first + device, both[device * RECORDS_OF_A_DEVICE : (device + 1) * RECORDS_OF_A_DEVICE]


def _faults(both: Rows) -> None:
    """Every thousandth tap: its outcome unknown, its TAC another's, or its counter its predecessor's."""
    chosen = np.arange(1, len(both), 2 * FAULTS)
    both["outcome"][chosen[0::3]] = Outcome.UNKNOWN
    both["tac"][chosen[1::3]] = np.frombuffer(b"\xde\xad\xbe\xef", "V4")
    repeated = chosen[2::3]
    for record in (repeated, repeated - 1):
        for name in ("issuer", "serial", "card_sequence"):
            both[name][record] = both[name][record - 2]


def write_batches(folder: Path, journals: Iterator[tuple[int, Rows]], fleet: Fleet) -> list[Stretch]:
    found = []
    for number, rows in journals:
        for start in range(0, len(rows), RECORDS_OF_A_BATCH):
            path = folder / f"{fleet.name(number)}-{start // RECORDS_OF_A_BATCH}.batch"
            part = rows[start : start + RECORDS_OF_A_BATCH]
            path.write_bytes(part.tobytes())
            found.append(Stretch(fleet.name(number), start + 1, len(part), path, 0))
    return found
