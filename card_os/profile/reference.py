"""The reference page of the cards, made of the same tables that make the cards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from card_os.crypto.block import AES_128
from card_os.crypto.suites import Algorithm
from card_os.profile.access import Level
from card_os.profile.codecs import Layout, RecordSet
from card_os.profile.files import ApplicationSpec, CardSpec, FileSpec, KeySpec, KeyType, PinSpec, Protection, Structure
from card_os.profile.identity import DATA_OBJECTS, IDENTITY_CARD, KEY_SLOTS, KeyAlgorithm
from card_os.profile.psam import HOSPITAL_SAM, TRANSIT_SAM
from card_os.profile.social_areas import AREAS_CARD
from card_os.wire.status import MEANINGS

CARDS = (IDENTITY_CARD, AREAS_CARD, TRANSIT_SAM, HOSPITAL_SAM)
COMMAND = "citycard card reference > docs/reference/card.md"
_COUNTED = (Structure.FIXED, Structure.CYCLIC)
_ALGORITHMS = {Algorithm.TRIPLE_DES: "3DES", Algorithm.SM4: "SM4", AES_128: "AES-128"}


def opener(level: Level, application: ApplicationSpec, card: CardSpec) -> KeySpec | PinSpec | None:
    """The key or PIN whose success reaches ``level`` in ``application``; None where nothing does (and for FREE and NEVER)."""
    if level in (Level.FREE, Level.NEVER):
        return None
    home = card.master_file if level is Level.ADMINISTRATION else application
    openers: list[KeySpec | PinSpec] = [*home.pins, *(key for key in home.keys if key.type is KeyType.EXTERNAL)]
    return next((each for each in openers if each.next_state is level), None)


def page() -> str:
    """Markdown; ends with a line break."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# The cards, table by table"
    yield ""
    yield f"Made by `{COMMAND}` from `card_os.profile` and `card_os.wire`; not to be edited by hand."
    yield "Offsets are decimal, in bytes; what is no length and no count is hexadecimal. See also [card.md](../card.md)."
    told: list[ApplicationSpec] = []
    for card in CARDS:
        yield from ("", f"## {card.name[0].upper()}{card.name[1:]}")
        for application in (card.master_file, *card.applications):
            if application not in told:  # what two cards have alike is said once
                yield from _application(application, card)
                told.append(application)
    yield from _identity()
    yield from _status_words()


def _application(application: ApplicationSpec, card: CardSpec) -> Iterator[str]:
    yield from ("", f"### DF {application.fid:04X}, name {_name(application.name)}")
    if application.files:
        yield ""
        yield from _table(
            ("FID", "SFI", "file", "structure", "bytes", "records", "read", "write", "line protection", "source"),
            (_file_row(file, application, card) for file in application.files),
        )
    if application.purse is not None:
        purse = application.purse
        load = _right(purse.load, application, card)
        yield ""
        yield f"Purse {purse.fid:04X}: log in SFI {purse.log_sfi:02X}; load: {load}; at most {purse.limit_minor} fen (ours)."
    if application.container is not None:
        yield from ("", f"Container {application.container.fid:04X}: {application.container.pages} pages of 256 bytes.")
    yield from ("", *_table(("type", "id", "key", "version", "algorithm", "reaches", "tries"), _key_rows(application)))
    for file in application.files:
        yield from _layout(file)


def _name(name: bytes) -> str:
    text = name.decode("ascii", errors="replace")
    return f"`{name.hex().upper()}`" + (f" ({text})" if text.isascii() and text.isprintable() else "")


def _file_row(file: FileSpec, application: ApplicationSpec, card: CardSpec) -> tuple[str, ...]:
    return (
        f"{file.fid:04X}",
        f"{file.sfi:02X}",
        file.name,
        file.structure.name.lower(),
        str(file.size),
        str(file.count) if file.structure in _COUNTED else "",
        _right(file.access.read, application, card),
        _right(file.access.write, application, card),
        _protection(file.protection),
        file.clause,
    )


def _protection(protection: Protection) -> str:
    words = {Protection.MAC: "MAC", Protection.ENCIPHERED: "enciphered"}
    return " and ".join(word for bit, word in words.items() if bit in protection) or "none"


def _right(level: Level, application: ApplicationSpec, card: CardSpec) -> str:
    found = opener(level, application, card)
    if found is None:
        return level.name.lower()
    return f"PIN {found.id:02X}" if isinstance(found, PinSpec) else f"key {found.type:02X}/{found.id:02X}"


def _key_rows(application: ApplicationSpec) -> Iterator[tuple[str, ...]]:
    for key in application.keys:
        algorithm = _ALGORITHMS.get(key.algorithm, f"{key.algorithm:02X}")
        yield (
            f"{key.type:02X}",
            f"{key.id:02X}",
            f"{key.label} ({key.type.name.replace('_', ' ').lower()})",
            str(key.version),
            algorithm,
            _reached(key.next_state),
            str(key.tries) if key.tries else "uncounted",
        )
    for pin in application.pins:
        yield f"{KeyType.PIN:02X}", f"{pin.id:02X}", "PIN", "", "", _reached(pin.next_state), str(pin.tries)


def _reached(level: Level) -> str:
    return "" if level is Level.FREE else f"{level:X} {level.name.lower()}"


def _layout(file: FileSpec) -> Iterator[str]:
    yield from ("", f"**{file.fid:04X} {file.name}**", "")
    if isinstance(file.codec, RecordSet):
        rows = (
            (f"{item.tag:02X}", item.field.name, str(item.field.length), item.field.kind.value)
            for item in file.codec.fields
        )
        yield from _table(("tag", "field", "bytes", "form"), rows)
    else:
        yield from _table(("offset", "field", "bytes", "form"), _offsets(file.codec))


def _offsets(layout: Layout[object]) -> Iterator[tuple[str, ...]]:
    at = 0
    for field in layout.fields:
        yield str(at), field.name, str(field.length), field.kind.value
        at += field.length


def _identity() -> Iterator[str]:
    yield from ("", "## Identity application: objects, keys, algorithms", "")
    rows = ((f"{row.tag:06X}", row.name, str(row.size), row.read.value, row.clause) for row in DATA_OBJECTS.values())
    yield from _table(("tag", "object", "most bytes", "read", "SP 800-73-4"), rows)
    yield ""
    slots = (
        (f"{slot.reference:02X}", slot.label, slot.pin.value, f"{slot.certificate:06X}") for slot in KEY_SLOTS.values()
    )
    yield from _table(("key", "for", "PIN", "certificate"), slots)
    yield ""
    algorithms = ((_identifier(row), row.label, row.clause) for row in KeyAlgorithm)
    yield from _table(("id", "algorithm", "source"), algorithms)


def _identifier(row: KeyAlgorithm) -> str:
    return "" if row.identifier is None else f"{row.identifier:02X}"


def _status_words() -> Iterator[str]:
    yield from ("", "## Status words", "")
    yield from _table(("SW", "meaning"), ((f"{word:04X}", meaning) for word, meaning in sorted(MEANINGS.items())))


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for row in (columns, tuple("---" for _ in columns), *rows):
        yield f"| {' | '.join(row)} |"
