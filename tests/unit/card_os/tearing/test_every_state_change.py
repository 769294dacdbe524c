"""Power goes at every byte of every write of every state-changing command, and again at every byte of the recovery.

The card then holds the old or the new state, never a mix; no counter has gone back; of the tries at most one is lost and none
is won that was not earned; balance, log and proofs agree. The commands are the table in this folder's ``conftest.py``, where
a new one is added. A normal run cuts a sample, ``--long`` everywhere; the number of cuts is printed at the end of the run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple, get_args

import pytest

from card_os.crypto.purse import TransactionType
from card_os.engine import ByteCard, Card, PowerLost, commands, identity_commands, parsing
from card_os.engine.files import ElementaryFile, FileSystem
from card_os.engine.identity_store import ObjectStore
from card_os.engine.store import Store
from card_os.profile.files import Structure
from card_os.profile.identity import DATA_OBJECTS, KEY_SLOTS
from card_os.profile.transit import LOG_RECORD
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu
from card_os.wire.commands import ELECTRONIC_DEPOSIT, ELECTRONIC_PURSE
from card_os.wire.dialogue import CardGone
from simulator.softcard.memory import CardMemory

UNCOUNTED = 0xFF
CUTS_IN_A_SAMPLE, RECOVERIES_IN_A_SAMPLE = 300, 12
_TABLE = "tests/unit/card_os/tearing/conftest.py"


def test_every_command_of_the_closed_union_is_torn_or_shown_to_write_nothing(rows: Any, writes_nothing: Any) -> None:
    changing = {row.of for row in rows.values()}
    known = set(get_args(commands.Command) + get_args(identity_commands.IdentityCommand))
    missing = sorted(command.__qualname__ for command in known - changing - writes_nothing.keys())
    assert not missing, f"{', '.join(missing)}: give each a Row in ROWS or WRITES_NOTHING of {_TABLE}"
    assert not changing & writes_nothing.keys()


def parsed(bench: Any, row: Any, command: CommandApdu) -> object:
    """As the card will understand it: of a chain only the last part is still to come."""
    if row.on != "identity":
        return parsing.parse(command)
    begun = bytes(bench.identity.card._context.session.identity.chain)
    return identity_commands.parse_command(replace(command, data=begun + command.data))


def test_a_row_tears_the_command_it_names(bench: Any, changing: Any) -> None:
    at = bench()
    command = changing.prepare(at)
    assert isinstance(parsed(at, changing, command), changing.of)


def test_a_command_that_is_not_torn_writes_nothing(bench: Any, quiet: Any) -> None:
    at = bench()
    desk, command = getattr(at, quiet.on), quiet.prepare(at)
    assert isinstance(parsed(at, quiet, command), quiet.of)
    before = at.memories[quiet.on].record()
    desk.send(command)
    assert at.memories[quiet.on].writes == []
    assert at.memories[quiet.on].content == before


class Held(NamedTuple):
    """``state`` is everything on the card but the tries left, ``tries`` those by key, ``counters`` what must never fall."""

    state: object
    tries: dict[object, int]
    counters: dict[object, int]


def held(memory: CardMemory) -> Held:
    """After power-up. Two cards of equal state answer every command alike."""
    store = Store(memory)
    system = FileSystem(store)
    state: list[object] = [store.heap_end]
    tries: dict[object, int] = {}
    counters: dict[object, int] = {"end of the heap": store.heap_end}
    for directory in system.directories:
        state.append((directory.fid, directory.name, store.read(directory.offset, 1)))
        state += [(f, body(store, f)) for f in directory.files.values()]
        for kind, key_id in directory.keys:
            key = system.key(directory, kind, key_id)
            assert key is not None
            tries[directory.fid, kind, key_id] = key.counter if key.counter == UNCOUNTED else key.counter & 0xF
            state.append((kind, key_id, replace(key, counter=key.counter >> 4), bytes(key.value)))
        for purse in directory.purses.values():
            for at in (4, 6):
                counters[directory.fid, purse.fid, at] = int.from_bytes(store.read(purse.offset + at, 2), "big")
        number = directory.by_sfi.get(names.SFI_SAM_TRANSACTION_NUMBER)
        if number is not None and number.structure is Structure.TRANSPARENT:
            counters[directory.fid, number.fid] = int.from_bytes(store.read(number.offset, number.size), "big")
    return Held(tuple(state), tries, counters)


def body(store: Store, file: ElementaryFile) -> object:
    """What the file holds; of a container only what its entries reach, as the pages of a torn write are nobody's."""
    if file.structure is not Structure.CONTAINER:
        return store.read(file.offset, file.size)
    objects = ObjectStore(store, file)
    return [(tag, objects.read(tag)) for tag in (*DATA_OBJECTS, *KEY_SLOTS)]


def performed(bench: Any, row: Any) -> tuple[bytes, Any]:
    """The cells before the row's command, and the memory with what it wrote."""
    desk, memory = getattr(bench, row.on), bench.memories[row.on]
    command = row.prepare(bench)
    before = memory.record()
    desk.send(command, row.sw)
    return before, memory


def cuts_of(writes: list[tuple[int, bytes]]) -> int:
    return sum(len(data) for _, data in writes)


def torn(before: bytes, writes: list[tuple[int, bytes]], cut: int, *, spoil: bool) -> bytes:
    """The cells where power goes after ``cut`` bytes of ``writes``."""
    memory = CardMemory(before)
    memory.cut_after(cut, spoil=spoil)
    with suppress(PowerLost):
        for offset, data in writes:
            memory.write(offset, data)
    return memory.content


def chosen(count: int, at_most: int) -> Iterator[int]:
    """All of ``range(count)``, or a sample with both ends: every k-th with k odd, so that each field is hit somewhere."""
    step = 1 if count <= at_most else count // at_most | 1
    yield from sorted({*range(0, count, step), count - 1})


def recoveries(recorder: Any, cells: bytes, at_most: int, *, spoil: bool) -> Iterator[bytes]:
    """The cells where power goes again while the card starts, at each byte that it writes then."""
    memory = recorder(cells)
    Store(memory)
    for cut in chosen(cuts_of(memory.writes), at_most) if memory.writes else ():
        yield torn(cells, memory.writes, cut, spoil=spoil)


# By purse: on-line and off-line types of its log (standards.md §1.2); loads add, an overdraft limit only lends.
PURSES = {ELECTRONIC_PURSE: ({2}, {6, 9}), ELECTRONIC_DEPOSIT: ({1, 3, 7}, {4, 5})}
_SIGNS = {TransactionType.LOAD: 1, TransactionType.DEPOSIT_LOAD: 1, TransactionType.OVERDRAFT: 0}


def agree(kit: Any, cells: bytes) -> None:
    """What a terminal can ask: balance, log and proofs tell one story, and it is the counters' too."""
    desk = kit.Desk(Card(CardMemory(cells), kit.counting_random()))
    if desk.card.transmit(cmd.select_name(names.TRANSIT_AID)).sw.value != 0x9000:
        return  # locked: it tells nothing
    purse_agrees(kit, desk, ELECTRONIC_PURSE, names.SFI_LOG)
    if desk.card.transmit(cmd.get_balance(purse=ELECTRONIC_DEPOSIT)).sw.value == 0x9000:
        purse_agrees(kit, desk, ELECTRONIC_DEPOSIT, kit.DEPOSIT_LOG)


def purse_agrees(kit: Any, desk: Any, purse: int, log_sfi: int) -> None:
    log = list(records(desk, log_sfi))
    asks = (cmd.initialize_for_load, cmd.initialize_for_purchase)
    for kinds, ask in zip(PURSES[purse], asks, strict=True):
        answer = desk.send(ask(key_id=1, amount_minor=0, terminal=kit.TERMINAL, purse=purse))
        counted = int.from_bytes(answer[4:6], "big")
        entries = [entry for entry in log if entry.type in kinds]
        assert [e.sequence for e in entries] == [counted - 1 - n for n in range(len(entries))]
        if entries:
            desk.send(cmd.get_transaction_prove(transaction_type=entries[0].type, sequence=entries[0].sequence))
        for kind in kinds:
            desk.send(cmd.get_transaction_prove(transaction_type=kind, sequence=counted), 0x9406)
    if len(log) < 10:  # nothing has been written over yet: the log adds up
        used, own = (int.from_bytes(desk.send(cmd.get_balance(purse=purse, value=n)), "big") for n in (2, 3))
        assert own - used == sum(_SIGNS.get(e.type, -1) * e.amount_minor for e in log)


def records(desk: Any, sfi: int) -> Iterator[Any]:
    for number in range(1, 11):
        answer = desk.card.transmit(cmd.read_record(sfi, number))
        if answer.sw.value != 0x9000:
            return
        yield LOG_RECORD.decode(answer.data)


class Judge:
    """Looks at each distinct content once."""

    def __init__(self, kit: Any, row: Any, before: bytes, after: bytes) -> None:
        self._kit, self._row = kit, row
        self.old, self.new = held(CardMemory(before)), held(CardMemory(after))
        self._known: dict[bytes, bool] = {}

    def is_new(self, cells: bytes) -> bool:
        """Fails where the card is neither old nor new."""
        name = hashlib.sha256(cells).digest()
        if name not in self._known:
            self._known[name] = self._judge(cells)
        return self._known[name]

    def _judge(self, cells: bytes) -> bool:
        memory = CardMemory(cells)
        now = held(memory)
        assert now.state in (self.old.state, self.new.state), "a mix"
        assert all(now.counters[name] >= old for name, old in self.old.counters.items()), "a counter went back"
        for key, left in now.tries.items():
            before = self.old.tries.get(key, left)
            assert left in (before, before - 1, self.new.tries.get(key)), f"tries of {key}: {before}, then {left}"
        assert held(memory) == now, "a second start changes nothing"
        if self._row.on == "card":
            agree(self._kit, memory.content)
        return now.state == self.new.state


@pytest.mark.parametrize("spoil", [False, True], ids=["clean", "spoilt cell"])
def test_old_or_new_at_every_byte(
    kit: Any,
    bench: Any,
    changing: Any,
    spoil: bool,
    pytestconfig: pytest.Config,
    record_property: Callable[[str, object], None],
) -> None:
    everywhere = bool(pytestconfig.getoption("--long"))
    before, memory = performed(bench(), changing)
    count = cuts_of(memory.writes)
    assert count
    judge = Judge(kit, changing, before, memory.content)
    verdicts, cuts = [], 0
    for cut in chosen(count, count if everywhere else CUTS_IN_A_SAMPLE):
        cells = torn(before, memory.writes, cut, spoil=spoil)
        verdicts.append(judge.is_new(cells))
        again = recoveries(type(memory), cells, count if everywhere else RECOVERIES_IN_A_SAMPLE, spoil=spoil)
        cuts += 1
        for torn_again in again:
            assert judge.is_new(torn_again) is verdicts[-1], f"recovery torn after a cut at {cut}"
            cuts += 1
    record_property("cuts", cuts)
    if judge.old.state != judge.new.state:
        assert verdicts == sorted(verdicts), "once it is new it stays new"
        assert set(verdicts) == {False, True}


def test_the_reader_sees_the_card_go_and_nothing_of_it_until_reset(bench: Any, changing: Any) -> None:
    """The same cut made for real: the cells are those that the sweep above has judged."""
    before, recorded = performed(bench(), changing)
    for cut in chosen(cuts_of(recorded.writes), 5):
        at = bench()
        card, memory = ByteCard(getattr(at, changing.on).card), at.memories[changing.on]
        sent = changing.prepare(at).encode()
        memory.cut_after(cut)
        with pytest.raises(PowerLost):
            card.transmit(sent)
        with pytest.raises(CardGone):
            card.transmit(sent)
        memory.restore_power()
        assert memory.content == torn(before, recorded.writes, cut, spoil=False)
        assert card.reset() == card.atr
