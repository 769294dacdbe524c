"""Eight virtual cards at once: inserted, swapped, pulled while somebody watches and somebody else talks to them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from card_os.wire import commands
from card_os.wire import identifiers as names
from card_os.wire.dialogue import CardGone
from hardware.readers.drive import exchange
from hardware.readers.pcsc import PcscConnection, ReaderChange, ReaderMonitor, ReaderUnusable
from simulator.softcard.daemon import VirtualSlot
from simulator.softcard.vpcd import VirtualReader

pytestmark = pytest.mark.needs_pcsc

LIMIT_S = 10.0
STEP_S = 0.5


@pytest.fixture
def slots(readers) -> tuple[VirtualSlot, ...]:
    return tuple(slot for pair in readers.pairs for slot in (pair.card, pair.sam))


@pytest.fixture
def fields(slots) -> Iterator[tuple[VirtualReader, ...]]:
    with ExitStack() as stack:
        yield tuple(stack.enter_context(VirtualReader(slot.port)) for slot in slots)


@pytest.fixture
def monitor(slots) -> Iterator[ReaderMonitor]:
    with ReaderMonitor(slot.reader for slot in slots) as watching:
        left = {change.reader for change in watching.changes(0)}  # cards of the test before, on their way out
        deadline = time.monotonic() + LIMIT_S
        while left and time.monotonic() < deadline:
            left -= {change.reader for change in watching.changes(STEP_S) if change.atr is None}
        yield watching


def seen(monitor: ReaderMonitor, count: int) -> list[ReaderChange]:
    """The next ``count`` changes, or as many as came in time."""
    found: list[ReaderChange] = []
    deadline = time.monotonic() + LIMIT_S
    while len(found) < count and time.monotonic() < deadline:
        found += monitor.changes(STEP_S)
    return found


def serial(connection: PcscConnection) -> str:
    exchange(connection, commands.select_name(names.TRANSIT_AID))
    return exchange(connection, commands.read_binary(names.SFI_PUBLIC)).data[10:20].hex()


def insert_all(fields, make_card, first: int = 1) -> list[bytes]:
    cards = [make_card(number) for number in range(first, first + len(fields))]
    for field, card in zip(fields, cards, strict=True):
        field.insert(card)
    return [card.atr for card in cards]


def test_eight_cards_come_and_go_before_a_watchers_eyes(slots, fields, monitor, make_card):
    atrs = insert_all(fields, make_card)
    came = {change.reader: change.atr for change in seen(monitor, 8)}
    assert came == {slot.reader: atr for slot, atr in zip(slots, atrs, strict=True)}
    for field in fields:
        field.remove()
    gone = seen(monitor, 8)
    assert sorted(gone, key=lambda change: change.reader) == [
        ReaderChange(reader, None) for reader in sorted(slot.reader for slot in slots)
    ]
    assert monitor.changes(STEP_S) == ()


def test_one_card_of_eight_is_swapped(slots, fields, monitor, make_card):
    insert_all(fields, make_card)
    assert len(seen(monitor, 8)) == 8
    fields[3].remove()
    newcomer = make_card(99)
    fields[3].insert(newcomer)
    reader = slots[3].reader
    assert seen(monitor, 2) == [ReaderChange(reader, None), ReaderChange(reader, newcomer.atr)]


def test_a_swap_between_two_looks_is_told_as_gone_and_come(slots, fields, make_card):
    fields[0].insert(make_card(1))
    with ReaderMonitor([slots[0].reader]) as monitor, ReaderMonitor([slots[0].reader]) as impatient:
        assert len(seen(monitor, 1)) == 1
        assert len(seen(impatient, 1)) == 1
        fields[0].remove()
        assert seen(impatient, 1) == [ReaderChange(slots[0].reader, None)]
        fields[0].insert(make_card(2))
        assert seen(impatient, 1) == [ReaderChange(slots[0].reader, make_card(2).atr)]
        assert seen(monitor, 2) == [
            ReaderChange(slots[0].reader, None),
            ReaderChange(slots[0].reader, make_card(2).atr),
        ]


def test_eight_cards_answer_side_by_side(slots, fields, monitor, make_card):
    insert_all(fields, make_card)
    assert len(seen(monitor, 8)) == 8
    with ExitStack() as stack:
        connections = [stack.enter_context(PcscConnection(slot.reader, wait_s=LIMIT_S)) for slot in slots]
        for _ in range(3):
            assert [serial(each)[-2:] for each in connections] == [f"0{number}" for number in range(1, 9)]


def test_a_terminal_at_each_reader_while_cards_are_pulled(slots, fields, monitor, make_card):
    """Eight terminals read without pause; half of the cards are pulled; those terminals are told so, the others go on."""
    insert_all(fields, make_card)
    assert len(seen(monitor, 8)) == 8
    stop = threading.Event()
    counts, ends = [0] * 8, [""] * 8

    def terminal(place: int) -> None:
        with PcscConnection(slots[place].reader, wait_s=LIMIT_S) as connection:
            try:
                while not stop.is_set():
                    assert serial(connection).endswith(str(place + 1))
                    counts[place] += 1
                ends[place] = "stopped"
            except CardGone:
                ends[place] = "gone"

    threads = [threading.Thread(target=terminal, args=(place,), daemon=True) for place in range(8)]
    for thread in threads:
        thread.start()
    assert come_true(lambda: min(counts) >= 3)
    for field in fields[4:]:
        field.remove()
    assert {change.reader for change in seen(monitor, 4)} == {slot.reader for slot in slots[4:]}
    before = counts[:4]
    assert come_true(lambda: all(now > then + 3 for now, then in zip(counts, before, strict=False)))
    stop.set()
    for thread in threads:
        thread.join(LIMIT_S)
    assert ends == ["stopped"] * 4 + ["gone"] * 4


def come_true(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + LIMIT_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_a_watcher_of_unknown_readers_is_told_which_there_are(slots):
    with pytest.raises(ReaderUnusable, match=f"no reader is called nowhere; there are: .*{slots[0].reader}"):
        ReaderMonitor([slots[0].reader, "nowhere"])


KILLED = """
import sys
from simulator.softcard.daemon import DaemonUnavailable, private_readers
from simulator.softcard.demonstration import demonstration_card
from simulator.softcard.vpcd import VirtualReader
try:
    with private_readers(4) as running:
        for number, pair in enumerate(running.pairs):
            for slot in (pair.card, pair.sam):
                VirtualReader(slot.port).insert(demonstration_card(number + 1))
        print("ready", flush=True)
        sys.stdin.read()
except DaemonUnavailable as missing:
    print(missing, flush=True)
"""


def test_eight_cards_and_their_daemon_end_with_a_killed_process(readers):
    with tempfile.TemporaryDirectory(prefix="cc-") as folder:
        Path(folder).chmod(0o755)
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": folder},
        )
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        assert daemons_on(folder)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=LIMIT_S)
        assert come_true(lambda: not daemons_on(folder))


def daemons_on(folder: str) -> list[str]:
    """Command lines of running programs that have to do with ``folder``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\x00", b" ").decode(errors="replace")
        except OSError:  # ended meanwhile
            continue
        if folder in line and "pcscd" in line.split(" ", 1)[0]:
            found.append(line)
    return found
