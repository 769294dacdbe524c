"""The demonstration city's terminals and cards in any number: the same operators, lines, stations and tariff as ``places``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from clearing.verification.context import KnownDevice
from rulebook.messages.devices import DeviceKind
from rulebook.messages.facts import SamFact, SamState
from rulebook.tariff import RiderClass
from rulebook.tariff.demonstration import demonstration_document
from simulator.city.places import AGENT, BUS_LINES, ISSUER, METRO_STATIONS

TAPS_OF_A_DEVICE = 700
"""About, on a day; the number of vehicles and gates follows from it."""

RIDER_SHARES = {RiderClass.ORDINARY: 0.70, RiderClass.STUDENT: 0.18, RiderClass.ELDER: 0.12}
"""As the age bands of ``people`` make them."""

STATION_CODES = 4 * METRO_STATIONS


@dataclass(frozen=True, slots=True)
class Extent:
    """How large the city is: cards, and taps of the day (a metro ride is two)."""

    cards: int
    taps: int


@dataclass(frozen=True, slots=True)
class Device:
    """A terminal: ``place`` as the record names it, ``line`` empty at gates and desks."""

    name: str
    kind: DeviceKind
    operator: str
    line: str
    place: str
    terminal: bytes
    sam_serial: bytes

    def sam_fact(self) -> SamFact:
        return SamFact(
            sam_serial=self.sam_serial,
            terminal_number=self.terminal,
            issuer=ISSUER,
            key_version=1,
            device=self.name,
            operator=self.operator,
            state=SamState.BOUND,
        )

    def signing_key(self, seed: int) -> Ed25519PrivateKey:
        """The device's own, from the seed: a real one asks its operating system."""
        return Ed25519PrivateKey.from_private_bytes(Random(f"{seed}:{self.name}").randbytes(32))


@dataclass(frozen=True)
class Town:
    """Devices in a fixed order: vehicles line by line, gates station by station, top-up desks."""

    extent: Extent
    seed: int

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Operator and line."""
        return [(operator, line) for operator, lines in BUS_LINES.items() for line in lines]

    @cached_property
    def stations(self) -> list[str]:
        codes = sorted({section["from_station"] for section in demonstration_document()["sections"]})
        return sorted(Random(f"{self.seed}:stations").sample(codes, STATION_CODES))

    @property
    def vehicles_of_a_line(self) -> int:
        return max(3, self.extent.taps * 2 // 5 // len(self.lines) // TAPS_OF_A_DEVICE)

    @property
    def gates_of_a_station(self) -> int:
        return max(1, self.extent.taps * 3 // 5 // STATION_CODES // TAPS_OF_A_DEVICE)

    @property
    def vehicles(self) -> int:
        return self.vehicles_of_a_line * len(self.lines)

    @property
    def gates(self) -> int:
        return self.gates_of_a_station * STATION_CODES

    @property
    def desks(self) -> int:
        return max(2, self.extent.cards // 20_000)

    @cached_property
    def devices(self) -> list[Device]:
        names = [
            (f"{line}-{number:05}", DeviceKind.VALIDATOR, operator, line, f"{line}-{number:05}")
            for operator, line in self.lines
            for number in range(1, self.vehicles_of_a_line + 1)
        ]
        names += [
            (f"G{station}-{number:05}", DeviceKind.GATE, "metro", "", station)
            for station in self.stations
            for number in range(1, self.gates_of_a_station + 1)
        ]
        names += [(f"TOPUP-{n:05}", DeviceKind.TOPUP, AGENT, "", f"TOPUP-{n:05}") for n in range(1, self.desks + 1)]
        return [
            Device(*name, bytes.fromhex(f"9910{number:08}"), bytes.fromhex(f"99{number:018}"))
            for number, name in enumerate(names, 1)
        ]

    @property
    def first_gate(self) -> int:
        return self.vehicles

    @property
    def first_desk(self) -> int:
        return self.vehicles + self.gates

    def known_devices(self) -> dict[str, KnownDevice]:
        """As clearing's device register has them."""
        return {d.name: KnownDevice(d.name, d.kind, d.operator, d.sam_serial, d.terminal) for d in self.devices}

    def sams(self) -> dict[bytes, SamFact]:
        """As issuing's feed tells of them."""
        return {device.sam_serial: device.sam_fact() for device in self.devices}

    def card_ids(self) -> NDArray[np.void]:
        """Issuer id ‖ application serial of every card."""
        return card_ids(np.arange(self.extent.cards))

    @cached_property
    def rider_classes(self) -> NDArray[np.uint8]:
        """Of each card its place in ``RiderClass``."""
        shares = [RIDER_SHARES[one] for one in RiderClass]
        drawn = np.random.default_rng([self.seed, 1]).choice(len(shares), self.extent.cards, p=shares)
        return drawn.astype(np.uint8)


def serials(numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Application serials: 0310 9910 and twelve digits, BCD, a row of 10 bytes for each card's number (from 0)."""
    octets = np.zeros((len(numbers), 10), dtype=np.uint8)
    octets[:, :4] = list(bytes.fromhex("03109910"))
    for place in range(6):
        pair = (numbers + 1) // 100 ** (5 - place) % 100
        octets[:, 4 + place] = pair // 10 << 4 | pair % 10
    return octets


def card_ids(numbers: NDArray[np.int64]) -> NDArray[np.void]:
    """Issuer id ‖ application serial of each, 18 bytes."""
    ids = np.empty((len(numbers), 18), dtype=np.uint8)
    ids[:, :8] = np.frombuffer(ISSUER, np.uint8)
    ids[:, 8:] = serials(numbers)
    return ids.reshape(-1).view("V18")


def texts(values: Sequence[str], length: int) -> NDArray[np.uint8]:
    """ASCII, NUL padded: a row of ``length`` bytes for each."""
    return np.array([value.encode("ascii") for value in values], dtype=f"S{length}").view(np.uint8).reshape(-1, length)
