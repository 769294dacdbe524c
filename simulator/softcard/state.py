"""A card's state in words: every place with its value. Keys, PINs and private keys are compared, never shown."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from card_os.engine.context import Context
from card_os.engine.files import Directory, ElementaryFile, FileSystem
from card_os.engine.identity_store import ObjectStore
from card_os.engine.purse import purse_of
from card_os.engine.records import read_record
from card_os.engine.refusal import Refusal
from card_os.engine.state import Session
from card_os.engine.store import Store
from card_os.profile.codecs import Layout
from card_os.profile.files import FileSpec, KeyType, Structure
from card_os.profile.identity import DATA_OBJECTS, KEY_SLOTS
from card_os.profile.psam import HOSPITAL_SAM, TRANSIT_SAM
from card_os.profile.social_areas import AREAS_CARD
from simulator.softcard.memory import CardMemory

_DIRECTORY_NAMES = {"3F00": "MF", "1001": "transit", "DF00": "social security", "8011": "PSAM", "DF01": "hospital PSAM"}
_LOCKS = {0: "open", 1: "locked", 2: "locked for good"}
_UNCOUNTED = 0xFF


@dataclass(frozen=True, slots=True)
class Hidden:
    """A secret: equal or not, and nothing more to see."""

    digest: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> Hidden:
        return cls(hashlib.sha256(secret).digest())

    def __str__(self) -> str:
        return "<redacted>"


Records: TypeAlias = tuple[bytes, ...]
Value: TypeAlias = str | int | bytes | Records | Hidden
State: TypeAlias = dict[str, Value]


def state_of(memory: CardMemory) -> State:
    """Place → value, directory by directory. An unfinished write counts as the next power-up will finish it."""
    copy = CardMemory(memory.content)
    store = Store(copy)
    files = FileSystem(store)
    state: State = {"chip serial": store.chip_serial}
    for directory in files.directories:
        context = Context(store, files, Session(directory), random=bytes)
        state |= {f"{_directory_name(directory)} / {place}": value for place, value in _directory(context, directory)}
    if copy.content != memory.content:
        state["unfinished write"] = "finished at the next power-up"
    return state


def _directory_name(directory: Directory) -> str:
    digits = f"{directory.fid:04X}"
    return " ".join(filter(None, (_DIRECTORY_NAMES.get(digits, ""), digits)))


def _directory(context: Context, directory: Directory) -> Iterator[tuple[str, Value]]:
    yield "name", directory.name
    yield "lock", _LOCKS.get(context.lock_of(directory), "unknown")
    yield from _keys(context, directory)
    for fid, file in directory.files.items():
        if file.structure is Structure.PURSE:
            yield from _purse(context, fid)
        elif file.structure is Structure.CONTAINER:
            yield from _container(context, file)
        elif file.structure is not Structure.KEYS:
            yield from _file(context, directory, file)


def _keys(context: Context, directory: Directory) -> Iterator[tuple[str, Value]]:
    for key_type, key_id in directory.keys:
        key = context.files.key(directory, key_type, key_id)
        assert key is not None, "a directory's keys are those its file system has"
        place = f"{'PIN' if key_type == KeyType.PIN else 'key'} {key_type:02X}/{key_id:02X}"
        yield f"{place} value", Hidden.of(key.value)
        yield f"{place} version", key.version
        yield f"{place} algorithm", key.algorithm
        if key.counter != _UNCOUNTED:
            yield f"{place} tries left", f"{key.counter & 0xF} of {key.counter >> 4}"


def _purse(context: Context, number: int) -> Iterator[tuple[str, Value]]:
    file, purse = purse_of(context, number)
    yield f"purse {number} most it takes", file.extra
    for name, value in purse._asdict().items():
        yield f"purse {number} {name.removesuffix('_minor').replace('_', ' ')}", value


def _container(context: Context, file: ElementaryFile) -> Iterator[tuple[str, Value]]:
    objects = ObjectStore(context.store, file)
    for tag, row in DATA_OBJECTS.items():
        if (content := objects.read(tag)) is not None:
            yield f"object {tag:06X} {row.name}", content
    for reference, slot in KEY_SLOTS.items():
        if (private := objects.read(reference)) is not None:
            yield f"private key {reference:02X} {slot.label}", Hidden.of(private)


def _file(context: Context, directory: Directory, file: ElementaryFile) -> Iterator[tuple[str, Value]]:
    spec = spec_of(directory.name, file.fid)
    place = f"file {file.fid:04X}" + (f" {spec.name}" if spec else "")
    yield f"{place} rights", f"read {file.read:02X}, write {file.write:02X}"
    if file.structure is not Structure.TRANSPARENT:
        yield place, _records(context, file)
        return
    content = context.store.read(file.offset, file.size)
    layout = spec.codec if spec else None
    if not isinstance(layout, Layout) or layout.length != len(content):
        yield place, content
        return
    at = 0
    for part in layout.fields:
        yield f"{place}, {part.name} (byte {at})", content[at : at + part.length]
        at += part.length


def _records(context: Context, file: ElementaryFile) -> Records:
    found: list[bytes] = []
    try:
        while True:
            found.append(read_record(context.store, file, len(found) + 1))
    except Refusal:
        return tuple(found)


_SPECS: dict[tuple[bytes, int], FileSpec] = {
    (application.name, spec.fid): spec
    for card in (HOSPITAL_SAM, TRANSIT_SAM, AREAS_CARD)
    for application in (card.master_file, *card.applications)
    for spec in application.files
}


def spec_of(directory_name: bytes, fid: int) -> FileSpec | None:
    """What the profile says about a file, None where it knows none."""
    return _SPECS.get((directory_name, fid))
