"""Record, version 1: one fixed-length row, big-endian, laid out by one table so that clearing can read it as columns.

The layout is this project's own (no public standard gives a terminal-to-clearing record).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import IntEnum, unique
from typing import Any

VERSION = 1
TRACE_STEPS = 8


class MalformedRecord(ValueError):
    """The bytes, or a field's value, are no record of a known version."""


@unique
class Kind(IntEnum):
    """INTENT is stored before the card moves money, OUTCOME after it, FINDING when somebody later learns the TAC."""

    INTENT = 1
    OUTCOME = 2
    FINDING = 3


@unique
class Event(IntEnum):
    """What happened at the terminal."""

    RIDE = 1  # one tap pays a whole ride (bus)
    ENTRY = 2  # compound purchase of amount 0 that opens a metro trip
    EXIT = 3  # compound purchase that closes and pays it
    LOAD = 4


@unique
class Outcome(IntEnum):
    """NONE on an intent. UNKNOWN: the card left before it answered. VOID: later shown not to have happened."""

    NONE = 0
    DONE = 1
    REFUSED = 2
    UNKNOWN = 3
    VOID = 4


@unique
class Verdict(IntEnum):
    """What the terminal's PSAM said of the card's MAC2."""

    NOT_ASKED = 0
    RIGHT = 1
    WRONG = 2


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the trace of a price: the tariff's rule number and the fen it added (negative: took off)."""

    rule: int
    amount_minor: int


# name, struct code. 's' fields of digits and names are ASCII padded with NUL on the right (see TEXT_FIELDS); others are bytes.
LAYOUT: tuple[tuple[str, str], ...] = (
    ("version", "B"),
    ("kind", "B"),
    ("event", "B"),
    ("outcome", "B"),
    ("device", "12s"),
    ("journal_sequence", "I"),
    ("refers_to", "I"),
    ("line", "8s"),
    ("place", "12s"),
    ("trip", "8s"),
    ("shift", "8s"),
    ("issuer", "8s"),
    ("serial", "10s"),
    ("city", "2s"),
    ("card_class", "B"),
    ("key_version", "B"),
    ("algorithm", "B"),
    ("purse", "B"),
    ("transaction_type", "B"),
    ("amount_minor", "I"),
    ("balance_before_minor", "I"),
    ("card_sequence", "H"),
    ("sam_terminal", "6s"),
    ("sam_sequence", "I"),
    ("date", "4s"),
    ("time", "3s"),
    ("tac", "4s"),
    ("mac2_verdict", "B"),
    ("capp_before", "128s"),
    ("capp_after", "128s"),
    ("tariff_version", "I"),
    ("list_version", "I"),
    ("software_version", "I"),
    ("trace", f"{6 * TRACE_STEPS}s"),
)
TEXT_FIELDS = frozenset({"device", "line", "place", "trip", "shift"})
ENUM_FIELDS: dict[str, type[IntEnum]] = {"kind": Kind, "event": Event, "outcome": Outcome, "mac2_verdict": Verdict}
_STRUCT = struct.Struct(">" + "".join(code for _, code in LAYOUT))
_STEP = struct.Struct(">Hi")
_TEXTS = tuple(place for place, (name, _) in enumerate(LAYOUT) if name in TEXT_FIELDS)
_TRACE = [name for name, _ in LAYOUT].index("trace")
_LENGTHS = {name: int(code[:-1]) for name, code in LAYOUT if code.endswith("s")}
_MAXIMA = {name: {"B": 0xFF, "H": 0xFFFF, "I": 0xFFFFFFFF}[code] for name, code in LAYOUT if code in "BHI"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One row. Amounts are fen; ``card_sequence`` is the off-line sequence of a purchase, the on-line one of a load, as
    INITIALIZE answered it (before the card counts up); ``serial`` is 0x15[10..19]; ``date`` and ``time`` are BCD
    YYYYMMDD and hhmmss as they went into the TAC; ``refers_to`` is the journal sequence of the intent an outcome
    belongs to (0: none); ``capp_before`` and ``capp_after`` are file 1A as read and as cached (128 bytes, or empty);
    ``trip`` numbers the vehicle's run, ``shift`` the driver's. ``sam_sequence`` is the PSAM's terminal transaction
    number; it is not an id. The record's id is (device, journal_sequence)."""

    kind: Kind
    event: Event
    outcome: Outcome = Outcome.NONE
    device: str
    journal_sequence: int
    refers_to: int = 0
    line: str = ""
    place: str = ""
    trip: str = ""
    shift: str = ""
    issuer: bytes
    serial: bytes
    city: bytes = b"\x00\x00"
    card_class: int = 0
    key_version: int
    algorithm: int
    purse: int = 2
    transaction_type: int
    amount_minor: int
    balance_before_minor: int
    card_sequence: int
    sam_terminal: bytes
    sam_sequence: int = 0
    date: bytes
    time: bytes
    tac: bytes = b"\x00\x00\x00\x00"
    mac2_verdict: Verdict = Verdict.NOT_ASKED
    capp_before: bytes = b""
    capp_after: bytes = b""
    tariff_version: int = 0
    list_version: int = 0
    software_version: int = 0
    trace: tuple[Step, ...] = ()
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise MalformedRecord(f"version is {self.version}; this reader knows version {VERSION}")
        for name, length in _LENGTHS.items():
            if name != "trace":
                _check_length(name, getattr(self, name), length)
        for name, maximum in _MAXIMA.items():
            if not 0 <= getattr(self, name) <= maximum:
                raise MalformedRecord(f"{name} is {getattr(self, name)}; it must be 0 to {maximum}")
        if len(self.trace) > TRACE_STEPS:
            raise MalformedRecord(f"trace has {len(self.trace)} steps; a record carries at most {TRACE_STEPS}")

    @property
    def purchase_id(self) -> tuple[bytes, bytes, int, int]:
        """(issuer, application serial, purse, sequence): names the card transaction for ever (loads: on-line sequence)."""
        return (self.issuer, self.serial, self.purse, self.card_sequence)

    def encode(self) -> bytes:
        """``RECORD_LENGTH`` bytes."""
        values = [getter(self) for getter in _GETTERS]
        for place in _TEXTS:
            values[place] = values[place].encode("ascii")
        values[_TRACE] = b"".join(_STEP.pack(step.rule, step.amount_minor) for step in self.trace)
        return _STRUCT.pack(*values)

    @classmethod
    def decode(cls, raw: bytes) -> Record:
        """One row back. Raises ``MalformedRecord``."""
        if len(raw) != RECORD_LENGTH:
            raise MalformedRecord(f"{len(raw)} bytes; a record of version {VERSION} has {RECORD_LENGTH}")
        if raw[0] != VERSION:
            raise MalformedRecord(f"version is {raw[0]}; this reader knows version {VERSION}")
        record = object.__new__(cls)  # what ``__post_init__`` asks for is so by the form, or checked by a reader
        for set_field, read, value in zip(_SETTERS, _READERS, _STRUCT.unpack(raw), strict=True):
            set_field(record, value if read is None else read(value))
        return record


RECORD_LENGTH = _STRUCT.size


def _check_length(name: str, value: str | bytes, length: int) -> None:
    if name in TEXT_FIELDS:
        if not (isinstance(value, str) and value.isascii() and len(value) <= length and "\x00" not in value):
            raise MalformedRecord(f"{name} is {value!r}; it must be at most {length} ASCII characters")
    elif name in ("capp_before", "capp_after"):
        if len(value) not in (0, length):
            raise MalformedRecord(f"{name} has {len(value)} bytes; it must be empty or {length}")
    elif len(value) != length:
        raise MalformedRecord(f"{name} has {len(value)} bytes; it must have {length}")


def _text(name: str) -> Callable[[bytes], str]:
    def read(raw: bytes) -> str:
        stripped = raw.rstrip(b"\x00")
        if not stripped.isascii():
            raise MalformedRecord(f"{name} is not ASCII")
        if b"\x00" in stripped:
            raise MalformedRecord(f"{name} is {stripped!r}; a NUL may only fill up its end")
        return stripped.decode("ascii")

    return read


def _meaning(name: str, meanings: type[IntEnum]) -> Callable[[int], IntEnum]:
    known = {int(meaning): meaning for meaning in meanings}

    def read(value: int) -> IntEnum:
        try:
            return known[value]
        except KeyError:
            raise MalformedRecord(f"{name} is {value}, which has no meaning") from None

    return read


def _file_1a(raw: bytes) -> bytes:
    return raw if any(raw) else b""


def _trace(raw: bytes) -> tuple[Step, ...]:
    """Steps after the last that says anything are not there."""
    used = -(-len(raw.rstrip(b"\x00")) // _STEP.size) * _STEP.size
    return tuple(Step(rule, amount_minor) for rule, amount_minor in _STEP.iter_unpack(raw[:used]))


_READ: dict[str, Callable[[Any], Any]] = {
    **{name: _text(name) for name in TEXT_FIELDS},
    **{name: _meaning(name, meanings) for name, meanings in ENUM_FIELDS.items()},
    "capp_before": _file_1a,
    "capp_after": _file_1a,
    "trace": _trace,
}
_READERS = tuple(_READ.get(name) for name, _ in LAYOUT)
_SETTERS = tuple(getattr(Record, name).__set__ for name, _ in LAYOUT)
_GETTERS = tuple(getattr(Record, name).__get__ for name, _ in LAYOUT)

assert {field.name for field in fields(Record)} == {name for name, _ in LAYOUT}
