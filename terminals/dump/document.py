"""A dump as JSON and as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from card_os.profile.psam import HOSPITAL_SAM, TRANSIT_SAM
from card_os.profile.social_areas import AREAS_CARD
from card_os.wire.status import StatusWord
from terminals.dump.walk import DirectoryFound, FileFound

FORMAT = "citycard dump 1"
_BYTES_IN_LINE = 32
FILE_NAMES = {
    (application.name, file.sfi): file.name
    for card in (HOSPITAL_SAM, TRANSIT_SAM, AREAS_CARD)
    for application in (card.master_file, *card.applications)
    for file in application.files
}
"""(name of the DF, SFI) → what the profile calls the file."""


class MalformedDump(ValueError):
    """The document is no dump."""


@dataclass(frozen=True, slots=True)
class CardDump:
    """What ``walk`` found on the card with that answer to reset."""

    atr: bytes
    directories: tuple[DirectoryFound, ...]


def to_json(dump: CardDump) -> str:
    """One document, bytes as upper-case hex; ends with a line break."""
    document = {"format": FORMAT, "atr": _hex(dump.atr), "directories": [_directory(each) for each in dump.directories]}
    return json.dumps(document, indent=1) + "\n"


def _directory(directory: DirectoryFound) -> dict[str, Any]:
    return {
        "name": _hex(directory.name),
        "control_information": _hex(directory.control_information),
        "status": str(StatusWord(directory.status)),
        "files": [_file(file) for file in directory.files],
        "balances": {f"{purse}/{value}": _hex(raw) for (purse, value), raw in directory.balances.items()},
        "objects": {f"{tag:X}": _hex(raw) for tag, raw in directory.objects.items()},
    }


def _file(file: FileFound) -> dict[str, Any]:
    return {
        "sfi": f"{file.sfi:02X}",
        "status": str(StatusWord(file.status)),
        "data": _hex(file.data),
        "records": [_hex(record) for record in file.records],
    }


def from_json(text: str) -> CardDump:
    """Raises ``MalformedDump``."""
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise MalformedDump(f"format is {document['format']!r}; this citycard reads {FORMAT!r}")
        directories = tuple(_read_directory(each) for each in document["directories"])
        return CardDump(bytes.fromhex(document["atr"]), directories)
    except MalformedDump:
        raise
    except KeyError as problem:
        raise MalformedDump(f"no dump of a card: {problem} is missing") from problem
    except (ValueError, TypeError, AttributeError, RecursionError) as problem:
        raise MalformedDump(f"no dump of a card: {problem}; `citycard card dump --json` writes one") from problem


def _read_directory(entry: dict[str, Any]) -> DirectoryFound:
    balances = {}
    for place, raw in entry["balances"].items():
        purse, _, value = place.partition("/")
        balances[int(purse), int(value)] = bytes.fromhex(raw)
    return DirectoryFound(
        bytes.fromhex(entry["name"]),
        bytes.fromhex(entry["control_information"]),
        int(entry["status"], 16),
        tuple(_read_file(file) for file in entry["files"]),
        balances,
        {int(tag, 16): bytes.fromhex(raw) for tag, raw in entry["objects"].items()},
    )


def _read_file(entry: dict[str, Any]) -> FileFound:
    return FileFound(
        int(entry["sfi"], 16),
        bytes.fromhex(entry["data"]),
        tuple(bytes.fromhex(record) for record in entry["records"]),
        int(entry["status"], 16),
    )


def to_text(dump: CardDump) -> str:
    """For people: a heading for each directory and file, hex in lines of 32 bytes."""
    lines = [f"ATR {dump.atr.hex(' ').upper()}"]
    for directory in dump.directories:
        lines += ["", f"{shown_name(directory.name)}: {StatusWord(directory.status)}", *_directory_lines(directory)]
    return "\n".join(lines) + "\n"


def _directory_lines(directory: DirectoryFound) -> Iterator[str]:
    yield from _block("  FCI", directory.control_information)
    for file in directory.files:
        heading = f"  file {file.sfi:02X}{_known_as(directory.name, file.sfi)}"
        if file.status != 0x9000:
            yield f"{heading}: {StatusWord(file.status)} {StatusWord(file.status).meaning}"
        elif file.data:
            yield from _block(heading, file.data)
        else:
            yield f"{heading}: {len(file.records)} records"
            for number, record in enumerate(file.records, 1):
                yield from _block(f"    {number}", record)
    for (purse, value), raw in directory.balances.items():
        yield f"  balance, purse {purse} value {value}: {raw.hex().upper()}"
    for tag, raw in directory.objects.items():
        yield from _block(f"  object {tag:X}", raw)


def _block(heading: str, data: bytes) -> Iterable[str]:
    portions = [data[at : at + _BYTES_IN_LINE].hex().upper() for at in range(0, len(data), _BYTES_IN_LINE)]
    if len(portions) == 1:
        return [f"{heading}: {portions[0]}"]
    return [f"{heading}: {len(data)} bytes", *(f"      {portion}" for portion in portions)]


def shown_name(name: bytes) -> str:
    """The hex, and what it reads in ASCII where it does."""
    readable = name.decode("ascii", errors="replace")
    return f"{_hex(name)} ({readable})" if readable.isprintable() and readable.isascii() else _hex(name)


def _known_as(directory: bytes, sfi: int) -> str:
    known = FILE_NAMES.get((directory, sfi))
    return f" {known}" if known else ""


def _hex(raw: bytes) -> str:
    return raw.hex().upper()
