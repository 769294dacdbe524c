"""What any T-Union or social-security card tells a reader without a key (standards.md §4, §5).

Foreign cards leave files out, carry longer or shorter records and answer other variants of GET BALANCE: whatever cannot
be read is None or missing here, and never an error. Only ``CardGone`` goes through.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from card_os.profile.access import Level
from card_os.profile.codecs import Layout, MalformedFile, RecordSet
from card_os.profile.files import ApplicationSpec
from card_os.profile.social_areas import SOCIAL_AREAS
from card_os.profile.social_security import SOCIAL_HOLDER, SOCIAL_ISSUER
from card_os.profile.transit import (
    LOG_RECORD,
    MANAGEMENT,
    PUBLIC_APPLICATION,
    TRANSIT_PROCESS,
    TRIP_RECORD,
    LogRecord,
    Management,
    PublicApplication,
    TransitProcess,
    TripRecord,
)
from card_os.wire import commands, tlv
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu
from card_os.wire.dialogue import Dialogue, ToCard

T = TypeVar("T")

PPSE = b"2PAY.SYS.DDF01"
TRANSIT_LABEL = b"MOT_T_EP"  # the label of the T-Union purse in a PPSE (standards.md §4.9, ucr)
TRANSIT_RID = names.TRANSIT_AID[:5]

# Through which byte a file or record must reach to be worth showing; what it lacks behind reads as zero.
PUBLIC_LEAST = 28  # … expiry date
MANAGEMENT_LEAST = 11  # … card class
TRIP_LEAST = 32  # … time

_READ = frozenset({0x9000, 0x6281, 0x6282, 0x6283})  # data came, perhaps shorter or from a blocked application
_BALANCE_BITS = 0x7FFFFFFF  # the top bit can be set and is no part of the value (standards.md §1.2)
_TOTAL, _OVERDRAFT_LIMIT, _ACTUAL = 0, 1, 3  # P1 of GET BALANCE
_LOG_RECORDS = 10
_TRIP_RECORDS = 30
_SOCIAL_RECORDS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitContents:
    """The transit application. ``log`` and ``trips`` newest first; ``balance_minor`` fen, below zero with an overdraft used."""

    aid: bytes
    public: PublicApplication | None
    management: Management | None
    balance_minor: int | None
    log: tuple[LogRecord, ...]
    process: TransitProcess | None
    trips: tuple[TripRecord, ...]


@dataclass(frozen=True, slots=True)
class SocialContents:
    """The social-security application: field names of ``SocialIssuer`` and ``SocialHolder`` to what the card says, as far
    as it is free to read."""

    issuer: dict[str, Any]
    holder: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AreaContents:
    """A social-security area: what its freely readable files hold, by the profile's names, without the zeros behind it. How
    they are laid out is not public."""

    fid: int
    files: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class CardContents:
    """None where the card has no such application; ``areas`` those of DF01 to DF07 that it has and that are free to read."""

    transit: TransitContents | None
    social: SocialContents | None
    areas: tuple[AreaContents, ...] = ()


def read_card() -> Dialogue[CardContents]:
    """Reads everything that needs no key or PIN. Changes nothing on the card but which application is selected."""
    transit = yield from _read_transit()
    social = yield from _read_social()
    areas = []
    for area in SOCIAL_AREAS:
        if any(file.access.read is Level.FREE for file in area.files):
            areas += yield from _read_area(area)
    return CardContents(transit, social, tuple(areas))


def _read_area(area: ApplicationSpec) -> Dialogue[list[AreaContents]]:
    """None or one."""
    if (yield from _ask(commands.select_name(area.name))) is None:
        return []
    files = {}
    for file in area.files:
        if file.access.read is Level.FREE:
            content = yield from _binary(file.sfi, 1)
            files[file.name] = (content or b"").rstrip(b"\x00")
    return [AreaContents(area.fid, files)]


def _read_transit() -> Dialogue[TransitContents | None]:
    selected = yield from _select_transit()
    if selected is None:
        return None
    aid, fci = selected
    return TransitContents(
        aid=aid,
        public=(yield from _public(fci)),
        management=_decoded(MANAGEMENT, (yield from _binary(names.SFI_MANAGEMENT, MANAGEMENT_LEAST)), MANAGEMENT_LEAST),
        balance_minor=(yield from _balance()),
        log=(yield from _records(names.SFI_LOG, LOG_RECORD, LOG_RECORD.length, _LOG_RECORDS)),
        process=_decoded(
            TRANSIT_PROCESS,
            (yield from _record(names.SFI_TRANSIT_PROCESS, 1, TRANSIT_PROCESS.length)),
            TRANSIT_PROCESS.length,
        ),
        trips=(yield from _records(names.SFI_TRIP_LOG, TRIP_RECORD, TRIP_LEAST, _TRIP_RECORDS)),
    )


def _select_transit() -> Dialogue[tuple[bytes, bytes] | None]:
    """AID and FCI of the first transit application there is: the well-known name, else what the PPSE lists."""
    fci = yield from _ask(commands.select_name(names.TRANSIT_AID))
    if fci is not None:
        return names.TRANSIT_AID, fci
    directory = yield from _ask(commands.select_name(PPSE))
    for aid in _listed_aids(directory or b""):
        fci = yield from _ask(commands.select_name(aid))
        if fci is not None:
            return aid, fci
    return None


def _listed_aids(fci: bytes) -> tuple[bytes, ...]:
    """Transit AIDs of a PPSE's FCI: 6F / A5 / BF0C / 61 {4F AID, 50 label}."""
    try:
        entries = [item.value for item in tlv.parse(tlv.find(fci, 0x6F, 0xA5, 0xBF0C) or b"") if item.tag == 0x61]
        listed = [(tlv.find(entry, 0x4F) or b"", tlv.find(entry, 0x50) or b"") for entry in entries]
    except tlv.MalformedTlv:
        return ()
    return tuple(aid for aid, label in listed if aid and (aid.startswith(TRANSIT_RID) or TRANSIT_LABEL in label))


def _public(fci: bytes) -> Dialogue[PublicApplication | None]:
    """File 15: from the FCI where it carries it (some cards have it nowhere else), else from the file."""
    try:
        carried = tlv.find(fci, 0x6F, 0xA5, 0x9F0C) or b""
    except tlv.MalformedTlv:
        carried = b""
    if len(carried) < PUBLIC_LEAST:
        carried = (yield from _binary(names.SFI_PUBLIC, PUBLIC_APPLICATION.length)) or b""
    return _decoded(PUBLIC_APPLICATION, carried, PUBLIC_LEAST)


def _balance() -> Dialogue[int | None]:
    actual = yield from _balance_value(_ACTUAL)
    if actual is not None:
        return actual
    total = yield from _balance_value(_TOTAL)
    if total is None:
        return None
    return total - ((yield from _balance_value(_OVERDRAFT_LIMIT)) or 0)


def _balance_value(value: int) -> Dialogue[int | None]:
    raw = yield from _ask(commands.get_balance(value=value))
    return None if raw is None or len(raw) < 4 else int.from_bytes(raw[:4], "big") & _BALANCE_BITS


def _records(sfi: int, layout: Layout[T], least: int, at_most: int) -> Dialogue[tuple[T, ...]]:
    """The used records of a cyclic file. Cards answer unused ones with an error or with blanks."""
    found = []
    for number in range(1, at_most + 1):
        record = _decoded(layout, (yield from _record(sfi, number, layout.length)), least)
        if record is None:
            break
        found.append(record)
    return tuple(found)


def _read_social() -> Dialogue[SocialContents | None]:
    if (yield from _ask(commands.select_name(names.SOCIAL_AID))) is None:
        return None
    issuer = yield from _tagged_records(names.SFI_SOCIAL_ISSUER, SOCIAL_ISSUER)
    holder = yield from _tagged_records(names.SFI_SOCIAL_HOLDER, SOCIAL_HOLDER)
    return SocialContents(issuer, holder)


def _tagged_records(sfi: int, layout: RecordSet[Any]) -> Dialogue[dict[str, Any]]:
    """By their tags: versions of the card number the records differently (1.00 has no name extension)."""
    known = {item.tag: item.field for item in layout.fields}
    values = {}
    for number in range(1, _SOCIAL_RECORDS + 1):
        record = yield from _ask(commands.read_record(sfi, number))
        if record is None:
            break
        if len(record) >= 2 and (field := known.get(record[0])) is not None:
            values[field.name] = field.decode(record[2 : 2 + record[1]])
    return values


def _decoded(layout: Layout[T], raw: bytes | None, least: int) -> T | None:
    """None for a blank or an answer that ends before byte ``least``; anything behind the layout is left out."""
    if raw is None or len(raw) < least or not raw.strip(b"\x00") or not raw.strip(b"\xff"):
        return None
    try:
        return layout.decode(raw[: layout.length].ljust(layout.length, b"\x00"))
    except MalformedFile:
        return None


def _binary(sfi: int, length: int) -> Dialogue[bytes | None]:
    return (yield from _any_length(commands.read_binary(sfi), length))


def _record(sfi: int, number: int, length: int) -> Dialogue[bytes | None]:
    return (yield from _any_length(commands.read_record(sfi, number), length))


def _any_length(command: CommandApdu, length: int) -> Dialogue[bytes | None]:
    """With Le 00 (as many bytes as there are); some cards want the exact length and refuse that."""
    for attempt in _attempts(command, length):
        answer = yield from _ask(attempt)
        if answer:
            return answer
    return None


def _attempts(command: CommandApdu, length: int) -> Iterator[CommandApdu]:
    yield command
    yield replace(command, ne=length)


def _ask(command: CommandApdu) -> Dialogue[bytes | None]:
    response = yield ToCard(command)
    return response.data if response.sw.value in _READ else None
