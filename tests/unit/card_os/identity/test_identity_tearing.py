"""Power goes at every byte of every write of the identity application: old or new content, and never a try won."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from card_os.engine import PowerLost
from card_os.engine.store import Store
from card_os.profile.identity import DATA_OBJECTS
from card_os.wire import identity as wire
from card_os.wire.apdu import CommandApdu
from simulator.softcard.memory import CardMemory

CHUID, CERTIFICATE = 0x5FC102, 0x5FC105
PIN, PUK, NEW, WRONG = (wire.padded(text) for text in ("123456", "12345678", "654321", "000000"))
ALWAYS_READ = [tag for tag in DATA_OBJECTS if tag != 0x5FC109]
MOST_WRITES = 100_000


def contents(desk: Any) -> tuple[bytes, ...]:
    """Every object that is free to read, and what 9E signs (its key, as far as anybody can see it)."""
    desk.reset()
    answers = [desk.ask(wire.get_data(tag)) for tag in ALWAYS_READ]
    for algorithm, block in ((0x11, bytes(32)), (0x07, b"\x02".rjust(256, b"\x00"))):
        parts = wire.sign(algorithm, 0x9E, block)
        answers += [desk.ask(part) for part in parts][-1:]
    return tuple(answer.data + answer.sw.to_bytes() for answer in answers)


CHANGES: dict[str, Callable[[], tuple[CommandApdu, ...]]] = {
    "PUT DATA, new": lambda: wire.put_data(CERTIFICATE, b"c" * 300),
    "PUT DATA, longer": lambda: wire.put_data(CHUID, b"n" * 520),
    "PUT DATA, removed": lambda: wire.put_data(CHUID, b""),
    "GENERATE, P-256 for P-256": lambda: (wire.generate_key_pair(0x9E, 0x11),),
    "GENERATE, RSA for P-256": lambda: (wire.generate_key_pair(0x9E, 0x07),),
}


@pytest.fixture
def filled(desk) -> bytes:
    desk.manage()
    desk.send(*wire.put_data(CHUID, b"o" * 300))
    desk.generate(0x9E, 0x11)
    return desk.memory.content


@pytest.mark.parametrize("spoil", [False, True], ids=["clean", "spoilt cell"])
@pytest.mark.parametrize("name", CHANGES)
def test_old_or_new_content_at_every_byte(filled, identity_kit, record_property, name, spoil):
    def fresh() -> Any:
        """Managed, everything of the command sent but its last part; a key maker whose next key is always the same."""
        desk = identity_kit.powered(filled)
        desk.card.transmit(wire.GET_VERSION)
        desk.manage()
        for part in parts[:-1]:
            desk.send(part)
        return desk

    parts = CHANGES[name]()
    old = contents(identity_kit.powered(filled))
    done = fresh()
    answer = done.send(parts[-1])
    new = contents(done)
    seen = {new}
    for cut in range(MOST_WRITES):
        desk = fresh()
        desk.memory.cut_after(cut, spoil=spoil)
        try:
            assert desk.send(parts[-1]) == answer
            break
        except PowerLost:
            desk.memory.restore_power()
        torn = contents(desk)
        assert torn in (old, new), f"mixed content after {cut} bytes"
        seen.add(torn)
    else:
        pytest.fail("the command never finished")
    assert seen == {old, new}
    record_property("cuts", cut)


def test_the_room_of_a_torn_write_is_used_again(desk, identity_kit):
    """Pages of writes that never came to their commit are free: any number of torn writes takes no room."""
    desk.manage()
    for _ in range(20):
        parts = wire.put_data(CHUID, b"x" * 3395)
        for part in parts[:-1]:
            desk.send(part)
        desk.memory.cut_after(3000)
        with pytest.raises(PowerLost):
            desk.ask(parts[-1])
        desk.memory.restore_power()
        desk.reset()
        desk.manage()
    desk.send(*wire.put_data(CHUID, b"x" * 3395))


# name: (blocked before?, command, allowed (PIN that is right, PIN tries, PUK tries) after a cut, and at the end)
Standing = tuple[bytes, int, int]
COUNTED: dict[str, tuple[bool, CommandApdu, set[Standing], Standing]] = {
    "VERIFY, right": (False, wire.verify(PIN), {(PIN, 3, 3), (PIN, 2, 3)}, (PIN, 3, 3)),
    "VERIFY, wrong": (False, wire.verify(WRONG), {(PIN, 3, 3), (PIN, 2, 3)}, (PIN, 2, 3)),
    "CHANGE, right": (
        False,
        wire.change_reference_data(wire.PIN, PIN, NEW),
        {(PIN, 3, 3), (PIN, 2, 3), (NEW, 3, 3)},
        (NEW, 3, 3),
    ),
    "CHANGE, wrong": (
        False,
        wire.change_reference_data(wire.PIN, WRONG, NEW),
        {(PIN, 3, 3), (PIN, 2, 3)},
        (PIN, 2, 3),
    ),
    "CHANGE of the PUK": (
        False,
        wire.change_reference_data(wire.PUK, PUK, NEW),
        {(PIN, 3, 3), (PIN, 3, 2)},
        (PIN, 3, 3),
    ),
    "RESET RETRY, right": (
        True,
        wire.reset_retry_counter(PUK, NEW),
        {(b"", 0, 3), (b"", 0, 2), (NEW, 3, 3)},
        (NEW, 3, 3),
    ),
    "RESET RETRY, wrong": (True, wire.reset_retry_counter(WRONG, NEW), {(b"", 0, 3), (b"", 0, 2)}, (b"", 0, 2)),
}


def standing(desk: Any) -> Standing:
    right = next((pin for pin in (PIN, NEW) if desk.knows(pin)), b"")
    return right, desk.tries(wire.PIN), desk.tries(wire.PUK)


@pytest.mark.parametrize("name", COUNTED)
def test_a_torn_command_never_wins_a_try(desk, identity_kit, record_property, name):
    blocked, command, allowed, final = COUNTED[name]
    if blocked:
        for _ in range(3):
            desk.ask(wire.verify(WRONG))
    before = desk.memory.content
    seen = set()
    for cut in range(MOST_WRITES):
        torn = identity_kit.powered(before)
        torn.memory.cut_after(cut)
        try:
            torn.ask(command)
            break
        except PowerLost:
            torn.memory.restore_power()
        torn.reset()
        seen.add(standing(torn))
    else:
        pytest.fail("the command never finished")
    assert seen == allowed
    assert standing(torn) == final
    record_property("cuts", cut)


def test_power_lost_again_while_recovering(filled, identity_kit, record_property):
    """Every byte of PUT DATA, then every byte of the recovery that follows."""
    old, parts = contents(identity_kit.powered(filled)), CHANGES["PUT DATA, new"]()

    def torn_at(cut: int) -> tuple[Any, bool]:
        desk = identity_kit.powered(filled)
        desk.manage()
        for part in parts[:-1]:
            desk.send(part)
        desk.memory.cut_after(cut)
        try:
            desk.send(parts[-1])
        except PowerLost:
            desk.memory.restore_power()
            return desk, True
        return desk, False

    done, _ = torn_at(MOST_WRITES)
    new, recoveries, cut = contents(done), 0, 0
    while (torn := torn_at(cut))[1]:
        cells = torn[0].memory.content
        for again in range(MOST_WRITES):
            memory = CardMemory(cells)
            memory.cut_after(again)
            try:
                Store(memory)
                break
            except PowerLost:
                memory.restore_power()
            recoveries += 1
            assert contents(identity_kit.powered(memory.content)) in (old, new)
        cut += 1
    assert recoveries > 100
    record_property("cuts", cut + recoveries)
