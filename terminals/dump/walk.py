"""Walk over any card and read what needs no key and no PIN. Changes nothing on it but which application is selected.

There is no command that lists a card's files, so every short identifier is asked for, in the MF and in every application that
is known by name or listed in a payment-system directory (PSE, PPSE). Sources of the names: standards.md §1.1, §3, §4.9, §5.1;
the PIV data objects are those free to read by NIST SP 800-73-4 part 1 table 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from card_os.wire import commands, tlv
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu, ResponseApdu
from card_os.wire.dialogue import Dialogue, ToCard

PIV = bytes.fromhex("A000000308000010000100")
NAMES = (
    names.MASTER_FILE_NAME,
    b"2PAY.SYS.DDF01",
    names.TRANSIT_AID,
    names.SOCIAL_AID,
    names.TRANSIT_SAM_AID,
    names.SOCIAL_SAM_AID,
    *(bytes.fromhex(f"D156000005{number:02X}") for number in range(8)),
    bytes.fromhex("A00000000386980701"),
    bytes.fromhex("A000000333010101"),
    b"OC",
    b"PBOC",
    b"PAY.SZT",
    b"AP1.WHCTC",
    b"PAY.APPY",
    b"PAY.TICL",
    b"SUXIN.DDF01",
    PIV,
)
IDENTIFIERS = (names.MASTER_FILE, names.TRANSIT_DF, names.SOCIAL_DF, names.SOCIAL_SAM_DF, names.TRANSIT_SAM_DF)
OBJECTS = (0x7E, 0x7F61, *range(0x5FC101, 0x5FC124))
PURSES = (1, 2)

_OK = frozenset({0x9000, 0x6281, 0x6282, 0x6283})
_RECORDS_LIMIT = 255
_PORTION = 256


@dataclass(frozen=True, slots=True)
class FileFound:
    """A file with ``data`` or ``records``; without both where ``status`` says that it is there and not free to read."""

    sfi: int
    data: bytes = b""
    records: tuple[bytes, ...] = ()
    status: int = 0x9000


@dataclass(frozen=True, slots=True)
class DirectoryFound:
    """``balances``: (purse, P1) → GET BALANCE's answer. ``objects``: tag → value of GET DATA."""

    name: bytes
    control_information: bytes
    status: int
    files: tuple[FileFound, ...]
    balances: dict[tuple[int, int], bytes]
    objects: dict[int, bytes]


def walk() -> Dialogue[tuple[DirectoryFound, ...]]:
    """Every directory found, in the order of asking, each once. Only ``CardGone`` goes through."""
    found: dict[bytes, DirectoryFound] = {}
    waiting = [(commands.select_fid(fid), b"") for fid in IDENTIFIERS]
    waiting += [(commands.select_name(name), name) for name in NAMES]
    while waiting:
        command, asked = waiting.pop(0)
        answer = yield from _ask(command)
        name = _name(answer.data) or asked or answer.data
        if answer.sw.value not in _OK or name in found:
            continue
        found[name] = yield from _directory(name, answer)
        waiting += [(commands.select_name(aid), aid) for aid in _listed(found[name])]
    return tuple(found.values())


def _directory(name: bytes, selected: ResponseApdu) -> Dialogue[DirectoryFound]:
    files = []
    for sfi in range(1, 31):
        file = yield from _file(sfi)
        if file is not None:
            files.append(file)
    balances = {}
    for purse in PURSES:
        for value in range(4):
            answer = yield from _ask(commands.get_balance(purse=purse, value=value))
            if answer.sw.value == 0x9000:
                balances[purse, value] = answer.data
    objects = (yield from _objects()) if name == PIV else {}
    return DirectoryFound(name, selected.data, selected.sw.value, tuple(files), balances, objects)


def _file(sfi: int) -> Dialogue[FileFound | None]:
    answer = yield from _ask(commands.read_binary(sfi))
    if answer.sw.value in _OK:
        return FileFound(sfi, data=(yield from _rest(sfi, answer.data)))
    first = yield from _ask(commands.read_record(sfi, 1))
    if first.sw.value in _OK:
        return FileFound(sfi, records=(yield from _records(sfi, first.data)))
    if first.sw.value == 0x6A83:
        return FileFound(sfi)
    status = answer.sw.value
    return FileFound(sfi, status=status) if status == 0x6982 else None


def _rest(sfi: int, data: bytes) -> Dialogue[bytes]:
    """A READ BINARY by SFI reaches 511 bytes: 256 from an offset of at most 255."""
    if len(data) == _PORTION:
        answer = yield from _ask(commands.read_binary(sfi, offset=_PORTION - 1))
        if answer.sw.value in _OK:
            return data[:-1] + answer.data
    return data


def _records(sfi: int, first: bytes) -> Dialogue[tuple[bytes, ...]]:
    records = [first]
    while len(records) < _RECORDS_LIMIT:
        answer = yield from _ask(commands.read_record(sfi, len(records) + 1))
        if answer.sw.value not in _OK:
            break
        records.append(answer.data)
    return tuple(records)


def _objects() -> Dialogue[dict[int, bytes]]:
    found = {}
    for tag in OBJECTS:
        wanted = tlv.Tlv(0x5C, tag.to_bytes((tag.bit_length() + 7) // 8, "big")).encode()
        answer = yield from _ask(CommandApdu(0x00, 0xCB, 0x3F, 0xFF, wanted, 256))
        if answer.sw.value == 0x9000:
            found[tag] = answer.data
    return found


def _ask(command: CommandApdu) -> Dialogue[ResponseApdu]:
    answer: ResponseApdu = yield ToCard(command)
    if answer.sw.value == 0x6700 and command.ne == _PORTION and not command.data:
        answer = yield ToCard(replace(command, ne=None))
    return answer


def _name(control_information: bytes) -> bytes | None:
    """The DF name of the FCI. Some have none; then the name that was asked for stands for it, or the whole FCI."""
    try:
        return tlv.find(control_information, 0x6F, 0x84)
    except tlv.MalformedTlv:
        return None


def _listed(directory: DirectoryFound) -> Iterator[bytes]:
    """AIDs (4F) in a PPSE's FCI (BF0C) and in the records of a PSE."""
    sources = [directory.control_information, *(record for file in directory.files for record in file.records)]
    for source in sources:
        try:
            yield from _aids(source)
        except tlv.MalformedTlv:
            continue


def _aids(source: bytes) -> Iterator[bytes]:
    for item in tlv.parse(source):
        if item.tag == 0x4F and 5 <= len(item.value) <= 16:
            yield item.value
        elif item.is_constructed:
            yield from _aids(item.value)
