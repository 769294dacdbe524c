"""Bytes into command streams: the conversations of ``../tearing/conftest.py``, spoilt, mixed, torn, and plain noise.

Hypothesis, atheris and the kept corpus all go through ``Stream.run``. Five bytes make a step: what · which command of it ·
how it is spoilt · where · with what; a step of noise takes as many following bytes as its last one says. A stream of bytes
therefore always means the same as long as the table of conversations does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

from card_os.crypto.purse import TransactionType
from card_os.engine import ByteCard, PowerLost
from card_os.engine.files import DEPOSIT_BODY_SIZE, PURSE_BODY_SIZE, FileSystem
from card_os.engine.store import Store
from card_os.profile.files import Structure
from card_os.profile.transit import LOG_RECORD
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
        self._model = Model(self.bench)

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
    """The purses on paper: each change of one is one counter by one, and its log's newest record is the amount."""

    def __init__(self, bench: Any) -> None:
        self._memory, self._card = bench.memories["card"], bench.card.card
        self._last: dict[int, Standing] = {}
        self.follow(b"")

    def _read(self, offset: int, length: int) -> int:
        """The memory may have no power just now."""
        return int.from_bytes(self._memory._cells[offset : offset + length], "big")

    def _standing(self, purse: Any) -> Standing:
        limit = self._read(purse.offset + PURSE_BODY_SIZE, 3) if purse.size == DEPOSIT_BODY_SIZE else 0
        at = purse.offset
        return Standing(self._read(at, 4) - limit, self._read(at + 4, 2), self._read(at + 6, 2), limit)

    def _newest(self, log: Any) -> Any:
        index = (self._read(log.offset, 1) - 1) % log.count
        start = log.offset + 2 + index * log.record_length
        return LOG_RECORD.decode(bytes(self._memory._cells[start : start + log.record_length]))

    def follow(self, raw: bytes) -> None:
        """After each command, ``raw``, and each start."""
        for directory in self._card._context.files.directories:
            for purse in directory.purses.values():
                now = self._standing(purse)
                last = self._last.setdefault(purse.offset, now)
                if now != last:
                    self._last[purse.offset] = now
                    record = self._newest(directory.by_sfi[purse.count])
                    if not _explained(last, now, record) or now.own > purse.extra:
                        raise Finding(f"after {raw.hex()} the purse went from {last} to {now}; the log says {record}")


class Standing(NamedTuple):
    """``own`` is the holder's money, below 0 where overdraft is used."""

    own: int
    online: int
    offline: int
    limit: int


def _explained(last: Standing, now: Standing, record: Any) -> bool:
    online = now.online != last.online
    counted = (last.online + online, last.offline + (not online))
    sequence = last.online if online else last.offline
    lent = record.type == TransactionType.OVERDRAFT
    moved = 0 if lent else record.amount_minor
    loads = record.type in (TransactionType.LOAD, TransactionType.DEPOSIT_LOAD, TransactionType.MEDICAL_LOAD)
    return (
        (now.online, now.offline) == counted
        and record.sequence == sequence
        and now.own - last.own == (moved if loads else -moved)
        and (lent or now.limit == last.limit)
    )


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
