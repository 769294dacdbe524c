"""The T-Union transit application (JT/T 978 as restated in standards.md §4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum, unique
from zlib import crc32

from card_os.profile.access import Level
from card_os.profile.codecs import Field, Kind, Layout
from card_os.profile.files import Access, ApplicationSpec, FileSpec, KeySpec, KeyType, PinSpec, PurseSpec, Structure
from card_os.wire import identifiers as names

KEY_TRIES = 5  # ours: wrong authentications in a row until a key blocks
PIN_TRIES = 3
PURSE_LIMIT_MINOR = 100_000  # ours: 1,000 yuan, the limit of the demonstration's product
TRANSIT_RECORD_ID = 0x2701


@unique
class CardClass(IntEnum):
    """0x17 byte 10 (standards.md §4.4); foreign cards may carry other values, so the codec keeps the number."""

    ORDINARY = 0x01
    STUDENT = 0x02
    ELDER = 0x03
    TEST = 0x04
    SOLDIER = 0x05


@unique
class TransitState(IntEnum):
    """0x1A byte 14."""

    INITIAL = 0x00
    ENTERED = 0x01
    EXITED = 0x02
    UPDATED_AT_ENTRY = 0x03
    UPDATED_AT_EXIT = 0x04


@unique
class TripType(IntEnum):
    """0x1E byte 0. 06 appears for single rides as well."""

    SINGLE = 0x02
    ENTRY = 0x03
    EXIT = 0x04
    SINGLE_PURCHASE = 0x06


@unique
class Industry(IntEnum):
    """0x1E byte 9."""

    OTHER = 0x00
    METRO = 0x01
    BUS = 0x02


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicApplication:
    """0015. Dates are YYYYMMDD digits, ``serial`` 20 digits."""

    issuer: bytes
    application_type: int
    version: int
    serial: str
    valid_from: str
    valid_to: str
    card_type: bytes = b"\x00\x00"

    @property
    def pan(self) -> str:
        """The card number shown to people: 19 digits."""
        return self.serial[1:] if self.serial.startswith("0") else self.serial

    @property
    def serial_factor(self) -> bytes:
        """The last 8 bytes of the serial: the card's diversification factor."""
        return bytes.fromhex(self.serial)[-8:]

    @property
    def city(self) -> str:
        return self.issuer[2:4].hex().upper()


PUBLIC_APPLICATION = Layout(
    PublicApplication,
    (
        Field("issuer", 8, Kind.RAW),
        Field("application_type", 1, Kind.NUMBER),
        Field("version", 1, Kind.NUMBER),
        Field("serial", 10, Kind.DIGITS),
        Field("valid_from", 4, Kind.DIGITS),
        Field("valid_to", 4, Kind.DIGITS),
        Field("card_type", 2, Kind.RAW),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardHolder:
    """0016."""

    identity_type: int
    staff: int
    name: str
    certificate_number: str
    certificate_type: int


CARD_HOLDER = Layout(
    CardHolder,
    (
        Field("identity_type", 1, Kind.NUMBER),
        Field("staff", 1, Kind.NUMBER),
        Field("name", 20, Kind.TEXT),
        Field("certificate_number", 32, Kind.TEXT),
        Field("certificate_type", 1, Kind.NUMBER),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Management:
    """0017. ``interoperability`` "0001" = the card works in other cities."""

    international: str = "00000156"
    province: str
    city: str
    interoperability: str = "0001"
    card_class: int
    reserved: bytes = bytes(49)


MANAGEMENT = Layout(
    Management,
    (
        Field("international", 4, Kind.DIGITS),
        Field("province", 2, Kind.DIGITS),
        Field("city", 2, Kind.DIGITS),
        Field("interoperability", 2, Kind.DIGITS),
        Field("card_class", 1, Kind.NUMBER),
        Field("reserved", 49, Kind.RAW),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """0018: one load or purchase. ``type`` as ``crypto.purse.TransactionType``."""

    sequence: int
    overdraft_minor: int = 0
    amount_minor: int
    type: int
    terminal: bytes
    date: str
    time: str


LOG_RECORD = Layout(
    LogRecord,
    (
        Field("sequence", 2, Kind.NUMBER),
        Field("overdraft_minor", 3, Kind.NUMBER),
        Field("amount_minor", 4, Kind.NUMBER),
        Field("type", 1, Kind.NUMBER),
        Field("terminal", 6, Kind.RAW),
        Field("date", 4, Kind.DIGITS),
        Field("time", 3, Kind.DIGITS),
    ),
)

_EMPTY8 = bytes(8)
_NO_TIME = "0" * 14


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitProcess:
    """001A record 1: the open or last metro trip. Times are YYYYMMDDhhmmss digits; devices hold a 6-byte terminal id left
    aligned; amounts are fen. From byte 99 on one city's use is known [U]: ``last_time`` to ``daily_count``, five bytes of
    transfer data, ``flags``, ``closing_state`` and ``crc``. Our terminals leave those as zero but for the transfer data,
    in which ``month`` and ``month_paid_minor`` are ours, and the ``crc`` (``sealed``)."""

    record_id: int = TRANSIT_RECORD_ID
    length: int = 0x7D
    lock: int = 0
    reserved: bytes = bytes(2)
    transaction_number: bytes = _EMPTY8
    state: int = TransitState.INITIAL
    entry_city: str = "0000"
    exit_city: str = "0000"
    entry_institution: bytes = _EMPTY8
    exit_institution: bytes = _EMPTY8
    entry_station: bytes = _EMPTY8
    exit_station: bytes = _EMPTY8
    entry_device: bytes = _EMPTY8
    exit_device: bytes = _EMPTY8
    entry_time: str = _NO_TIME
    exit_time: str = _NO_TIME
    label_fare_minor: int = 0
    entry_line: int = 0
    exit_line: int = 0
    entry_amount_minor: int = 0
    entry_balance_minor: int = 0
    exit_amount_minor: int = 0
    last_time: str = _NO_TIME
    last_terminal: bytes = bytes(4)
    daily_total_minor: int = 0
    daily_count: int = 0
    month: str = "0000"
    month_paid_minor: int = 0
    flags: bytes = bytes(2)
    closing_state: bytes = bytes(2)
    crc: int = 0


TRANSIT_PROCESS = Layout(
    TransitProcess,
    (
        Field("record_id", 2, Kind.NUMBER),
        Field("length", 1, Kind.NUMBER),
        Field("lock", 1, Kind.NUMBER),
        Field("reserved", 2, Kind.RAW),
        Field("transaction_number", 8, Kind.RAW),
        Field("state", 1, Kind.NUMBER),
        Field("entry_city", 2, Kind.DIGITS),
        Field("exit_city", 2, Kind.DIGITS),
        Field("entry_institution", 8, Kind.RAW),
        Field("exit_institution", 8, Kind.RAW),
        Field("entry_station", 8, Kind.RAW),
        Field("exit_station", 8, Kind.RAW),
        Field("entry_device", 8, Kind.RAW),
        Field("exit_device", 8, Kind.RAW),
        Field("entry_time", 7, Kind.DIGITS),
        Field("exit_time", 7, Kind.DIGITS),
        Field("label_fare_minor", 4, Kind.NUMBER),
        Field("entry_line", 1, Kind.NUMBER),
        Field("exit_line", 1, Kind.NUMBER),
        Field("entry_amount_minor", 4, Kind.NUMBER),
        Field("entry_balance_minor", 4, Kind.NUMBER),
        Field("exit_amount_minor", 4, Kind.NUMBER),
        Field("last_time", 7, Kind.DIGITS),
        Field("last_terminal", 4, Kind.RAW),
        Field("daily_total_minor", 3, Kind.NUMBER),
        Field("daily_count", 2, Kind.NUMBER),
        Field("month", 2, Kind.DIGITS),
        Field("month_paid_minor", 3, Kind.NUMBER),
        Field("flags", 2, Kind.RAW),
        Field("closing_state", 2, Kind.RAW),
        Field("crc", 4, Kind.NUMBER),
    ),
)
_CHECKED = slice(6, 124)


def checksum(record: bytes) -> int:
    """CRC-32 over bytes 6..123 of a 001A record. The source names it and its range only (standards.md §4.5 [U]); polynomial
    04C11DB7 in its reflected form (IEEE 802.3, ``zlib.crc32``) is ours."""
    return crc32(record[_CHECKED])


def sealed(process: TransitProcess) -> bytes:
    """The record with its CRC, as a terminal writes it."""
    record = TRANSIT_PROCESS.encode(process)
    return TRANSIT_PROCESS.encode(replace(process, crc=checksum(record)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TripRecord:
    """001E: one ride, entry or exit. ``terminal`` is the 6-byte id, right aligned in its 8 bytes as in the published sample
    (another operator aligns left, standards.md §8.5); ``place`` is the operator's line and station; time YYYYMMDDhhmmss."""

    type: int
    terminal_fill: bytes = bytes(2)
    terminal: bytes
    industry: int
    place: bytes = bytes(7)
    amount_minor: int
    balance_minor: int
    time: str
    city: str
    institution: bytes
    reserved: bytes = bytes(6)


TRIP_RECORD = Layout(
    TripRecord,
    (
        Field("type", 1, Kind.NUMBER),
        Field("terminal_fill", 2, Kind.RAW),
        Field("terminal", 6, Kind.RAW),
        Field("industry", 1, Kind.NUMBER),
        Field("place", 7, Kind.RAW),
        Field("amount_minor", 4, Kind.NUMBER),
        Field("balance_minor", 4, Kind.NUMBER),
        Field("time", 7, Kind.DIGITS),
        Field("city", 2, Kind.DIGITS),
        Field("institution", 8, Kind.RAW),
        Field("reserved", 6, Kind.RAW),
    ),
)

_PUBLIC = Access(Level.FREE, Level.APPLICATION)

TRANSIT = ApplicationSpec(
    name=names.TRANSIT_AID,
    label="MOT_T_EP",  # readers look for it in the PPSE (standards.md §4.9, ucr)
    fid=names.TRANSIT_DF,
    files=(
        FileSpec(
            name="public application information",
            fid=0x0015,
            structure=Structure.TRANSPARENT,
            size=30,
            access=_PUBLIC,
            codec=PUBLIC_APPLICATION,
            clause="standards.md §4.2",
        ),
        FileSpec(
            name="cardholder",
            fid=0x0016,
            structure=Structure.TRANSPARENT,
            size=55,
            # Ours: name and citizen id are not for every reader on the street; the PIN or the issuer opens them.
            access=Access(Level.PIN, Level.APPLICATION),
            codec=CARD_HOLDER,
            clause="standards.md §4.3",
        ),
        FileSpec(
            name="management",
            fid=0x0017,
            structure=Structure.TRANSPARENT,
            size=60,
            access=_PUBLIC,
            codec=MANAGEMENT,
            clause="standards.md §4.4",
        ),
        FileSpec(
            name="transaction log",
            fid=0x0018,
            structure=Structure.CYCLIC,
            size=23,
            count=10,
            access=Access(Level.FREE, Level.NEVER),
            codec=LOG_RECORD,
            clause="standards.md §4.1",
        ),
        FileSpec(
            name="transit process",
            fid=0x001A,
            structure=Structure.VARIABLE,
            size=256,
            access=_PUBLIC,
            codec=TRANSIT_PROCESS,
            clause="standards.md §4.5",
        ),
        FileSpec(
            name="trip log",
            fid=0x001E,
            structure=Structure.CYCLIC,
            size=48,
            count=30,
            access=_PUBLIC,
            codec=TRIP_RECORD,
            clause="standards.md §4.6",
        ),
    ),
    purse=PurseSpec(fid=names.PURSE_FILE, load=Level.PIN, log_sfi=names.SFI_LOG, limit_minor=PURSE_LIMIT_MINOR),
    keys=(
        KeySpec(label="maintenance", type=KeyType.LINE_PROTECTION, id=0, tries=KEY_TRIES),
        KeySpec(
            label="application",
            type=KeyType.EXTERNAL,
            id=names.KEY_APPLICATION,
            next_state=Level.APPLICATION,
            tries=KEY_TRIES,
        ),
        KeySpec(label="purchase", type=KeyType.PURCHASE, id=names.KEY_PURCHASE),
        KeySpec(label="load", type=KeyType.LOAD, id=names.KEY_LOAD),
        KeySpec(label="tac", type=KeyType.TAC_OR_INTERNAL, id=0),
        KeySpec(label="pin-unblock", type=KeyType.PIN_UNBLOCK, id=0, tries=KEY_TRIES),
        KeySpec(label="pin-reload", type=KeyType.PIN_RELOAD, id=0, tries=KEY_TRIES),
    ),
    pins=(PinSpec(id=names.PIN, tries=PIN_TRIES),),
)
