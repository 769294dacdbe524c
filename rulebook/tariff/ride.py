"""What is priced: one ride, as the card and the terminal know it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique


@unique
class RiderClass(StrEnum):
    """Who pays. On the card one byte, file 17 (docs/doors.md, "Demonstration identifiers")."""

    ORDINARY = "ordinary"
    STUDENT = "student"
    ELDER = "elder"

    @classmethod
    def of_code(cls, code: int) -> RiderClass:
        """The class of a card's byte. Bytes without a tariff of their own (04 test, 05 soldier, other cities') ride
        at the ordinary fare."""
        return _CODES.get(code, cls.ORDINARY)


_CODES = {1: RiderClass.ORDINARY, 2: RiderClass.STUDENT, 3: RiderClass.ELDER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ride:
    """On a flat-fare line only ``line`` counts and ``entry`` and ``exit`` stay empty; in a network of stations
    ``entry`` and ``exit`` are station codes and ``line`` may be empty. ``entered_at`` is the tap that opened the ride,
    ``charged_at`` the one that pays it; both with a time zone."""

    line: str = ""
    entry: str = ""
    exit: str = ""
    entered_at: datetime
    charged_at: datetime
    rider_class: RiderClass

    def __post_init__(self) -> None:
        for name in ("entered_at", "charged_at"):
            if getattr(self, name).tzinfo is None:
                raise ValueError(f"{name} has no time zone; give rulebook.calendar.BUSINESS_ZONE")
        if bool(self.entry) is not bool(self.exit):
            raise ValueError("a ride between stations names both entry and exit")
        if not (self.line or self.entry):
            raise ValueError("a ride names a line or two stations")
