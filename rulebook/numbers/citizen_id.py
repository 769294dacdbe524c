"""Citizen identification number (GB 11643-1999): region 6 ‖ birth date 8 ‖ order 3 ‖ check character."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum, unique

LENGTH = 18
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"  # by the weighted sum modulo 11: ISO 7064 MOD 11-2


@unique
class Sex(StrEnum):
    """GB/T 2261.1 codes."""

    MALE = "1"
    FEMALE = "2"


class BadCitizenId(ValueError):
    """The text is no citizen id; the message says which rule it breaks."""


@dataclass(frozen=True, slots=True)
class CitizenId:
    """``number`` is all 18 characters. Whether its region exists is ``rulebook.numbers.regions``' question."""

    number: str
    birth_date: date

    @property
    def region(self) -> str:
        """Where the number was first given: six digits of GB/T 2260 as of that day."""
        return self.number[:6]

    @property
    def sex(self) -> Sex:
        return Sex.MALE if int(self.number[16]) % 2 else Sex.FEMALE

    def age_on(self, day: date) -> int:
        """Whole years; somebody born on 29 February has a birthday on 1 March in other years."""
        return day.year - self.birth_date.year - ((day.month, day.day) < (self.birth_date.month, self.birth_date.day))

    def __repr__(self) -> str:
        return f"CitizenId({masked(self.number)})"

    @classmethod
    def parse(cls, text: str) -> CitizenId:
        """Raises ``BadCitizenId``."""
        if len(text) != LENGTH:
            raise BadCitizenId(f"has {len(text)} characters; a citizen id has {LENGTH}")
        body, check = text[:17], text[17]
        if not (body.isascii() and body.isdigit() and check in "0123456789X"):
            raise BadCitizenId("must be 17 digits and then a digit or X")
        try:
            birth_date = date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
        except ValueError as error:
            raise BadCitizenId(f"holds the birth date {text[6:14]}, which is no day of the calendar") from error
        if check != check_character(body):
            raise BadCitizenId("ends with a wrong check character; the number was mistyped")
        return cls(text, birth_date)


def check_character(body: str) -> str:
    """The 18th character for 17 digits."""
    return _CHECKS[sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, body, strict=True)) % 11]


def masked(number: str) -> str:
    """For screens: region's province and the last character only."""
    return f"{number[:2]}{'*' * (len(number) - 3)}{number[-1:]}"
