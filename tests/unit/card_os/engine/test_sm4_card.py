"""A card and a PSAM with SM4 keys only, personalised, loaded and paid with, in process."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from card_os.crypto import purse as macs
from card_os.crypto.authentication import external_cryptogram, social_cryptogram, whole_cryptogram
from card_os.crypto.purse import TransactionType
from card_os.crypto.secure_messaging import with_mac
from card_os.crypto.session import load_session_key
from card_os.crypto.suites import SM4, Algorithm
from card_os.engine import Card
from card_os.profile import personalisation as perso
from card_os.profile.files import ApplicationSpec, CardSpec, KeyType
from card_os.profile.psam import SamApplication, SamCard, SamTerminal
from card_os.profile.sm4 import CITIZEN_CARD_SM4, HOSPITAL_SAM_SM4, TRANSIT_SAM_SM4
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu
from simulator.softcard.memory import CardMemory


@dataclass
class Maker:
    """Personalises with SM4 line protection, each key diversified with SM4."""

    kit: object
    chip: bytes

    def __post_init__(self):
        self.memory = CardMemory()
        self.transport = SM4.child(self.kit.master("transport"), (self.chip,))
        card = self.kit.blank_card(self.memory, self.chip, self.transport, self.kit.counting_random(), Algorithm.SM4)
        self.desk = self.kit.Desk(card)

    def child(self, label: str) -> bytes:
        factors = self.kit.SOCIAL_FACTORS if label.startswith("social") else self.kit.CARD_FACTORS
        return SM4.child(self.kit.master(label), factors)

    def options(self) -> dict[str, object]:
        return {"line_key": self.transport, "challenge": self.desk.send(cmd.get_challenge(16)), "suite": SM4}

    def make(self, spec: CardSpec, contents: dict[int, dict]) -> Card:
        authenticate(self.desk, names.KEY_MASTER_FILE, self.transport)
        for file in spec.master_file.files:
            self.desk.send(perso.create_file(file))
        self.kit.fill(self.desk, spec.master_file, contents.get(names.MASTER_FILE, {}))
        for application in spec.applications:
            self.kit.create(self.desk, application)
            self._write(application)
            self.kit.fill(self.desk, application, contents.get(application.fid, {}))
        self.desk.send(cmd.select_fid(names.MASTER_FILE))
        for key in spec.master_file.keys:
            self.desk.send(perso.write_key(key, self.child(key.label), update=True, **self.options()))
        self.desk.card.reset()
        return self.desk.card

    def _write(self, application: ApplicationSpec) -> None:
        for key in application.keys:
            is_master = key.type in (KeyType.SAM_PURCHASE, KeyType.SAM_SESSION)
            value = self.kit.master(key.label) if is_master else self.child(key.label)
            self.desk.send(perso.write_key(key, value, **self.options()))
        for pin in application.pins:
            self.desk.send(perso.write_pin(pin, self.kit.PIN, **self.options()))
        for key in application.keys:
            if key.type is KeyType.EXTERNAL:
                authenticate(self.desk, key.id, self.child(key.label))


def authenticate(desk, key_id: int, key: bytes, *, sw: int = 0x9000, length: int = 16) -> None:
    challenge = desk.send(cmd.get_challenge(length))
    desk.send(cmd.external_authenticate(key_id, external_cryptogram(key, challenge, suite=SM4)), sw)


@pytest.fixture
def maker(kit) -> Maker:
    return Maker(kit, kit.CHIP)


@pytest.fixture
def sm4_card(kit, maker):
    contents = {names.TRANSIT_DF: kit.TRANSIT_CONTENTS, names.SOCIAL_DF: kit.SOCIAL_CONTENTS}
    return kit.Desk(maker.make(CITIZEN_CARD_SM4, contents))


def sam_of(kit, spec: CardSpec):
    information = SamApplication(
        key_index=1, issuer=kit.ISSUER, application=bytes(8), valid_from="20260101", valid_to="20361231"
    )
    card = SamCard(serial="0000" + kit.SAM_SERIAL.hex(), issuer=kit.ISSUER[:2])
    master_file = {0x15: card, 0x16: SamTerminal(terminal=kit.TERMINAL)}
    contents = {names.MASTER_FILE: master_file, names.TRANSIT_SAM_DF: {0x17: information}}
    return kit.Desk(Maker(kit, kit.SAM_CHIP).make(spec, contents))


def load(card, maker, kit, amount: int) -> None:
    card.send(cmd.verify_pin(names.PIN, kit.PIN))
    ask = cmd.initialize_for_load(key_id=names.KEY_LOAD, amount_minor=amount, terminal=kit.TERMINAL)
    answer = cmd.LoadInitialized.parse(card.send(ask))
    assert answer.algorithm == Algorithm.SM4
    key = load_session_key(
        maker.child("load"), card_random=answer.card_random, online_sequence=answer.online_sequence, suite=SM4
    )
    request = {"amount_minor": amount, "transaction_type": TransactionType.LOAD, "terminal": kit.TERMINAL, "suite": SM4}
    assert answer.mac1 == macs.load_mac1(key, balance_minor=answer.balance_minor, **request)
    at = {"date": kit.DATE, "time": kit.TIME}
    tac = card.send(cmd.credit_for_load(mac2=macs.load_mac2(key, **at, **request), **at))
    balance = answer.balance_minor + amount
    assert tac == macs.load_tac(
        maker.child("tac"), new_balance_minor=balance, online_sequence=answer.online_sequence, **at, **request
    )


def test_load_and_compound_purchase(sm4_card, maker, kit):
    sam = sam_of(kit, TRANSIT_SAM_SM4)
    sam.send(cmd.select_fid(names.TRANSIT_SAM_DF))
    sm4_card.send(cmd.select_name(names.TRANSIT_AID_SM4))
    load(sm4_card, maker, kit, 5000)
    debited = kit.purchase(sm4_card, sam, 300, trip=bytes(48))
    assert debited.tac == macs.purchase_tac(
        maker.child("tac"),
        amount_minor=300,
        transaction_type=TransactionType.COMPOUND,
        terminal=kit.TERMINAL,
        terminal_sequence=0,
        date=kit.DATE,
        time=kit.TIME,
        suite=SM4,
    )
    assert int.from_bytes(sm4_card.send(cmd.get_balance()), "big") == 4700
    prove = cmd.get_transaction_prove(transaction_type=TransactionType.COMPOUND, sequence=0)
    assert cmd.Debited.parse_prove(sm4_card.send(prove)) == debited


def test_a_psam_without_sm4_refuses_the_card(sm4_card, transit_sam, maker, kit):
    sm4_card.send(cmd.select_name(names.TRANSIT_AID_SM4))
    load(sm4_card, maker, kit, 5000)
    with pytest.raises(AssertionError, match="answered 9403"):
        kit.begin_purchase(sm4_card, transit_sam, 300)


def test_a_wrong_mac1_takes_no_money(sm4_card, maker, kit):
    sam = sam_of(kit, TRANSIT_SAM_SM4)
    sam.send(cmd.select_fid(names.TRANSIT_SAM_DF))
    sm4_card.send(cmd.select_name(names.TRANSIT_AID_SM4))
    load(sm4_card, maker, kit, 5000)
    debit = kit.begin_purchase(sm4_card, sam, 300)
    sm4_card.send(replace(debit, data=debit.data[:-1] + bytes((debit.data[-1] ^ 1,))), 0x9302)
    assert int.from_bytes(sm4_card.send(cmd.get_balance()), "big") == 5000


@pytest.mark.parametrize("length", [4, 8, 16])
def test_external_authentication_folded_and_whole(sm4_card, maker, length):
    sm4_card.send(cmd.select_name(names.TRANSIT_AID_SM4))
    key = maker.child("application")
    authenticate(sm4_card, names.KEY_APPLICATION, key, length=length)
    authenticate(sm4_card, names.KEY_APPLICATION, b"W" * 16, length=length, sw=0x63C4)
    challenge = sm4_card.send(cmd.get_challenge(length))
    cryptogram = whole_cryptogram(key, challenge.ljust(16, b"\x00"))
    sm4_card.send(CommandApdu(0x00, 0x82, 0x00, names.KEY_APPLICATION, cryptogram))
    sm4_card.send(cmd.update_binary(0x17, b"\x01", offset=10))
    wrong = bytes((cryptogram[0], *cryptogram[1:15], cryptogram[15] ^ 1))
    sm4_card.send(cmd.get_challenge(length))
    sm4_card.send(CommandApdu(0x00, 0x82, 0x00, names.KEY_APPLICATION, wrong), 0x63C4)


def test_a_long_challenge_serves_no_3des_key(card, kit):
    card.send(cmd.select_name(names.TRANSIT_AID))
    card.send(cmd.get_challenge(16))
    card.send(cmd.external_authenticate(names.KEY_APPLICATION, bytes(8)), 0x6984)
    card.send(cmd.get_challenge(16))
    card.send(CommandApdu(0x84, 0x1E, 0, 0, bytes(4)), 0x6984)


def test_line_protection_with_sm4(sm4_card, maker):
    sm4_card.send(cmd.select_name(names.TRANSIT_AID_SM4))
    challenge = sm4_card.send(cmd.get_challenge(16))
    block = with_mac(CommandApdu(0x84, 0x1E, 0, 0), maker.child("maintenance"), challenge=challenge, suite=SM4)
    sm4_card.send(replace(block, data=bytes(4)), 0x6988)
    challenge = sm4_card.send(cmd.get_challenge(16))
    block = with_mac(CommandApdu(0x84, 0x1E, 0, 0), maker.child("maintenance"), challenge=challenge, suite=SM4)
    sm4_card.send(block)
    sm4_card.send(cmd.get_balance(), 0x6985)


def test_the_issuer_reloads_the_pin(sm4_card, maker):
    sm4_card.send(cmd.select_name(names.TRANSIT_AID_SM4))
    new = bytes.fromhex("2468")
    mac = SM4.tac(maker.child("pin-reload"), new)
    sm4_card.send(CommandApdu(0x80, 0x5E, 0, 0, new + mac))
    sm4_card.send(cmd.verify_pin(0, new))


def test_presence_at_the_hospital_desk(sm4_card, maker, kit):
    sam = sam_of(kit, HOSPITAL_SAM_SM4)
    sam.send(cmd.select_fid(names.SOCIAL_SAM_DF))
    sm4_card.send(cmd.select_name(names.SOCIAL_AID))
    first, second = b"R1R1R1R1", b"R2R2R2R2"
    answer = sm4_card.send(cmd.internal_authenticate(names.KEY_SOCIAL_INTERNAL, first, second))
    city, chip = kit.SOCIAL_FACTORS
    sam.send(cmd.sam_social_session(card_factor=chip, city_factor=city, random=first))
    assert sam.send(cmd.sam_encrypt(second)) == answer
    assert answer == social_cryptogram(maker.child("social-internal"), first=first, second=second, suite=SM4)
