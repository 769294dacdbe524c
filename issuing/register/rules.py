"""A population file is taken whole or refused whole, with every bad row named.

CSV, UTF-8 (a byte-order mark is allowed), comma, the header line exactly ``COLUMNS``:

``citizen_id``      18 characters, GB 11643
``name``            Chinese name, at most 50 bytes in GB 18030 (EF06 tags 09 and 4E)
``nation``          ethnic group, two digits of GB/T 3304
``birth_place``     six digits of GB/T 2260
``student``         ``yes`` or ``no``: a school has confirmed it
``insured_class``   ``in_service``, ``retired_under_70``, ``retired_70_plus`` or ``none``
``fund``            the medical fund's name, e.g. ``employee-fund``; empty exactly where ``insured_class`` is ``none``
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum, unique

from rulebook.numbers.citizen_id import BadCitizenId, CitizenId
from rulebook.numbers.regions import may_have_existed

COLUMNS = ("citizen_id", "name", "nation", "birth_place", "student", "insured_class", "fund")
NAME_BYTES = 50
ELDER_AGE = 65
OLDEST = 130  # ours: above it the number was mistyped
_SHOWN = 20
FUND_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
# GB/T 3304-1991: 56 groups, 97 others, 98 naturalised.
NATIONS = frozenset(f"{code:02d}" for code in (*range(1, 57), 97, 98))


@unique
class InsuredClass(StrEnum):
    IN_SERVICE = "in_service"
    RETIRED_UNDER_70 = "retired_under_70"
    RETIRED_70_PLUS = "retired_70_plus"
    NONE = "none"


@unique
class RiderClass(StrEnum):
    """docs/doors.md: file 17, card class."""

    ORDINARY = "ordinary"
    STUDENT = "student"
    ELDER = "elder"


@dataclass(frozen=True, slots=True)
class Fault:
    """``row`` counts lines of data from 1; 0 is the header or the file itself."""

    row: int
    field: str
    message: str


class FileRefused(ValueError):
    """The file was not taken; ``faults`` are all of them, in row order."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Entry:
    """One person as the register holds it. Does not show itself: it is a personal datum."""

    citizen: CitizenId
    name: str
    nation: str
    birth_place: str
    student: bool
    insured_class: InsuredClass
    fund: str

    def __repr__(self) -> str:
        return f"Entry({self.citizen!r})"

    def rider_class(self, on: date) -> RiderClass:
        """Elder by age (65, ours) goes before student by evidence."""
        if self.citizen.age_on(on) >= ELDER_AGE:
            return RiderClass.ELDER
        return RiderClass.STUDENT if self.student else RiderClass.ORDINARY

    def to_json(self) -> bytes:
        """What is sealed: canonical, so that equal entries have equal bytes."""
        values = asdict(self) | {"citizen": self.citizen.number}
        return json.dumps(values, ensure_ascii=False, sort_keys=True).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> Entry:
        values = json.loads(raw)
        citizen = CitizenId.parse(values.pop("citizen"))
        return cls(citizen, **values | {"insured_class": InsuredClass(values["insured_class"])})


def parse_file(raw: bytes, *, on: date) -> list[Entry]:
    """Every person of the file, in its order. Raises ``FileRefused`` with every fault; ``on`` is the day of import."""
    rows, faults = _rows(raw)
    entries: list[Entry] = []
    for number, row in enumerate(rows, 1):
        found = [Fault(number, field, message) for field, message in _row_faults(row, on)]
        faults += found
        if not found:
            entries.append(_entry(row))
    faults += _repetitions(rows)
    if faults:
        raise FileRefused(sorted(faults, key=lambda fault: fault.row))
    return entries


def _rows(raw: bytes) -> tuple[list[Mapping[str, str]], list[Fault]]:
    """The rows as far as the file is CSV, and where that ends. Raises ``FileRefused`` for what is no such file at all."""
    try:
        # Only CR and LF end a line, and a quoted one is kept, so that the check of the field sees it.
        reader = csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""), strict=True)
    except UnicodeDecodeError as error:
        raise FileRefused([Fault(0, "file", f"is not UTF-8 at byte {error.start}")]) from error
    rows: list[Mapping[str, str]] = []
    try:
        header = next(reader, None)
        if header is None or tuple(header) != COLUMNS:
            raise FileRefused([Fault(0, "header", f"must be {','.join(COLUMNS)}")])
        for values in reader:
            rows.append(_by_column(values))  # noqa: PERF401 (what stands before a fault is checked, too)
    except csv.Error as error:
        return rows, [Fault(len(rows) + 1, "row", f"is no CSV: {error}; rows after it were not looked at")]
    if not rows:
        raise FileRefused([Fault(0, "file", "holds no person")])
    return rows, []


_EXTRA = "…"


def _by_column(values: Sequence[str]) -> Mapping[str, str]:
    row = dict(zip(COLUMNS, values, strict=False))
    return row if len(values) == len(COLUMNS) else row | {_EXTRA: str(len(values))}


def _row_faults(row: Mapping[str, str], on: date) -> Iterator[tuple[str, str]]:
    if _EXTRA in row:
        yield "row", f"has {row[_EXTRA]} columns; it must have {len(COLUMNS)}"
        return
    for field, check in _CHECKS.items():
        if message := check(row[field]):
            yield field, message
    if (row["insured_class"] == InsuredClass.NONE) != (row["fund"] == ""):
        yield "fund", "must be given for an insured person and empty for insured_class none"
    try:
        citizen = CitizenId.parse(row["citizen_id"])
    except BadCitizenId as error:
        yield "citizen_id", str(error)
    else:
        yield from _citizen_faults(citizen, row["insured_class"], on)


def _citizen_faults(citizen: CitizenId, insured_class: str, on: date) -> Iterator[tuple[str, str]]:
    if not may_have_existed(citizen.region):
        yield "citizen_id", f"begins with {citizen.region}, which is in no region of GB/T 2260"
    if citizen.birth_date > on:
        yield "citizen_id", f"holds the birth date {citizen.birth_date}, which is after {on}"
        return
    if citizen.age_on(on) > OLDEST:
        yield "citizen_id", f"holds the birth date {citizen.birth_date}, more than {OLDEST} years ago"
        return
    if insured_class in _AGES and citizen.age_on(on) not in _AGES[insured_class]:
        yield "insured_class", f"is {insured_class}, which the person's age of {citizen.age_on(on)} does not allow"


_AGES: Mapping[str, range] = {
    InsuredClass.IN_SERVICE: range(16, 200),
    InsuredClass.RETIRED_UNDER_70: range(40, 70),
    InsuredClass.RETIRED_70_PLUS: range(70, 200),
}


def _name_fault(value: str) -> str:
    if not value or value != value.strip():
        return "must not be empty and must not begin or end with a space"
    if not value.isprintable():
        return "holds a character that cannot be printed"
    if (length := len(value.encode("gb18030"))) > NAME_BYTES:
        return f"has {length} bytes in GB 18030; the card has room for {NAME_BYTES}"
    return ""


def _shown(value: str) -> str:
    """A wrong value as far as it helps: a whole row may have slipped into one field."""
    return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "…")


def _one_of(allowed: frozenset[str], words: str) -> Callable[[str], str]:
    return lambda value: "" if value in allowed else f"is {_shown(value)}; it must be {words}"


def _fund_fault(value: str) -> str:
    return (
        ""
        if set(value) <= FUND_CHARACTERS
        else f"is {_shown(value)}; a fund is named by small letters, digits and hyphens"
    )


_CHECKS: Mapping[str, Callable[[str], str]] = {
    "name": _name_fault,
    "nation": _one_of(NATIONS, "two digits of GB/T 3304"),
    "birth_place": lambda value: (
        "" if may_have_existed(value) else f"is {_shown(value)}; it must be six digits of GB/T 2260"
    ),
    "student": _one_of(frozenset({"yes", "no"}), "yes or no"),
    "insured_class": _one_of(frozenset(InsuredClass), "one of " + ", ".join(InsuredClass)),
    "fund": _fund_fault,
}


def _entry(row: Mapping[str, str]) -> Entry:
    return Entry(
        CitizenId.parse(row["citizen_id"]),
        row["name"],
        row["nation"],
        row["birth_place"],
        row["student"] == "yes",
        InsuredClass(row["insured_class"]),
        row["fund"],
    )


def _repetitions(rows: Sequence[Mapping[str, str]]) -> Iterator[Fault]:
    seen: dict[str, list[int]] = defaultdict(list)
    for number, row in enumerate(rows, 1):
        if row.get("citizen_id"):
            seen[row["citizen_id"]].append(number)
    for numbers in seen.values():
        for number in numbers if len(numbers) > 1 else []:
            others = ", ".join(str(other) for other in numbers if other != number)
            yield Fault(number, "citizen_id", f"stands in row {others} too")
