"""Power goes at every byte of what the issuer and the holder change: files, keys, PIN, lock, and the PSAM's own number.

Everything but the tries left is the old or the new state; of the tries at most one is lost, and none is ever won."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from card_os.crypto.mac import fold
from card_os.crypto.secure_messaging import with_mac
from card_os.crypto.suites import TRIPLE_DES
from card_os.engine import Card, PowerLost
from card_os.engine.files import FileSystem
from card_os.engine.store import Store
from card_os.profile import personalisation as perso
from card_os.profile.files import KeySpec, KeyType, Structure
from card_os.profile.transit import TRANSIT
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu
from simulator.softcard.memory import CardMemory

UNCOUNTED = 0xFF
KEY = KeySpec(label="purchase", type=KeyType.PURCHASE, id=1, version=2)
FILE = replace(TRANSIT.file(names.SFI_PUBLIC), fid=0x0013, size=20)
NEW_PIN = bytes.fromhex("654321")


def holdings(memory: CardMemory) -> tuple[Any, dict[Any, int]]:
    """All that the card holds after power-up, and apart from it the tries left of each key and PIN."""
    store = Store(memory)
    system = FileSystem(store)
    held: list[Any] = []
    tries: dict[Any, int] = {}
    for directory in system.directories:
        held.append((directory.fid, directory.name, store.read(directory.offset, 1)))
        held += [(f.fid, f.structure, f.size, store.read(f.offset, f.size)) for f in directory.files.values()]
        for kind, key_id in directory.keys:
            key = system.key(directory, kind, key_id)
            assert key is not None
            tries[directory.fid, kind, key_id] = key.counter if key.counter == UNCOUNTED else key.counter & 0xF
            held.append((kind, key_id, replace(key, counter=key.counter >> 4)))
    return tuple(held), tries


def opened(desk: Any, kit: Any) -> None:
    desk.authenticate(names.KEY_MASTER_FILE, kit.child("maintenance"))
    desk.send(cmd.select_name(names.TRANSIT_AID))


def keyed(desk: Any, kit: Any, key: KeySpec, **options: Any) -> CommandApdu:
    opened(desk, kit)
    challenge = desk.send(cmd.get_challenge(8))
    return perso.write_key(key, b"K" * 16, line_key=kit.child("maintenance"), challenge=challenge, **options)


def create(desk: Any, kit: Any) -> CommandApdu:
    opened(desk, kit)
    return perso.create_file(FILE)


def change_pin(desk: Any, kit: Any) -> CommandApdu:
    desk.send(cmd.select_name(names.TRANSIT_AID))
    return CommandApdu(0x80, 0x5E, 0x01, names.PIN, kit.PIN + b"\xff" + NEW_PIN)


def reload_pin(desk: Any, kit: Any) -> CommandApdu:
    desk.send(cmd.select_name(names.TRANSIT_AID))
    mac = TRIPLE_DES.transaction_mac(fold(kit.child("pin-reload")), NEW_PIN)
    return CommandApdu(0x80, 0x5E, 0x00, names.PIN, NEW_PIN + mac)


def block(desk: Any, kit: Any) -> CommandApdu:
    desk.send(cmd.select_name(names.TRANSIT_AID))
    challenge = desk.send(cmd.get_challenge(8))
    return with_mac(CommandApdu(0x84, 0x1E, 0, 0), kit.child("maintenance"), challenge=challenge)


def authenticate(desk: Any, kit: Any) -> CommandApdu:
    """Changes nothing but tries."""
    desk.send(cmd.select_name(names.TRANSIT_AID))
    challenge = desk.send(cmd.get_challenge(8))
    cryptogram = kit.external_cryptogram(kit.child("application"), challenge)
    return cmd.external_authenticate(names.KEY_APPLICATION, cryptogram)


COMMANDS: dict[str, Callable[[Any, Any], CommandApdu]] = {
    "CREATE FILE": create,
    "WRITE KEY, a new one": lambda desk, kit: keyed(desk, kit, replace(KEY, id=2)),
    "WRITE KEY, replaced": lambda desk, kit: keyed(desk, kit, KEY, update=True),
    "CHANGE PIN": change_pin,
    "RELOAD PIN": reload_pin,
    "APP BLOCK": block,
    "EXTERNAL AUTHENTICATE": authenticate,
}


def lost(before: dict[Any, int], after: dict[Any, int]) -> int:
    """Tries lost in all; a try won is a failure."""
    differences = [before[key] - after[key] for key in before]
    assert min(differences) >= 0
    return sum(differences)


@pytest.mark.parametrize("spoil", [False, True], ids=["clean", "spoilt cell"])
@pytest.mark.parametrize("name", COMMANDS)
def test_old_or_new_at_every_byte_and_no_try_won(card_memory: CardMemory, kit: Any, name: str, spoil: bool) -> None:
    image = card_memory.content

    def ready() -> tuple[CardMemory, Any, CommandApdu]:
        memory = CardMemory(image)
        desk = kit.Desk(Card(memory, kit.counting_random()))
        return memory, desk, COMMANDS[name](desk, kit)

    old, full = holdings(card_memory)
    memory, desk, command = ready()
    desk.send(command)
    new, restored = holdings(memory)
    assert all(restored[key] == full[key] for key in full)
    assert (old == new) is (name == "EXTERNAL AUTHENTICATE")
    seen = []
    for cut in range(10_000):
        memory, desk, command = ready()
        memory.cut_after(cut, spoil=spoil)
        try:
            desk.send(command)
            break
        except PowerLost:
            memory.restore_power()
        held, tries = holdings(memory)
        assert held in (old, new), f"mixed state after {cut} bytes"
        assert lost(full, tries) <= 1
        seen.append(held)
    else:
        pytest.fail("the command never finished")
    assert seen[0] == old
    assert seen[-1] == new
    # Once it is new it stays new: nothing goes back.
    assert seen == [old] * seen.count(old) + [new] * seen.count(new) or old == new


def test_a_pin_torn_while_changing_opens_with_exactly_one_of_the_two(card_memory: CardMemory, kit: Any) -> None:
    image, answers = card_memory.content, set()
    for cut in range(10_000):
        memory = CardMemory(image)
        desk = kit.Desk(Card(memory, kit.counting_random()))
        command = change_pin(desk, kit)
        memory.cut_after(cut)
        try:
            desk.send(command)
            break
        except PowerLost:
            memory.restore_power()
        desk.card.reset()
        desk.send(cmd.select_name(names.TRANSIT_AID))
        verdicts = tuple(desk.card.transmit(cmd.verify_pin(names.PIN, pin)).sw.value for pin in (kit.PIN, NEW_PIN))
        assert verdicts.count(0x9000) == 1, f"after {cut} bytes: {verdicts}"
        answers.add(verdicts.index(0x9000))
    assert answers == {0, 1}


def test_a_psams_number_is_counted_once_or_not(transit_sam: Any, card_memory: CardMemory, kit: Any) -> None:
    image = transit_sam.card._memory.content

    def number(desk: Any) -> int:
        system = FileSystem(Store(CardMemory(desk.card._memory.content)))
        file = next(d for d in system.directories if d.fid == names.TRANSIT_SAM_DF).by_sfi[
            names.SFI_SAM_TRANSACTION_NUMBER
        ]
        assert file.structure is Structure.TRANSPARENT
        return int.from_bytes(system.store.read(file.offset, file.size), "big")

    numbers = []
    for cut in range(1000):
        card = kit.Desk(Card(CardMemory(card_memory.content), kit.counting_random()))
        sam = kit.Desk(Card(CardMemory(image), kit.counting_random()))
        card.send(cmd.select_name(names.TRANSIT_AID))
        sam.send(cmd.select_fid(names.TRANSIT_SAM_DF))
        debited = cmd.Debited.parse_debit(card.send(kit.begin_purchase(card, sam, 0)))
        sam.card._memory.cut_after(cut)
        try:
            sam.send(cmd.sam_credit_for_purchase(debited.mac2))
            break
        except PowerLost:
            sam.card._memory.restore_power()
        sam.card.reset()
        numbers.append(number(sam))
    assert numbers == sorted(numbers)
    assert set(numbers) == {0, 1}
