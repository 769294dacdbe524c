"""A personalised citizen card without an office around it: to be served to a reader, and for tests."""

from __future__ import annotations

from datetime import date
from random import Random

from card_os.engine.bytecard import ByteCard
from card_os.engine.card import Card
from card_os.engine.stock import blank_card
from card_os.profile.citizen import CITIZEN_CARD
from card_os.wire import identifiers as names
from hardware.readers.drive import Ports, drive
from hardware.vault.demonstration import ISSUING_LABELS
from hardware.vault.operations import perform
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey
from issuing.personalisation.contents import DEMONSTRATION_PIN, Validity, citizen_contents
from issuing.personalisation.dialogue import Plan, personalise
from issuing.personalisation.identity import Identity
from issuing.register.rules import Entry, InsuredClass
from rulebook.numbers.check_character import social_security_card_number
from rulebook.numbers.citizen_id import CitizenId
from simulator.softcard.memory import CardMemory

VALIDITY = Validity(date(2026, 9, 1), date(2036, 8, 31))
# The published example of GB 11643 (shared/card/vectors.json): a number that belongs to nobody.
HOLDER = CitizenId.parse("11010519491231002X")


def demonstration_card(number: int) -> ByteCard:
    """Card ``number`` with visible test keys, an empty purse and PIN 123456; the same number gives the same card."""
    return powered(demonstration_memory(number), number)


def powered(memory: CardMemory, number: int) -> ByteCard:
    """A card over what ``demonstration_memory`` made, or a copy of it."""
    return ByteCard(Card(memory, Random(number).randbytes))


def demonstration_memory(number: int) -> CardMemory:
    """The cells of that card after personalisation by issuing's own dialogue."""
    chip = number.to_bytes(8, "big")
    identity = Identity(chip_serial=chip, serial=bytes.fromhex(f"03109910{number:012d}"))
    entry = Entry(
        citizen=HOLDER,
        name="测试",
        nation="01",
        birth_place=HOLDER.region,
        student=False,
        insured_class=InsuredClass.NONE,
        fund="",
    )
    contents = citizen_contents(
        CITIZEN_CARD, identity, entry, VALIDITY, social_card_number=social_security_card_number(number)
    )
    vault = SoftwareVault.demonstration(ISSUING_LABELS)
    memory = CardMemory()
    transport = vault.child_key(MasterKey(KeyLabel.TRANSPORT), [chip])
    blank = ByteCard(blank_card(memory, chip, transport, Random(number).randbytes))
    ports = Ports(card=blank, vault=lambda operation: perform(vault, operation), persist=lambda _: None)
    drive(personalise(Plan(CITIZEN_CARD, identity, contents, {names.PIN: DEMONSTRATION_PIN}), resumed=False), ports)
    return memory
