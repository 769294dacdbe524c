"""What differs between two cards, by file, record, field and counter: two images, or an image and a dump."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from pathlib import Path
from random import Random

from card_os.engine.bytecard import ByteCard
from card_os.engine.card import Card
from hardware.readers.drive import Ports, drive
from simulator.softcard.images import MAGIC, CardImage, load
from simulator.softcard.state import Hidden, Records, State, Value, state_of
from terminals.dump.document import FILE_NAMES, CardDump, MalformedDump, from_json, shown_name
from terminals.dump.walk import DirectoryFound, FileFound, walk

_NOTHING = "not there"


def differences(old: State, new: State) -> tuple[str, ...]:
    """One line for each difference, in the order of the places."""
    places = dict.fromkeys((*old, *new))
    return tuple(line for place in places for line in _compared(place, old.get(place), new.get(place)))


def _compared(place: str, old: Value | None, new: Value | None) -> Iterator[str]:
    if old == new:
        return
    if isinstance(old, tuple) or isinstance(new, tuple):
        before = old if isinstance(old, tuple) else ()
        yield from _records(place, before, new if isinstance(new, tuple) else ())
    elif isinstance(old, Hidden) and isinstance(new, Hidden):
        yield f"{place}: changed (<redacted>)"
    elif isinstance(old, bytes) and isinstance(new, bytes) and len(old) == len(new):
        yield f"{place}: {_ranges(old, new)}"
    else:
        yield f"{place}: {_shown(old)} → {_shown(new)}"


def _records(place: str, old: Records, new: Records) -> Iterator[str]:
    """Records that came, went or changed; a log that moved by one is one new record, not thirty changed ones."""
    if old == new:  # one of them was not there, the other has no record
        yield f"{place}: now there, without records"
    for kind, old_from, old_to, new_from, new_to in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "replace" and old_to - old_from == new_to - new_from:
            for at in range(old_to - old_from):
                before, after = old[old_from + at], new[new_from + at]
                same = len(before) == len(after)
                shown = _ranges(before, after) if same else f"{_shown(before)} → {_shown(after)}"
                yield f"{place}, record {new_from + at + 1}: {shown}"
        elif kind != "equal":
            yield from (
                f"{place}, record {number + 1} gone: {_shown(old[number])}" for number in range(old_from, old_to)
            )
            yield from (
                f"{place}, record {number + 1} new: {_shown(new[number])}" for number in range(new_from, new_to)
            )


def _ranges(old: bytes, new: bytes) -> str:
    """The bytes that differ, run by run: "bytes 4–5 0000 → ABCD"."""
    found, at = [], 0
    while at < len(old):
        end = at
        while end < len(old) and old[end] != new[end]:
            end += 1
        if end > at:
            place = f"byte {at}" if end == at + 1 else f"bytes {at}–{end - 1}"
            found.append(f"{place} {_shown(old[at:end])} → {_shown(new[at:end])}")
        at = end + 1
    return ", ".join(found)


def _shown(value: Value | None) -> str:
    if value is None:
        return _NOTHING
    if isinstance(value, bytes):
        return value.hex().upper() or "empty"
    return str(value)


def compare(old: Path, new: Path) -> tuple[str, ...]:
    """The differences of two files, each an image or a dump (`card dump --json`). Two images are compared whole; with a dump
    only what a card gives freely. Raises ``MalformedImage``, ``MalformedDump``, ``OSError``."""
    if _is_image(old) and _is_image(new):
        return differences(state_of(load(old).memory()), state_of(load(new).memory()))
    return differences(_dumped(old), _dumped(new))


def _is_image(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _dumped(path: Path) -> State:
    if _is_image(path):
        return _freely_readable(dump_of(load(path)))
    try:
        return _freely_readable(from_json(path.read_text(encoding="utf-8")))
    except (MalformedDump, UnicodeDecodeError) as problem:
        said = problem if isinstance(problem, MalformedDump) else "neither a card image nor text"
        raise MalformedDump(f"{path}: {said}") from problem


def dump_of(image: CardImage) -> CardDump:
    """What `card dump` would write down of the card in ``image``."""
    card = ByteCard(Card(image.memory(), Random(0).randbytes))
    return CardDump(card.atr, drive(walk(), Ports(card=card)))


def _freely_readable(dump: CardDump) -> State:
    state: State = {"ATR": dump.atr}
    for directory in dump.directories:
        state |= {f"{shown_name(directory.name)} / {place}": value for place, value in _directory(directory)}
    return state


def _directory(directory: DirectoryFound) -> Iterable[tuple[str, Value]]:
    yield "FCI", directory.control_information
    yield "status", f"{directory.status:04X}"
    for file in directory.files:
        known = FILE_NAMES.get((directory.name, file.sfi), "")
        yield f"file {file.sfi:02X} {known}".rstrip(), _content(file)
    for (purse, value), raw in directory.balances.items():
        yield f"purse {purse} value {value}", raw
    for tag, raw in directory.objects.items():
        yield f"object {tag:06X}", raw


def _content(file: FileFound) -> Value:
    if file.status != 0x9000:
        return f"not readable ({file.status:04X})"
    return file.data or file.records
