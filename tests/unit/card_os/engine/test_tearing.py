"""Power goes at every byte of every write of a command: the card holds the old or the new state, never a mix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from card_os.engine import Card, PowerLost
from card_os.engine.store import Store
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu
from simulator.softcard.memory import CardMemory

TRIP = bytes(range(48))
TERMINAL = bytes.fromhex("991000000042")


def state(desk) -> tuple[bytes, ...]:
    """Everything a terminal can see: balance, counters, files, proofs."""
    card = desk.card
    card.reset()

    def ask(command: CommandApdu) -> bytes:
        answer = card.transmit(command)
        return answer.data + answer.sw.to_bytes()

    ask(cmd.select_name(names.TRANSIT_AID))
    reads = [cmd.get_balance(), cmd.read_binary(0x15), cmd.read_binary(0x17)]
    reads += [cmd.read_record(sfi, number) for sfi in (0x18, 0x1A, 0x1E) for number in (1, 2, 3)]
    reads += [cmd.get_transaction_prove(transaction_type=kind, sequence=number) for kind in (2, 9) for number in (0, 1)]
    counters = [
        ask(cmd.initialize_for_load(key_id=1, amount_minor=0, terminal=TERMINAL))[4:6],
        ask(cmd.initialize_for_purchase(key_id=1, amount_minor=0, terminal=TERMINAL))[4:6],
    ]
    return (*(ask(command) for command in reads), *counters)


def loaded(desk, sam, kit) -> None:
    desk.send(cmd.select_name(names.TRANSIT_AID))
    kit.load(desk, 5000)
    kit.purchase(desk, sam, 100, trip=bytes(48))


def begin_debit(desk, sam, kit) -> CommandApdu:
    return kit.begin_purchase(desk, sam, 300, trip=TRIP)


def begin_credit(desk, sam, kit) -> CommandApdu:
    return kit.begin_load(desk, 700)


def begin_update(desk, sam, kit) -> CommandApdu:
    desk.authenticate(names.KEY_APPLICATION, kit.child("application"))
    return cmd.update_binary(0x17, bytes(range(40)))


def begin_append(desk, sam, kit) -> CommandApdu:
    desk.authenticate(names.KEY_APPLICATION, kit.child("application"))
    return cmd.append_record(0x1E, TRIP)


COMMANDS: dict[str, Callable[[Any, Any, Any], CommandApdu]] = {
    "DEBIT with two cached records": begin_debit,
    "CREDIT FOR LOAD": begin_credit,
    "UPDATE BINARY": begin_update,
    "APPEND RECORD": begin_append,
}


@pytest.mark.parametrize("spoil", [False, True], ids=["clean", "spoilt cell"])
@pytest.mark.parametrize("name", COMMANDS)
def test_old_or_new_state_at_every_byte(card, card_memory, transit_sam, kit, name, spoil):
    loaded(card, transit_sam, kit)
    image = card_memory.content

    def fresh() -> tuple[Any, CardMemory, CommandApdu]:
        memory = CardMemory(image)
        desk = kit.Desk(Card(memory, kit.counting_random()))
        desk.send(cmd.select_name(names.TRANSIT_AID))
        return desk, memory, COMMANDS[name](desk, transit_sam, kit)

    old = state(kit.Desk(Card(CardMemory(image), kit.counting_random())))
    desk, _, command = fresh()
    answer = desk.send(command)
    new = state(desk)
    assert old != new
    seen = set()
    for cut in range(100_000):
        desk, memory, command = fresh()
        memory.cut_after(cut, spoil=spoil)
        try:
            assert desk.send(command) == answer
            break
        except PowerLost:
            memory.restore_power()
        torn = state(desk)
        assert torn in (old, new), f"mixed state after {cut} bytes"
        seen.add(torn)
        assert state(desk) == torn, "recovery is repeatable"
    else:
        pytest.fail("the command never finished")
    assert seen == {old, new}


def test_a_torn_debit_that_was_done_can_be_proved(card, transit_sam, kit):
    loaded(card, transit_sam, kit)
    ask = cmd.initialize_for_purchase(key_id=1, amount_minor=0, terminal=TERMINAL)
    before = cmd.PurchaseInitialized.parse(card.send(ask))
    debited = cmd.Debited.parse_debit(card.send(begin_debit(card, transit_sam, kit)))
    card.card.reset()
    card.send(cmd.select_name(names.TRANSIT_AID))
    prove = cmd.get_transaction_prove(transaction_type=9, sequence=before.offline_sequence)
    assert cmd.Debited.parse_prove(card.send(prove)) == debited
    transit_sam.send(cmd.sam_credit_for_purchase(debited.mac2))


@pytest.mark.parametrize("pin", ["123456", "654321"])
def test_a_torn_verify_never_wins_a_try(card_memory, kit, pin):
    image = card_memory.content

    def tries_left(memory: CardMemory) -> int:
        """By using them up on a copy."""
        desk = kit.Desk(Card(CardMemory(memory.content), kit.counting_random()))
        desk.send(cmd.select_name(names.TRANSIT_AID))
        for used in range(4):
            if desk.card.transmit(cmd.verify_pin(0, bytes.fromhex("999999"))).sw.value == 0x6983:
                return used
        raise AssertionError("more than three tries")

    seen = set()
    for cut in range(10_000):
        memory = CardMemory(image)
        desk = kit.Desk(Card(memory, kit.counting_random()))
        desk.send(cmd.select_name(names.TRANSIT_AID))
        memory.cut_after(cut)
        try:
            answer = desk.card.transmit(cmd.verify_pin(0, bytes.fromhex(pin)))
            break
        except PowerLost:
            memory.restore_power()
        desk.card.reset()
        seen.add(tries_left(memory))
    assert answer.sw.value == (0x9000 if pin == "123456" else 0x63C2)
    assert seen == ({2, 3})
    assert tries_left(memory) == (3 if pin == "123456" else 2)


def test_power_lost_while_recovering_is_recovered_next_time(card_memory):
    image = CardMemory(card_memory.content)
    store = Store(image)
    target = store.heap_end - 40
    writes = [(target, b"new-" * 5), (target + 20, b"also" * 5)]
    image.cut_after(len(b"".join(data for _, data in writes)) + 2 * 4 + 6 + 1)  # journal and commit byte only
    with pytest.raises(PowerLost):
        store.commit(writes)
    image.restore_power()
    torn = image.content
    for cut in range(41):
        memory = CardMemory(torn)
        memory.cut_after(cut)
        with pytest.raises(PowerLost):
            Store(memory)
        memory.restore_power()
        assert Store(memory).read(target, 40) == b"new-" * 5 + b"also" * 5


def test_personalisation_torn_at_any_byte_leaves_a_card_that_starts(kit):
    """CREATE FILE of a DF: it is there or it is not; doing it again works or says 6A89."""
    transport = kit.child_of_levels(kit.master("transport"), (kit.CHIP,))
    template = CardMemory()
    kit.blank_card(template, kit.CHIP, transport, kit.counting_random())
    application = kit.CITIZEN_CARD.applications[0]
    command = kit.perso.create_application(application)
    for cut in range(10_000):
        memory = CardMemory(template.content)
        desk = kit.Desk(Card(memory, kit.counting_random()))
        desk.authenticate(0, transport)
        memory.cut_after(cut)
        try:
            desk.send(command)
            break
        except PowerLost:
            memory.restore_power()
        desk.card.reset()
        desk.authenticate(0, transport)
        again = desk.card.transmit(command).sw.value
        assert again in (0x9000, 0x6A89)
        desk.send(cmd.select_fid(application.fid))
    assert cut > 40
