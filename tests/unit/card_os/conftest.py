"""Personalised cards and SAMs for the tests of this room: made by commands alone, from the tables."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest

from card_os.crypto import own_transactions as own
from card_os.crypto import purse as macs
from card_os.crypto.authentication import city_factor, external_cryptogram
from card_os.crypto.des import encrypt_ecb
from card_os.crypto.diversification import child_of_levels
from card_os.crypto.purse import TransactionType
from card_os.crypto.session import load_session_key
from card_os.engine import ByteCard, Card, blank_card, blank_sam
from card_os.profile import personalisation as perso
from card_os.profile.access import Level
from card_os.profile.citizen import CITIZEN_CARD
from card_os.profile.directory import directory_contents
from card_os.profile.files import ApplicationSpec, CardSpec, KeySpec, KeyType, PurseSpec, Structure
from card_os.profile.psam import HOSPITAL_SAM, TRANSIT_SAM, SamApplication, SamCard, SamTerminal
from card_os.profile.social_security import SocialHolder, SocialIssuer, identification_code
from card_os.profile.transit import (
    TRANSIT_PROCESS,
    CardClass,
    CardHolder,
    Management,
    PublicApplication,
    TransitProcess,
)
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu
from simulator.softcard.memory import CardMemory

CHIP = bytes.fromhex("9900BF7C7A000001")
SAM_CHIP = bytes.fromhex("9900BF7C7A00F001")
ISSUER = bytes.fromhex("01991000FFFFFFFF")
SERIAL = "03109910000000000001"
SAM_SERIAL = bytes.fromhex("0000991000000001")
TERMINAL = bytes.fromhex("991000000042")
REGION = "110000"
PIN = bytes.fromhex("123456")
CARD_FACTORS = (ISSUER, bytes.fromhex(SERIAL)[-8:])
SOCIAL_FACTORS = (city_factor(REGION), CHIP)
DATE, TIME = bytes.fromhex("20260915"), bytes.fromhex("081500")


def master(label: str) -> bytes:
    """A visibly testing master key."""
    return f"TEST-{label}-".encode().ljust(16, b"0")[:16]


def counting_random() -> Callable[[int], bytes]:
    """Distinct, repeatable values: a test's failure repeats."""
    numbers = itertools.count(1)
    return lambda length: (next(numbers) * 0x9E3779B97F4A7C15 % (1 << 8 * length)).to_bytes(length, "big")


def child(label: str) -> bytes:
    """The key of that label on the test card."""
    return child_of_levels(master(label), SOCIAL_FACTORS if label.startswith("social") else CARD_FACTORS)


def sam_child(label: str) -> bytes:
    return child_of_levels(master(label), (ISSUER, SAM_SERIAL))


@dataclass
class Desk:
    """A reader in front of a card: sends a command, wants a status."""

    card: Card

    def send(self, command: CommandApdu, sw: int = 0x9000) -> bytes:
        answer = self.card.transmit(command)
        assert answer.sw.value == sw, f"{command.header.hex()} answered {answer.sw}, wanted {sw:04X}"
        return answer.data

    def authenticate(self, key_id: int, key: bytes) -> None:
        challenge = self.send(cmd.get_challenge(8))
        self.send(cmd.external_authenticate(key_id, external_cryptogram(key, challenge)))

    def write_key(self, key: KeySpec, value: bytes, line_key: bytes, **options: Any) -> None:
        challenge = self.send(cmd.get_challenge(8))
        self.send(perso.write_key(key, value, line_key=line_key, challenge=challenge, **options))

    def write_wrapped(self, key: KeySpec, value: bytes, line_key: bytes) -> None:
        challenge = self.send(cmd.get_challenge(8))
        wrapped = encrypt_ecb(line_key, value)
        self.send(perso.write_wrapped_key(key, wrapped, line_key=line_key, challenge=challenge))


def create(desk: Desk, application: ApplicationSpec) -> None:
    desk.send(cmd.select_fid(names.MASTER_FILE))
    desk.send(perso.create_application(application))
    desk.send(cmd.select_fid(application.fid))
    desk.send(perso.create_key_file(application))
    for file in application.files:
        desk.send(perso.create_file(file))
    if application.purse:
        desk.send(perso.create_purse(application.purse))


def finish(desk: Desk, spec: CardSpec, transport: bytes, key_of: Callable[[str], bytes]) -> None:
    desk.send(cmd.select_fid(names.MASTER_FILE))
    for key in spec.master_file.keys:
        desk.write_key(key, key_of(key.label), transport, update=True)
    desk.card.reset()


def fill(desk: Desk, application: ApplicationSpec, contents: dict[int, Any]) -> None:
    for file in application.files:
        if file.sfi not in contents:
            continue
        encoded = file.codec.encode(contents[file.sfi])
        if file.structure is Structure.TRANSPARENT:
            desk.send(cmd.update_binary(file.sfi, encoded))
            continue
        records: Iterable[bytes] = (encoded,) if isinstance(encoded, bytes) else encoded
        for record in records:
            desk.send(cmd.append_record(file.sfi, record))


TRANSIT_CONTENTS: dict[int, Any] = {
    0x15: PublicApplication(
        issuer=ISSUER, application_type=2, version=1, serial=SERIAL, valid_from="20260101", valid_to="20361231"
    ),
    0x16: CardHolder(
        identity_type=0, staff=0, name="张三", certificate_number="11010519491231002X", certificate_type=0
    ),
    0x17: Management(province="1000", city="1000", card_class=CardClass.ORDINARY),
    0x1A: TransitProcess(),
}
SOCIAL_CONTENTS: dict[int, Any] = {
    0x05: SocialIssuer(
        identification_code=identification_code(region=REGION, chip_serial=CHIP),
        card_class="3",
        version="3.00",
        organisation="110000000000",
        issued="20260101",
        valid_to="20361231",
        card_number="76822546" + "9",
    ),
    0x06: SocialHolder(
        social_number="11010519491231002X", name="张三", sex="1", nation="01", birthplace="110105", born="19491231"
    ),
}


def personalised_card() -> tuple[Card, CardMemory]:
    memory = CardMemory()
    transport = child_of_levels(master("transport"), (CHIP,))
    desk = Desk(blank_card(memory, CHIP, transport, counting_random()))
    desk.authenticate(names.KEY_MASTER_FILE, transport)
    directories = directory_contents(CITIZEN_CARD)
    for file in CITIZEN_CARD.master_file.files:
        desk.send(perso.create_file(file))
    fill(desk, CITIZEN_CARD.master_file, {names.SFI_DIRECTORY: directories[names.MASTER_FILE, names.SFI_DIRECTORY]})
    ppse = CITIZEN_CARD.applications[-1]
    create(desk, ppse)
    fill(desk, ppse, {names.SFI_DIRECTORY: directories[names.PPSE_DF, names.SFI_DIRECTORY]})
    for application, contents in zip(CITIZEN_CARD.applications[:2], (TRANSIT_CONTENTS, SOCIAL_CONTENTS), strict=True):
        create(desk, application)
        for key in application.keys:
            desk.write_key(key, child(key.label), transport)
        for pin in application.pins:
            challenge = desk.send(cmd.get_challenge(8))
            desk.send(perso.write_pin(pin, PIN, line_key=transport, challenge=challenge))
        opener = next(key for key in application.keys if key.type is KeyType.EXTERNAL)
        desk.authenticate(opener.id, child(opener.label))
        fill(desk, application, contents)
    finish(desk, CITIZEN_CARD, transport, child)
    return desk.card, memory


def personalised_sam(spec: CardSpec) -> Card:
    memory = CardMemory()
    transport = child_of_levels(master("transport"), (SAM_CHIP,))
    desk = Desk(blank_sam(memory, SAM_CHIP, transport, counting_random()))
    desk.authenticate(names.KEY_MASTER_FILE, transport)
    for file in spec.master_file.files:
        desk.send(perso.create_file(file))
    fill(
        desk,
        spec.master_file,
        {0x15: SamCard(serial="0000" + SAM_SERIAL.hex(), issuer=ISSUER[:2]), 0x16: SamTerminal(terminal=TERMINAL)},
    )
    for application in spec.applications:
        create(desk, application)
        for key in application.keys:
            if key.type in (KeyType.SAM_PURCHASE, KeyType.SAM_SESSION):
                desk.write_wrapped(key, master(key.label), transport)
            else:
                desk.write_key(key, sam_child(key.label), transport)
        information = SamApplication(
            key_index=names.KEY_PURCHASE,
            issuer=ISSUER,
            application=bytes(8),
            valid_from="20260101",
            valid_to="20361231",
        )
        fill(desk, application, {0x17: information})
    finish(desk, spec, transport, sam_child)
    return desk.card


_IMAGE: list[bytes] = []


@pytest.fixture
def card_memory() -> CardMemory:
    """A personalised card's memory; made once, then copied."""
    if not _IMAGE:
        _IMAGE.append(personalised_card()[1].content)
    return CardMemory(_IMAGE[0])


@pytest.fixture
def card(card_memory: CardMemory) -> Desk:
    return Desk(Card(card_memory, counting_random()))


@pytest.fixture
def transit_sam() -> Desk:
    desk = Desk(personalised_sam(TRANSIT_SAM))
    desk.send(cmd.select_fid(names.TRANSIT_SAM_DF))
    return desk


@pytest.fixture
def hospital_sam() -> Desk:
    desk = Desk(personalised_sam(HOSPITAL_SAM))
    desk.send(cmd.select_fid(names.SOCIAL_SAM_DF))
    return desk


@pytest.fixture
def byte_card(card_memory: CardMemory) -> ByteCard:
    return ByteCard(Card(card_memory, counting_random()))


def purchase(card: Desk, sam: Desk, amount: int, *, trip: bytes | None = None) -> cmd.Debited:
    """A whole compound purchase with MAC2 checked by the PSAM; ``trip`` is a record of 1E to write."""
    begun = begin_purchase(card, sam, amount, trip=trip)
    debited = cmd.Debited.parse_debit(card.send(begun))
    sam.send(cmd.sam_credit_for_purchase(debited.mac2))
    return debited


def begin_purchase(card: Desk, sam: Desk, amount: int, *, trip: bytes | None = None) -> CommandApdu:
    """Everything before DEBIT; the DEBIT to send."""
    initialize = cmd.initialize_for_compound_purchase(key_id=names.KEY_PURCHASE, amount_minor=amount, terminal=TERMINAL)
    answer = cmd.PurchaseInitialized.parse(card.send(initialize))
    ask_sam = cmd.sam_initialize_for_purchase(
        card=answer,
        amount_minor=amount,
        transaction_type=TransactionType.COMPOUND,
        date=DATE,
        time=TIME,
        serial=CARD_FACTORS[1],
        issuer=ISSUER,
    )
    permit = cmd.SamInitialized.parse(sam.send(ask_sam))
    if trip is not None:
        card.send(cmd.cache_transit_process(TRANSIT_PROCESS.encode(TransitProcess(state=2, exit_amount_minor=amount))))
        card.send(cmd.cache_trip(trip))
    return cmd.debit(terminal_sequence=permit.terminal_sequence, date=DATE, time=TIME, mac1=permit.mac1)


def begin_load(card: Desk, amount: int) -> CommandApdu:
    """PIN and INITIALIZE FOR LOAD with MAC1 checked as the host does; the CREDIT FOR LOAD to send."""
    card.send(cmd.verify_pin(names.PIN, PIN))
    initialize = cmd.initialize_for_load(key_id=names.KEY_LOAD, amount_minor=amount, terminal=TERMINAL)
    answer = cmd.LoadInitialized.parse(card.send(initialize))
    session_key = load_session_key(
        child("load"), card_random=answer.card_random, online_sequence=answer.online_sequence
    )
    request = {"amount_minor": amount, "transaction_type": TransactionType.LOAD, "terminal": TERMINAL}
    assert answer.mac1 == macs.load_mac1(session_key, balance_minor=answer.balance_minor, **request)
    mac2 = macs.load_mac2(session_key, date=DATE, time=TIME, **request)
    return cmd.credit_for_load(date=DATE, time=TIME, mac2=mac2)


def load(card: Desk, amount: int) -> bytes:
    """The TAC."""
    return card.send(begin_load(card, amount))


DEPOSIT_LIMIT = 50_000
DEPOSIT_LOG = 0x10
DEPOSIT_KEY = b"TEST-unload-0000"


def with_deposit(desk: Desk) -> None:
    """A deposit account (ED) beside the purse of the transit application, with keys for unload and overdraft."""
    desk.send(cmd.select_fid(names.MASTER_FILE))
    desk.authenticate(names.KEY_MASTER_FILE, child("maintenance"))
    desk.send(cmd.select_name(names.TRANSIT_AID))
    log = next(file for file in CITIZEN_CARD.applications[0].files if file.sfi == names.SFI_LOG)
    desk.send(perso.create_file(replace(log, fid=DEPOSIT_LOG)))
    desk.send(
        perso.create_purse(
            PurseSpec(fid=names.DEPOSIT_FILE, load=Level.PIN, log_sfi=DEPOSIT_LOG, limit_minor=DEPOSIT_LIMIT)
        )
    )
    for key_type in (KeyType.UNLOAD, KeyType.OVERDRAFT):
        desk.write_key(KeySpec(label="unload", type=key_type, id=1), DEPOSIT_KEY, child("maintenance"))
    desk.send(cmd.verify_pin(names.PIN, PIN))


def online_key(key: bytes, answer: Any) -> bytes:
    """The session key of an on-line transaction, from what INITIALIZE answered."""
    return load_session_key(key, card_random=answer.card_random, online_sequence=answer.online_sequence)


def begin_unload(desk: Desk, amount: int) -> CommandApdu:
    """INITIALIZE FOR UNLOAD with MAC1 checked as the host does; the DEBIT FOR UNLOAD to send."""
    initialize = cmd.initialize_for_unload(key_id=1, amount_minor=amount, terminal=TERMINAL)
    answer = cmd.LoadInitialized.parse(desk.send(initialize))
    key = online_key(DEPOSIT_KEY, answer)
    request = {"amount_minor": amount, "transaction_type": TransactionType.UNLOAD, "terminal": TERMINAL}
    assert answer.mac1 == own.unload_mac1(key, balance_minor=answer.balance_minor, **request)
    mac2 = own.unload_mac2(key, date=DATE, time=TIME, **request)
    return cmd.debit_for_unload(date=DATE, time=TIME, mac2=mac2)


def begin_overdraft(desk: Desk, limit: int) -> CommandApdu:
    """INITIALIZE FOR UPDATE with MAC1 checked as the host does; the UPDATE OVERDRAW LIMIT to send."""
    answer = cmd.OverdraftInitialized.parse(desk.send(cmd.initialize_for_update(key_id=1, terminal=TERMINAL)))
    key = online_key(DEPOSIT_KEY, answer)
    assert answer.mac1 == own.overdraft_mac1(
        key, balance_minor=answer.balance_minor, limit_minor=answer.limit_minor, terminal=TERMINAL
    )
    mac2 = own.overdraft_mac2(key, limit_minor=limit, terminal=TERMINAL, date=DATE, time=TIME)
    return cmd.update_overdraw_limit(limit_minor=limit, date=DATE, time=TIME, mac2=mac2)


@pytest.fixture
def kit() -> SimpleNamespace:
    """The names of this file, for test modules (which cannot import a conftest)."""
    return SimpleNamespace(**{name: value for name, value in globals().items() if not name.startswith("_")})
