"""Every way to present a PIN or to use a counted key: the try is on the card before anything is compared, outlives reset and
power loss, and after the last one the right value comes too late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from card_os.crypto.secure_messaging import enciphered, with_mac
from card_os.crypto.suites import TRIPLE_DES
from card_os.engine import PowerLost
from card_os.engine.files import FileSystem
from card_os.engine.store import Store
from card_os.profile import personalisation as perso
from card_os.profile.files import KeySpec, KeyType
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu
from simulator.softcard.memory import CardMemory

SPENT_BY = (
    12  # bytes: journal head 6, one entry of 5, commit byte: from here on the try is gone, and nothing was compared
)
WRONG = b"W" * 16


@dataclass(frozen=True)
class Path:
    """``command(desk, kit, key)`` makes the command; with the right key (or PIN) it succeeds. ``counted`` is the key whose
    tries it takes, in the DF ``where``."""

    command: Callable[[Any, Any, bytes], CommandApdu]
    counted: tuple[KeyType, int]
    label: str
    wrong: int
    where: int = names.TRANSIT_DF


def mac(build: Callable[[Any], CommandApdu]) -> Callable[[Any, Any, bytes], CommandApdu]:
    return lambda desk, kit, key: with_mac(build(kit), key, challenge=desk.send(cmd.get_challenge(8)))


def opened(command: Callable[[Any, Any, bytes], CommandApdu]) -> Callable[[Any, Any, bytes], CommandApdu]:
    """With the right to write, so that only the MAC is in question."""

    def made(desk: Any, kit: Any, key: bytes) -> CommandApdu:
        desk.authenticate(names.KEY_APPLICATION, kit.child("application"))
        return command(desk, kit, key)

    return made


def external(desk: Any, kit: Any, key: bytes) -> CommandApdu:
    return cmd.external_authenticate(1, kit.external_cryptogram(key, desk.send(cmd.get_challenge(8))))


def reload(desk: Any, kit: Any, key: bytes) -> CommandApdu:
    return CommandApdu(0x80, 0x5E, 0, 0, kit.PIN + TRIPLE_DES.tac(key, kit.PIN))


def unblock(desk: Any, kit: Any, key: bytes) -> CommandApdu:
    return mac(lambda kit: CommandApdu(0x84, 0x24, 0, 0, enciphered(key, kit.PIN)))(desk, kit, key)


def write_key(desk: Any, kit: Any, key: bytes) -> CommandApdu:
    desk.send(cmd.select_fid(names.MASTER_FILE))
    desk.authenticate(names.KEY_MASTER_FILE, kit.child("maintenance"))
    desk.send(cmd.select_name(names.TRANSIT_AID))
    spec = KeySpec(label="purchase", type=KeyType.PURCHASE, id=7)
    return perso.write_key(spec, b"N" * 16, line_key=key, challenge=desk.send(cmd.get_challenge(8)))


LINE = (KeyType.LINE_PROTECTION, 0)
PATHS = {
    "VERIFY": Path(lambda desk, kit, pin: cmd.verify_pin(0, pin[:3]), (KeyType.PIN, 0), "", 0x63C2),
    "CHANGE PIN": Path(
        lambda desk, kit, pin: CommandApdu(0x80, 0x5E, 1, 0, pin[:3] + b"\xff" + kit.PIN), (KeyType.PIN, 0), "", 0x63C2
    ),
    "RELOAD PIN": Path(reload, (KeyType.PIN_RELOAD, 0), "pin-reload", 0x63C4),
    "PIN UNBLOCK": Path(unblock, (KeyType.PIN_UNBLOCK, 0), "pin-unblock", 0x6988),
    "EXTERNAL AUTHENTICATE": Path(external, (KeyType.EXTERNAL, 1), "application", 0x63C4),
    "UPDATE BINARY": Path(opened(mac(lambda kit: cmd.update_binary(0x17, b"x"))), LINE, "maintenance", 0x6988),
    "UPDATE RECORD": Path(opened(mac(lambda kit: cmd.update_record(0x1A, 1, bytes(128)))), LINE, "maintenance", 0x6988),
    "APPEND RECORD": Path(opened(mac(lambda kit: cmd.append_record(0x1E, bytes(48)))), LINE, "maintenance", 0x6988),
    "READ BINARY": Path(mac(lambda kit: cmd.read_binary(0x15)), LINE, "maintenance", 0x6988),
    "READ RECORD": Path(mac(lambda kit: cmd.read_record(0x1A, 1)), LINE, "maintenance", 0x6988),
    "APPLICATION BLOCK": Path(mac(lambda kit: CommandApdu(0x84, 0x1E, 0, 0)), LINE, "maintenance", 0x6988),
    "APPLICATION UNBLOCK": Path(mac(lambda kit: CommandApdu(0x84, 0x18, 0, 0)), LINE, "maintenance", 0x6988),
    "CARD BLOCK": Path(mac(lambda kit: CommandApdu(0x84, 0x16, 0, 0)), LINE, "maintenance", 0x6988, names.MASTER_FILE),
    "WRITE KEY": Path(write_key, LINE, "maintenance", 0x6988, names.MASTER_FILE),
}


@pytest.fixture(params=PATHS.values(), ids=PATHS)
def path(request) -> Path:
    return request.param


def right(path: Path, kit: Any) -> bytes:
    return kit.child(path.label) if path.label else kit.PIN


def left(memory: CardMemory, path: Path) -> int:
    """As it stands in the memory, after power-up."""
    system = FileSystem(Store(CardMemory(memory.content)))
    directory = next(one for one in system.directories if one.fid == path.where)
    key = system.key(directory, *path.counted)
    assert key is not None
    return key.counter & 0xF


def begin(card: Any) -> None:
    card.card.reset()
    card.send(cmd.select_name(names.TRANSIT_AID))


def test_a_wrong_one_costs_a_try_and_a_right_one_gives_them_back(card, card_memory, kit, path):
    full = left(card_memory, path)
    begin(card)
    card.send(path.command(card, kit, WRONG), path.wrong)
    assert left(card_memory, path) == full - 1
    begin(card)
    assert left(card_memory, path) == full - 1, "reset gives nothing back"
    card.card.transmit(path.command(card, kit, right(path, kit)))
    assert left(card_memory, path) == full


@pytest.mark.parametrize("wrong", [True, False], ids=["wrong", "right"])
def test_the_try_is_gone_before_anything_is_compared(card, card_memory, kit, path, wrong):
    full = left(card_memory, path)
    begin(card)
    command = path.command(card, kit, WRONG if wrong else right(path, kit))
    card_memory.cut_after(SPENT_BY)
    with pytest.raises(PowerLost):
        card.card.transmit(command)
    card_memory.restore_power()
    assert left(card_memory, path) == full - 1
    begin(card)
    assert left(card_memory, path) == full - 1


def test_after_the_last_try_the_right_one_comes_too_late(card, card_memory, kit, path):
    for remaining in range(left(card_memory, path) - 1, -1, -1):
        begin(card)
        answer = card.card.transmit(path.command(card, kit, WRONG)).sw.value
        assert answer == (0x6988 if path.wrong == 0x6988 else 0x63C0 | remaining)
    begin(card)
    card.send(path.command(card, kit, right(path, kit)), 0x6983)
    assert left(card_memory, path) == 0


def test_a_wrong_pin_is_never_looked_at_when_none_is_left(card, card_memory, kit):
    """Blocked in one DF, and still nothing is written: the counter cannot run under."""
    begin(card)
    for _ in range(3):
        card.card.transmit(cmd.verify_pin(0, b"99"))
    before = card_memory.content
    for _ in range(3):
        card.send(cmd.verify_pin(0, b"99"), 0x6983)
        card.send(cmd.verify_pin(0, kit.PIN), 0x6983)
    assert card_memory.content == before


def test_an_uncounted_key_says_6300(card, kit):
    """Counter FF: tries without end are told as a plain failure."""
    card.authenticate(names.KEY_MASTER_FILE, kit.child("maintenance"))
    card.send(cmd.select_name(names.TRANSIT_AID))
    spec = next(key for key in kit.CITIZEN_CARD.applications[0].keys if key.type is KeyType.EXTERNAL)
    card.write_key(replace(spec, id=9, tries=0), b"U" * 16, kit.child("maintenance"))
    for _ in range(8):
        card.send(cmd.get_challenge(8))
        card.send(cmd.external_authenticate(9, bytes(8)), 0x6300)
