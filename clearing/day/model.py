"""What a day is computed from, and where its rows lie."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from clearing.day.entries import Reading
from clearing.day.fares import Pricer
from clearing.day.schema import Columns
from clearing.facts.rules import DenyList
from clearing.intake.rules import Range
from clearing.verification.context import KnownDevice, KnownLoad, Policy, Settled, TransactionId
from rulebook.messages.facts import SamFact
from rulebook.record.columns import RECORD_DTYPE, Rows
from rulebook.tariff import Tariff


@dataclass(frozen=True, slots=True, order=True)
class Stretch:
    """Records ``first`` to ``first + count - 1`` of a device's journal, one after the other from ``offset`` of a file that
    never changes."""

    device: str
    first: int
    count: int
    path: Path
    offset: int

    def read_into(self, rows: Rows) -> None:
        """``rows``: ``count``, contiguous. Raises ``EOFError`` where the file is shorter."""
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.offset)
            if file.readinto(rows.view(np.uint8)) != rows.nbytes:  # type: ignore[arg-type]
                raise EOFError(f"{self.path} ends before record {self.first + self.count - 1} of {self.device}")


class Journals:
    """Single records found again by (device, journal sequence)."""

    def __init__(self, stretches: Iterable[Stretch]) -> None:
        self._of_device: dict[str, list[Stretch]] = {}
        for stretch in sorted(stretches):
            self._of_device.setdefault(stretch.device, []).append(stretch)

    def raw(self, device: str, sequence: int) -> bytes:
        """Raises ``LookupError``. Stretches may overlap: what they say of one record is the same."""
        stretches = self._of_device.get(device, [])
        for stretch in reversed(stretches[: bisect_right(stretches, sequence, key=lambda s: s.first)]):
            if sequence < stretch.first + stretch.count:
                at = stretch.offset + (sequence - stretch.first) * RECORD_DTYPE.itemsize
                with stretch.path.open("rb", buffering=0) as file:
                    file.seek(at)
                    return file.read(RECORD_DTYPE.itemsize)
        raise LookupError(f"record {sequence} of {device} is in no stretch")


class Register(Protocol):
    """What lies by bucket of the card."""

    def cards(self, bucket: int) -> pa.Table:
        """``CARDS``: the card register's."""
        ...

    def counters(self, bucket: int) -> Columns:
        """``counters.COUNTER``, in its order: what the window before left."""
        ...


CARDS = pa.schema(
    [
        ("card", pa.binary(18)),
        ("card_key_version", pa.int16()),
        ("rider_class", pa.string()),
        ("valid_from", pa.int32()),  # days since 1970
        ("valid_to", pa.int32()),
    ]
)


class History(Protocol):
    """Card transactions that earlier windows posted."""

    def settled(self, ids: Iterable[TransactionId]) -> Mapping[TransactionId, Settled]: ...


@dataclass(frozen=True, slots=True)
class DayInputs:
    """``journals``: what came in this window, in any order, repeats included; ``waiting``: records that the window before left
    suspended. ``covered``: journal sequences that came before the window opened. ``held``: fen on "open taps"; ``decided``: all
    that two people ever decided about open taps, whether it was released. ``shares_rides``: operators have agreed to, so rides
    between stations are counted."""

    number: int
    business_day: date
    policy: Policy
    journals: tuple[Stretch, ...]
    devices: Mapping[str, KnownDevice]
    sams: Mapping[bytes, SamFact]
    deny: DenyList
    tariffs: Mapping[int, Tariff]
    register: Register
    history: History
    waiting: tuple[Stretch, ...] = ()
    covered: Mapping[str, tuple[Range, ...]] = field(default_factory=dict)
    shares_rides: bool = False
    loads: Mapping[TransactionId, KnownLoad] = field(default_factory=dict)
    held: Mapping[TransactionId, int] = field(default_factory=dict)
    decided: Mapping[TransactionId, bool] = field(default_factory=dict)


class Day:
    """A window's inputs with the numbers that devices and operators have in its columns: their places in order of names."""

    def __init__(self, inputs: DayInputs) -> None:
        self.inputs = inputs
        self.devices = sorted({stretch.device for stretch in (*inputs.journals, *inputs.waiting)})
        self.operators = sorted({device.operator for device in inputs.devices.values()})
        self.device_numbers = {name: number for number, name in enumerate(self.devices)}
        self.operator_numbers = {name: number for number, name in enumerate(self.operators)}
        self._of_thread = threading.local()

    @property
    def reading(self) -> Reading:
        """Of this thread alone: a ``Pricer`` learns as it goes."""
        if not hasattr(self._of_thread, "reading"):
            inputs = self.inputs
            pricer = Pricer(inputs.tariffs)
            self._of_thread.reading = Reading(
                inputs.business_day, inputs.policy.calendar.cut_off, pricer, inputs.shares_rides
            )
        reading: Reading = self._of_thread.reading
        return reading

    def operator_of(self, device: int) -> str:
        """Empty for a device that is not enrolled."""
        known = self.inputs.devices.get(self.devices[device])
        return known.operator if known else ""
