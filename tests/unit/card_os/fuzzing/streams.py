"""Bytes into command streams: the conversations of ``../tearing/conftest.py``, spoilt, mixed, torn, and plain noise.

Hypothesis, atheris and the kept corpus all go through ``Stream.run``. Five bytes make a step: what · which command of it ·
how it is spoilt · where · with what; a step of noise takes as many following bytes as its last one says. A stream of bytes
therefore always means the same as long as the table of conversations does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from card_os.engine import ByteCard, PowerLost
from card_os.engine.files import FileSystem
from card_os.engine.store import Store
from card_os.profile.files import Structure
from card_os.profile.transit import LOG_RECORD
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu
from card_os.wire.dialogue import CardGone
from simulator.softcard.memory import CardMemory

STEP = 5
ON = ("card", "sam", "hospital", "identity")
UNCOUNTED = 0xFF
# ISO/IEC 7816-4 §5.6 and the purse's words. 6F (no precise diagnosis) would be a program that has lost its way.
_FIRST_BYTES = frozenset({0x61, 0x62, 0x63, 0x65, *range(0x67, 0x6F), 0x90, 0x91, 0x93, 0x94})


class Finding(Exception):
    """The card has done what it must never do."""


Spoil = Callable[[bytes, int, int], list[bytes]]


def _shorter(raw: bytes, at: int, value: int) -> list[bytes]:
    """Fewer bytes of data under an Lc that is right again: what gets past the reader's own check of lengths."""
    data = raw[5 : 5 + raw[4]] if len(raw) > 5 else b""
    kept = data[: at % (len(data) + 1)]
    return [raw[:4] + (bytes((len(kept),)) + kept if kept else b"\x00")]


def _longer(raw: bytes, at: int, value: int) -> list[bytes]:
    """More bytes of data, likewise."""
    data = raw[5 : 5 + raw[4]] if len(raw) > 5 else b""
    data = (data + bytes((value,)) * (1 + at % 24))[:255]
    return [raw[:4] + bytes((len(data),)) + data]


SPOILS: tuple[Spoil, ...] = (
    lambda raw, at, value: [raw],
    lambda raw, at, value: [
        raw[: at % len(raw)] + bytes((raw[at % len(raw)] ^ 1 << value % 8,)) + raw[at % len(raw) + 1 :]
    ],
    lambda raw, at, value: [raw[: at % len(raw)] + bytes((value,)) + raw[at % len(raw) + 1 :]],
    lambda raw, at, value: [raw[: at % len(raw)]],
    lambda raw, at, value: [raw + bytes((value,)) * (1 + at % 9)],
    lambda raw, at, value: [raw[: at % len(raw)] + bytes((value,)) + raw[at % len(raw) :]],
    lambda raw, at, value: [raw, raw],
    lambda raw, at, value: [],
    lambda raw, at, value: [raw[: at % 4] + bytes((value,)) + raw[at % 4 + 1 :]],
    _shorter,
    _longer,
)
"""What becomes of one command of a conversation: nothing, a bit, a byte, cut, longer, shifted, twice, left out, its header, its
data shorter or longer with the length that belongs to it."""


class Stream:
    """One bench of card, PSAM and hospital PSAM. ``kit`` and ``tearing`` are the conftests of those names."""

    def __init__(self, kit: Any, tearing: ModuleType | Any) -> None:
        self.rows = [*tearing.ROWS.values(), *tearing.WRITES_NOTHING.values()]
        self.commands = 0
        self._spoil: tuple[int, Spoil, int, int] = (0, SPOILS[0], 0, 0)
        self._sent = 0
        stream = self

        class Desk(kit.Desk):  # type: ignore[misc]
            def send(self, command: CommandApdu, sw: int = 0x9000) -> bytes:
                name = stream._of.get(id(self.card))
                return stream._send(name, command.encode()) if name else super().send(command, sw)

        self._of: dict[int, str] = {}
        self.bench = tearing.Bench(kit, Desk)
        self.readers: dict[str, ByteCard] = {}
        for name in ON[:-1]:
            self._reader(name)
        self._model = Model(self.bench.memories["card"])

    def _reader(self, on: str) -> ByteCard:
        """The identity card's only where a stream speaks to it: most do not."""
        if on not in self.readers:
            self.readers[on] = reader = ByteCard(getattr(self.bench, on).card)
            self._of[id(reader.card)] = on
        return self.readers[on]

    def run(self, data: bytes) -> None:
        """Raises ``Finding``."""
        steps = iter(data)
        for what in steps:
            self._step(what, steps)
        for name in self.readers:
            self._start(name)
            sound(self.bench.memories[name])

    def _step(self, what: int, rest: Iterator[int]) -> None:
        which, how, at, value = (next(rest, 0) for _ in range(STEP - 1))
        number = what % (len(self.rows) + 3)
        if number < len(self.rows):
            self._spoil, self._sent = (which, SPOILS[how % len(SPOILS)], at, value), 0
            self._converse(self.rows[number])
        elif number == len(self.rows):
            self._transmit(ON[which % 4], bytes(next(rest, 0) for _ in range(value)))
        elif number == len(self.rows) + 1:
            self._start(ON[which % 4])
        else:
            self._reader(ON[which % 4])
            self.bench.memories[ON[which % 4]].cut_after(at, spoil=bool(value & 1))

    def _converse(self, row: Any) -> None:
        self._reader(row.on)
        try:
            desk = getattr(self.bench, row.on)
            desk.send(row.prepare(self.bench))
        except Finding:
            raise
        except Exception:
            return  # the tester's side does not understand a spoilt answer: the conversation ends here

    def _send(self, on: str, raw: bytes) -> bytes:
        target, spoil, at, value = self._spoil
        versions = spoil(raw, at, value) if self._sent == target % 16 else [raw]
        self._sent += 1
        answer = b""
        for version in versions:
            answer = self._transmit(on, version)
            if answer[-2:-1] == b"\x61":
                answer = self._transmit(on, b"\x00\xc0\x00\x00" + answer[-1:])
        return answer[:-2]

    def _transmit(self, on: str, raw: bytes) -> bytes:
        self.commands += 1
        try:
            answer = self._reader(on).transmit(raw)
        except CardGone:  # PowerLost, or still without power
            self._start(on)
            return b""
        except Exception as escaped:
            raise Finding(f"{raw.hex()}: {escaped!r}") from escaped
        if not 2 <= len(answer) <= 258 or answer[-2] not in _FIRST_BYTES:
            raise Finding(f"{raw.hex()} answered {answer.hex()}")
        if on == "card":
            self._model.follow(raw)
        return answer

    def _start(self, on: str) -> None:
        """Power down and up, until it stays up."""
        reader = self._reader(on)
        for _ in range(2):
            try:
                reader.reset()
                break
            except PowerLost:
                self.bench.memories[on].restore_power()
        if on == "card":
            self._model.follow(b"")


class Model:
    """The purse on paper: each change of it is one counter by one, and the log's newest record is its amount."""

    def __init__(self, memory: CardMemory) -> None:
        self._memory = memory
        directory = next(d for d in FileSystem(Store(memory)).directories if d.purse is not None)
        assert directory.purse is not None
        self._purse, self._log = directory.purse, directory.by_sfi[names.SFI_LOG]
        self._last = self._values()

    def _values(self) -> tuple[int, int, int]:
        at = self._purse.offset
        cells = self._memory._cells[at : at + 8]  # the memory may have no power just now
        return int.from_bytes(cells[:4], "big"), int.from_bytes(cells[4:6], "big"), int.from_bytes(cells[6:8], "big")

    def _newest(self) -> Any:
        cells, at = self._memory._cells, self._log.offset
        index = (cells[at] - 1) % self._log.count
        start = at + 2 + index * self._log.record_length
        return LOG_RECORD.decode(bytes(cells[start : start + self._log.record_length]))

    def follow(self, raw: bytes) -> None:
        now, last = self._values(), self._last
        if now == last:
            return
        self._last = now
        record = self._newest()
        grown = (now[1] - last[1], now[2] - last[2])
        sequence = last[1] if grown == (1, 0) else last[2]
        change = abs(now[0] - last[0])
        if grown not in ((1, 0), (0, 1)) or (record.sequence, record.amount_minor) != (sequence, change):
            raise Finding(f"after {raw.hex()} the purse went from {last} to {now}, and the log says {record}")
        if now[0] > self._purse.extra:
            raise Finding(f"after {raw.hex()} the purse holds {now[0]}, above its limit")


def sound(memory: CardMemory) -> None:
    """Everything that the card's own tables promise about the cells."""
    store = Store(memory)
    system = FileSystem(store)
    if store.heap_end > memory.size:
        raise Finding("the heap ends behind the memory")
    for directory in system.directories:
        if store.read(directory.offset, 1)[0] > 2:
            raise Finding(f"{directory.name.hex()} has no such lock")
        for file in directory.files.values():
            _sound_file(store, file)
        for kind, key_id in directory.keys:
            key = system.key(directory, kind, key_id)
            if key is None or (key.counter != UNCOUNTED and key.counter & 0xF > key.counter >> 4):
                raise Finding(f"key {kind:02X}/{key_id:02X} has more tries than it may have")


def _sound_file(store: Store, file: Any) -> None:
    first, second = store.read(file.offset, 2) if file.size > 1 else b"\x00\x00"
    wrong = {
        Structure.CYCLIC: first >= max(file.count, 1) or second > file.count,
        Structure.FIXED: first >= max(file.count, 1) or second > file.count,
        Structure.VARIABLE: (first << 8 | second) + 2 > file.size,
    }
    if wrong.get(file.structure, False):
        raise Finding(f"file {file.fid:04X} has pointers out of its bounds")
