"""What a torn card lets one do afterwards. That it holds the old or the new state at every byte: ``../tearing``."""

from __future__ import annotations

from typing import Any

import pytest

from card_os.engine import Card, PowerLost
from card_os.engine.store import Store
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu
from simulator.softcard.memory import CardMemory

TERMINAL = bytes.fromhex("991000000042")
NEW_PIN = bytes.fromhex("654321")


def test_a_torn_debit_that_was_done_can_be_proved(card, transit_sam, kit):
    card.send(cmd.select_name(names.TRANSIT_AID))
    kit.load(card, 5000)
    ask = cmd.initialize_for_purchase(key_id=1, amount_minor=0, terminal=TERMINAL)
    before = cmd.PurchaseInitialized.parse(card.send(ask))
    debited = cmd.Debited.parse_debit(card.send(kit.begin_purchase(card, transit_sam, 300, trip=bytes(48))))
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


def test_a_pin_torn_while_changing_opens_with_exactly_one_of_the_two(card_memory: CardMemory, kit: Any) -> None:
    image, answers = card_memory.content, set()
    for cut in range(10_000):
        memory = CardMemory(image)
        desk = kit.Desk(Card(memory, kit.counting_random()))
        desk.send(cmd.select_name(names.TRANSIT_AID))
        command = CommandApdu(0x80, 0x5E, 0x01, names.PIN, kit.PIN + b"\xff" + NEW_PIN)
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
