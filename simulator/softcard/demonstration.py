"""Personalised citizen cards without an office around them: to be served to a reader, and for tests."""

from __future__ import annotations

from datetime import date
from random import Random

from card_os.engine.bytecard import ByteCard
from card_os.engine.card import Card
from card_os.engine.keymaker import KeyMaker
from card_os.engine.memory import MEMORY_SIZE
from card_os.engine.stock import blank_card
from card_os.profile import identity as identity_profile
from card_os.profile.citizen import CITIZEN_CARD
from card_os.profile.files import CardSpec
from card_os.profile.identity import IDENTITY_CARD, KeyAlgorithm, KeySlot
from card_os.profile.social_areas import AREAS_CARD
from card_os.wire import identifiers as names
from card_os.wire import identity as wire
from hardware.readers.drive import Ports, drive
from hardware.vault.demonstration import ISSUING_LABELS
from hardware.vault.operations import perform
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey
from issuing.personalisation.contents import DEMONSTRATION_PIN, Contents, Validity, citizen_contents
from issuing.personalisation.demonstration_authority import demonstration_authority
from issuing.personalisation.dialogue import Plan, personalise
from issuing.personalisation.identity import Identity
from issuing.personalisation.identity_application import IdentityPlan, personalise_identity
from issuing.register.rules import Entry, InsuredClass
from rulebook.numbers.check_character import social_security_card_number
from rulebook.numbers.citizen_id import CitizenId
from simulator.softcard.keys import VisibleKeys
from simulator.softcard.memory import CardMemory

VALIDITY = Validity(date(2026, 9, 1), date(2036, 8, 31))
# The published example of GB 11643 (shared/card/vectors.json): a number that belongs to nobody.
HOLDER = CitizenId.parse("11010519491231002X")
HOLDER_NAME = "测试"

IDENTITY_PIN, IDENTITY_PUK = "123456", "12345678"
IDENTITY_KEYS = {
    KeySlot.AUTHENTICATION: KeyAlgorithm.P_256,
    KeySlot.SIGNATURE: KeyAlgorithm.RSA_2048,
    KeySlot.KEY_MANAGEMENT: KeyAlgorithm.RSA_2048,
    KeySlot.CARD_AUTHENTICATION: KeyAlgorithm.P_256,
}


def demonstration_card(number: int) -> ByteCard:
    """Card ``number`` with visible test keys, an empty purse and PIN 123456; the same number gives the same card."""
    return powered(demonstration_memory(number), number)


def identity_card(number: int) -> ByteCard:
    """The same with the identity application: PIN 123456, PUK 12345678, visible test keys in its four slots, certificates of
    the demonstration's authority. It makes new key pairs from the number as seed."""
    return powered(identity_memory(number), number, key_maker=VisibleKeys(number))


def powered(memory: CardMemory, number: int, *, key_maker: KeyMaker | None = None) -> ByteCard:
    """A card over what ``demonstration_memory`` or ``identity_memory`` made, or a copy of it."""
    return ByteCard(Card(memory, Random(number).randbytes, key_maker=key_maker))


def demonstration_memory(number: int) -> CardMemory:
    """The cells of that card after personalisation by issuing's own dialogue."""
    return _personalised(CITIZEN_CARD, number, MEMORY_SIZE)


def areas_memory(number: int) -> CardMemory:
    """The cells of the card with every social-security area, each empty as an office hands it over."""
    return _personalised(AREAS_CARD, number, MEMORY_SIZE)


def identity_memory(number: int) -> CardMemory:
    """The cells of the card with the identity application, after issuing's two dialogues."""
    memory = _personalised(IDENTITY_CARD, number, identity_profile.MEMORY_SIZE)
    identity, random = _identity(number), Random(number).randbytes
    certify = demonstration_authority(HOLDER_NAME, identity.serial.hex(), VALIDITY.first, VALIDITY.last, random=random)
    dialogue = personalise_identity(
        identity, IdentityPlan(IDENTITY_KEYS, VALIDITY.last), certify=certify, random=random
    )
    drive(dialogue, _ports(powered(memory, number, key_maker=VisibleKeys(number))))
    return memory


def _identity(number: int) -> Identity:
    return Identity(chip_serial=number.to_bytes(8, "big"), serial=bytes.fromhex(f"03109910{number:012d}"))


def _ports(card: ByteCard) -> Ports:
    vault = SoftwareVault.demonstration(ISSUING_LABELS)
    return Ports(card=card, vault=lambda operation: perform(vault, operation), persist=lambda _: None)


def demonstration_contents(spec: CardSpec, number: int) -> Contents:
    """What stands in the files of card ``number``."""
    entry = Entry(
        citizen=HOLDER,
        name=HOLDER_NAME,
        nation="01",
        birth_place=HOLDER.region,
        student=False,
        insured_class=InsuredClass.NONE,
        fund="",
    )
    card_number = social_security_card_number(number)
    return citizen_contents(spec, _identity(number), entry, VALIDITY, social_card_number=card_number)


def _personalised(spec: CardSpec, number: int, memory_size: int) -> CardMemory:
    identity, contents = _identity(number), demonstration_contents(spec, number)
    vault = SoftwareVault.demonstration(ISSUING_LABELS)
    memory = CardMemory(bytes(memory_size))
    transport = vault.child_key(MasterKey(KeyLabel.TRANSPORT), [identity.chip_serial])
    blank = ByteCard(blank_card(memory, identity.chip_serial, transport, Random(number).randbytes))
    pins = {names.PIN: DEMONSTRATION_PIN, wire.PIN: wire.padded(IDENTITY_PIN), wire.PUK: wire.padded(IDENTITY_PUK)}
    drive(personalise(Plan(spec, identity, contents, pins), resumed=False), _ports(blank))
    return memory
