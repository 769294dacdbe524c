"""What the neighbour city issues: a few cards that travel, and the PSAM of its one bus. Visible test keys only.

The purchase master is shared by all cities, as interoperable PSAMs need it; every other key is the neighbour's own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from random import Random

from card_os.crypto.purse import TransactionType, load_mac2
from card_os.crypto.secret import Secret
from card_os.crypto.session import load_session_key
from card_os.engine.bytecard import ByteCard
from card_os.engine.stock import blank_card, blank_sam
from card_os.profile.citizen import CITIZEN_CARD
from card_os.profile.psam import TRANSIT_SAM
from card_os.profile.transit import MANAGEMENT, CardClass, Management
from card_os.wire import commands
from card_os.wire import identifiers as names
from hardware.readers.drive import Ports, drive, exchange
from hardware.vault import demonstration
from hardware.vault.operations import perform
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey
from issuing.personalisation.contents import DEMONSTRATION_PIN, citizen_contents, sam_contents
from issuing.personalisation.dialogue import Plan, personalise
from issuing.personalisation.identity import Identity
from issuing.register.rules import Entry, InsuredClass
from rulebook.calendar import BUSINESS_ZONE
from rulebook.messages.facts import CardFact, CardState
from rulebook.numbers.check_character import social_security_card_number
from simulator.city.witness import Witness
from simulator.softcard.demonstration import HOLDER, HOLDER_NAME, VALIDITY
from simulator.softcard.memory import CardMemory
from terminals.dialogues.context import Moment

ISSUER = bytes.fromhex("01992000FFFFFFFF")
CITY = "2000"
TERMINAL = bytes.fromhex("992000000001")
PURSE_LIMIT_MINOR = 100_000
_CARD_CHIPS, _SAM_CHIPS = 0xC2 << 56, 0x5B << 56  # apart from the chips of our city
_SHARED = frozenset({KeyLabel.PURCHASE, KeyLabel.TRANSPORT})


def vault() -> SoftwareVault:
    """Every master of the neighbour."""
    masters = {MasterKey(label): _master(label) for label in KeyLabel}
    return SoftwareVault(masters, seal_key=demonstration.SEAL_KEY, token_key=demonstration.TOKEN_KEY)


def _master(label: KeyLabel) -> Secret:
    """16 bytes; the purchase master, and the chip maker's key, are the same as in our city."""
    return (
        demonstration.master(label) if label in _SHARED else Secret(f"TEST-2000-{label.upper():-<6.6}".encode("ascii"))
    )


def card_fact(number: int) -> CardFact:
    """As the neighbour's own card register has the card."""
    identity = _identity(number)
    return CardFact(
        issuer=identity.issuer,
        serial=identity.serial,
        chip_serial=identity.chip_serial,
        person=f"visitor-{number}",
        product="visitor",
        rider_class="ordinary",
        key_version=1,
        valid_from=VALIDITY.first,
        valid_to=VALIDITY.last,
        purse_limit_minor=PURSE_LIMIT_MINOR,
        state=CardState.ACTIVE,
        effective=datetime.combine(VALIDITY.first, datetime.min.time(), BUSINESS_ZONE),
    )


def visitor(number: int, *, seed: int) -> Witness:
    """Card ``number``, personalised, its purse empty; the same number and seed give the same card."""
    identity = _identity(number)
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
    contents = citizen_contents(CITIZEN_CARD, identity, entry, VALIDITY, social_card_number=card_number)
    management = Management(province=CITY, city=CITY, card_class=CardClass.ORDINARY)
    own = {(names.TRANSIT_DF, names.SFI_MANAGEMENT): (MANAGEMENT.encode(management),)}
    transport = _transport(identity)
    chip = ByteCard(blank_card(CardMemory(), identity.chip_serial, transport, _random(seed, identity)))
    _personalised(chip, Plan(CITIZEN_CARD, identity, {**contents, **own}, {names.PIN: DEMONSTRATION_PIN}))
    return Witness(chip)


def bus_sam(*, seed: int) -> Witness:
    """The PSAM of the neighbour's bus."""
    identity = Identity((_SAM_CHIPS | 1).to_bytes(8, "big"), bytes.fromhex(f"00009920{1:012d}"), ISSUER)
    contents = sam_contents(TRANSIT_SAM, identity, VALIDITY, terminal_number=TERMINAL)
    chip = ByteCard(blank_sam(CardMemory(), identity.chip_serial, _transport(identity), _random(seed, identity)))
    _personalised(chip, Plan(TRANSIT_SAM, identity, contents, {}))
    return Witness(chip)


def load(card: Witness, number: int, amount_minor: int, now: datetime) -> None:
    """As the neighbour's own desk does it, its vault beside it."""
    at = Moment(now)
    card.reset()
    exchange(card, commands.select_name(names.TRANSIT_AID))
    exchange(card, commands.verify_pin(names.PIN, DEMONSTRATION_PIN))
    asked = commands.initialize_for_load(key_id=names.KEY_LOAD, amount_minor=amount_minor, terminal=TERMINAL)
    ready = commands.LoadInitialized.parse(exchange(card, asked).data)
    identity = _identity(number)
    key = vault().child_key(MasterKey(KeyLabel.LOAD), [identity.issuer, identity.serial_factor])
    session_key = load_session_key(key, card_random=ready.card_random, online_sequence=ready.online_sequence)
    mac2 = load_mac2(
        session_key,
        amount_minor=amount_minor,
        transaction_type=TransactionType.LOAD,
        terminal=TERMINAL,
        date=at.date,
        time=at.time,
    )
    done = exchange(card, commands.credit_for_load(date=at.date, time=at.time, mac2=mac2))
    if done.sw.value != 0x9000:
        raise RuntimeError(f"visitor {number} cannot be loaded: {done.sw}")


def _identity(number: int) -> Identity:
    chip_serial = (_CARD_CHIPS | number).to_bytes(8, "big")
    return Identity(chip_serial, bytes.fromhex(f"03109920{number:012d}"), ISSUER)


def _transport(identity: Identity) -> Secret:
    return vault().child_key(MasterKey(KeyLabel.TRANSPORT), [identity.chip_serial])


def _random(seed: int, identity: Identity) -> Callable[[int], bytes]:
    return Random(f"{seed}:{identity.chip_serial.hex()}").randbytes


def _personalised(chip: ByteCard, plan: Plan) -> None:
    keys = vault()
    ports = Ports(card=chip, vault=lambda operation: perform(keys, operation), persist=lambda _: None)
    drive(personalise(plan, resumed=False), ports)
