"""Where the demonstration city's terminals stand (ours): two bus operators, metro stations, top-up desks, hospitals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from rulebook.messages.devices import DeviceKind

DAY = date(2026, 9, 15)  # a Tuesday and a working day
ISSUER = bytes.fromhex("01991000FFFFFFFF")
CITY = "1000"  # UnionPay region code of files 17 and 1E
REGION = "110000"
FUND = "employee-fund"
# 8 bytes in files 1A and 1E, ours like the issuer's.
INSTITUTIONS = {
    "bus-a": bytes.fromhex("01991001FFFFFFFF"),
    "bus-b": bytes.fromhex("01991002FFFFFFFF"),
    "metro": bytes.fromhex("01991003FFFFFFFF"),
}
BUS_LINES = {"bus-a": ("B101", "B102"), "bus-b": ("B201", "B202")}
VEHICLES_A_LINE = 3
# 苹果园, 公主坟, 复兴门 and so on would do as well; spread over the network so that all tiers and an early-bird station occur.
METRO_STATIONS = 16
HOSPITALS = ("hospital-1", "hospital-2")
AGENT = "agent-1"
TOPUP_DESKS = 2


@dataclass(frozen=True, slots=True)
class Place:
    """A terminal to be: what staff announces to clearing before the device enrols."""

    device: str
    kind: DeviceKind
    operator: str
    line: str
    place: str


def places(station_codes: tuple[str, ...]) -> tuple[Place, ...]:
    """All terminals of the city; gates stand at ``station_codes``."""
    return (*_buses(), *map(_gate, station_codes), *_desks(), *map(_hospital, HOSPITALS))


def _buses() -> tuple[Place, ...]:
    return tuple(
        Place(f"{line}-{number:02d}", DeviceKind.VALIDATOR, operator, line, f"{line}-{number:02d}")
        for operator, lines in BUS_LINES.items()
        for line in lines
        for number in range(1, VEHICLES_A_LINE + 1)
    )


def _gate(station: str) -> Place:
    return Place(f"GATE-{station}", DeviceKind.GATE, "metro", "", station)


def _desks() -> tuple[Place, ...]:
    return tuple(
        Place(f"TOPUP-{number:02d}", DeviceKind.TOPUP, AGENT, "", f"TOPUP-{number:02d}")
        for number in range(1, TOPUP_DESKS + 1)
    )


def _hospital(name: str) -> Place:
    return Place(f"HOSP-{name[-1]}-01", DeviceKind.HOSPITAL, name, "", f"{name}-desk-1")
