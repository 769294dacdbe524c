"""The directory of the card: DFs, EFs, keys and the purse, as objects appended to the heap.

Object: structure1 parent2 fid2 read1 write1 count1 recordLength1 extra4 size2 ‖ body. Body by structure:
DF: lock1 nameLength1 name16 · key: header7 length1 value16 · purse: see ``purse`` · transparent: the bytes · fixed, cyclic:
next1 used1 records · variable: used2 then ``length1 ‖ record`` · container: see ``identity_store``. Only bodies change after
creation, so the directory is read
once at power-up and values are read from memory whenever they are wanted.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from card_os.engine.refusal import Refusal
from card_os.engine.store import HEAP, Store, fits
from card_os.profile.files import Protection, Structure
from card_os.wire.identifiers import PURSE_FILE

_OBJECT = struct.Struct(">BHHBBBBIH")
_DIRECTORY_BODY = struct.Struct(">BB16s")
_KEY_BODY = struct.Struct(">7BB16s")
_KEY = 0x01  # structure bytes of a key object and of one that was erased; no file has them
_ERASED = 0x02
DATA_STRUCTURES = frozenset({Structure.TRANSPARENT, Structure.FIXED, Structure.VARIABLE, Structure.CYCLIC})
_NO_PARENT = 0xFFFF
PURSE_BODY_SIZE = 34
DEPOSIT_BODY_SIZE = 37
KEY_COUNTER_AT = 6


@dataclass(frozen=True, slots=True)
class ElementaryFile:
    """``offset`` is where the body starts; ``extra`` and ``count`` mean what the structure makes of them."""

    structure: Structure
    fid: int
    read: int
    write: int
    count: int
    record_length: int
    extra: int
    offset: int
    size: int

    @property
    def sfi(self) -> int:
        return self.fid & 0x1F

    @property
    def protection(self) -> Protection:
        """Of a file with data or records: what every access must come with."""
        return Protection(self.extra)


@dataclass(frozen=True, slots=True)
class Key:
    """A key as stored now. ``counter``: high nibble maximum, low nibble remaining, FF uncounted."""

    offset: int
    type: int
    use: int
    change: int
    version: int
    algorithm: int
    next_state: int
    counter: int
    value: bytes = field(repr=False)


@dataclass(slots=True)
class Directory:
    """A DF. ``keys`` maps (type, id) to the body's offset, ``purses`` FIDs (1 the deposit account, 2 the purse) to files."""

    number: int
    fid: int
    name: bytes
    create: int
    erase: int
    offset: int
    files: dict[int, ElementaryFile] = field(default_factory=dict)
    by_sfi: dict[int, ElementaryFile] = field(default_factory=dict)
    keys: dict[tuple[int, int], int] = field(default_factory=dict)
    key_file: ElementaryFile | None = None
    purses: dict[int, ElementaryFile] = field(default_factory=dict)
    container: ElementaryFile | None = None

    @property
    def purse(self) -> ElementaryFile | None:
        """The electronic purse (EP)."""
        return self.purses.get(PURSE_FILE)


class FileSystem:
    """Directories in the order of their creation; number 0 is the MF."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.directories: list[Directory] = []
        at, end = HEAP, store.heap_end
        while at < end:
            at = self._load(at)

    @property
    def master_file(self) -> Directory:
        return self.directories[0]

    def _load(self, at: int) -> int:
        structure, parent, fid, read, write, count, length, extra, size = _OBJECT.unpack(
            self.store.read(at, _OBJECT.size)
        )
        body = at + _OBJECT.size
        if structure == Structure.DEDICATED:
            _, name_length, name = _DIRECTORY_BODY.unpack(self.store.read(body, size))
            erase = read or write  # cards of the first version kept no erase right
            self.directories.append(Directory(len(self.directories), fid, name[:name_length], write, erase, body))
        elif structure == _ERASED:
            pass
        elif structure == _KEY:
            self.directories[parent].keys[fid >> 8, fid & 0xFF] = body
        else:
            file = ElementaryFile(Structure(structure), fid, read, write, count, length, extra, body, size)
            _enter(self.directories[parent], file)
        return int(body + size)

    def _append(self, header: tuple[int, ...], body: bytes) -> None:
        if len(body) + _OBJECT.size > self.store.room_left():
            raise Refusal(0x6A84)
        self._load(self.store.append(_OBJECT.pack(*header, len(body)) + body))

    def create_directory(self, fid: int, name: bytes, create: int, erase: int = 0) -> None:
        """``erase`` 0: who may create may erase."""
        if any(known.fid == fid or known.name == name for known in self.directories):
            raise Refusal(0x6A89)
        parent = 0 if self.directories else _NO_PARENT
        body = _DIRECTORY_BODY.pack(0, len(name), name)
        self._append((Structure.DEDICATED, parent, fid, erase, create, 0, 0, 0), body)

    def erase_directory(self, directory: Directory) -> None:
        """Forget every file and key of the DF in one commit; then overwrite what they held, which nothing reaches any more.
        Their room is not given back. Refuses with 6A84 where they are more than one commit takes."""
        bodies = [(file.offset, file.size) for file in directory.files.values()]
        bodies += [(offset, _KEY_BODY.size) for offset in directory.keys.values()]
        changes = [(offset - _OBJECT.size, bytes((_ERASED,))) for offset, _ in bodies]
        if not fits(changes, spare=0):
            raise Refusal(0x6A84)
        self.store.commit(changes)
        for held in (directory.files, directory.by_sfi, directory.keys, directory.purses):
            held.clear()
        directory.key_file = directory.container = None
        for offset, size in bodies:
            self.store.write_unreached(offset, bytes(size))

    def create_file(
        self,
        directory: Directory,
        *,
        structure: Structure,
        fid: int,
        read: int,
        write: int,
        size: int,
        count: int = 0,
        record_length: int = 0,
        extra: int = 0,
    ) -> None:
        """``size`` of the body; it starts as zeros."""
        same_sfi = structure in DATA_STRUCTURES and fid & 0x1F in directory.by_sfi
        if fid in directory.files or same_sfi or (structure is Structure.CONTAINER and directory.container):
            raise Refusal(0x6A89)
        header = (structure, directory.number, fid, read, write, count, record_length, extra)
        self._append(header, bytes(size))

    def key(self, directory: Directory, key_type: int, key_id: int) -> Key | None:
        offset = directory.keys.get((key_type, key_id))
        if offset is None:
            return None
        kind, use, change, version, algorithm, next_state, counter, length, value = _KEY_BODY.unpack(
            self.store.read(offset, _KEY_BODY.size)
        )
        return Key(offset, kind, use, change, version, algorithm, next_state, counter, value[:length])

    def add_key(self, directory: Directory, key_id: int, header: bytes, value: bytes) -> None:
        key_type = header[0]
        if (key_type, key_id) in directory.keys:
            raise Refusal(0x6A89)
        names = (_KEY, directory.number, key_type << 8 | key_id, 0, 0, 0, 0, 0)
        self._append(names, key_body(header, value))


def key_body(header: bytes, value: bytes) -> bytes:
    """A key as it lies in the memory."""
    return _KEY_BODY.pack(*header, len(value), value)


def _enter(directory: Directory, file: ElementaryFile) -> None:
    directory.files[file.fid] = file
    if file.structure is Structure.KEYS:
        directory.key_file = file
    elif file.structure is Structure.PURSE:
        directory.purses[file.fid] = file
    elif file.structure is Structure.CONTAINER:
        directory.container = file
    else:
        directory.by_sfi[file.sfi] = file


def key_types(directory: Directory, key_type: int) -> list[int]:
    """The ids of every key of that type, in the order of their writing."""
    return [key_id for kind, key_id in directory.keys if kind == key_type]
