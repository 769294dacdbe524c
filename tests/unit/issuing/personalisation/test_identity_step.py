"""The identity step on the real engine: what it leaves on the card, torn at every command, a card that answers otherwise."""

from __future__ import annotations

from datetime import date
from random import Random
from typing import Any

import pytest
from cryptography import x509

from card_os.profile.identity import IDENTITY, KeyAlgorithm, KeySlot
from card_os.wire import commands
from card_os.wire import identity as wire
from card_os.wire.commands import MalformedAnswer
from card_os.wire.dialogue import CardGone, UnexpectedStatus
from card_os.wire.tlv import find
from hardware.readers.drive import Ports, drive, exchange
from hardware.vault.operations import perform
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel
from issuing.personalisation.demonstration_authority import authority_certificate, demonstration_authority
from issuing.personalisation.identity import Identity
from issuing.personalisation.identity_application import (
    CAPABILITY_CONTAINER,
    HOLDER_IDENTIFIER,
    IdentityPlan,
    capability_container,
    certificate_content,
    holder_identifier,
    personalise_identity,
    public_key,
)
from issuing.personalisation.readback import ReadBackDiffers
from simulator.softcard.demonstration import identity_memory, powered
from simulator.softcard.keys import VisibleKeys
from simulator.softcard.memory import CardMemory

NUMBER = 5
IDENTITY_OF_CARD = Identity(NUMBER.to_bytes(8, "big"), bytes.fromhex(f"03109910{NUMBER:012d}"))
FIRST, LAST = date(2026, 9, 15), date(2036, 9, 14)
PLAN = IdentityPlan(
    {
        KeySlot.AUTHENTICATION: KeyAlgorithm.RSA_2048,
        KeySlot.SIGNATURE: KeyAlgorithm.P_256,
        KeySlot.KEY_MANAGEMENT: KeyAlgorithm.P_256,
    },
    LAST,
)
VAULT = SoftwareVault.demonstration(KeyLabel)
CELLS: list[bytes] = []


@pytest.fixture
def card() -> Any:
    if not CELLS:
        CELLS.append(identity_memory(NUMBER).content)
    return powered(CardMemory(CELLS[0]), NUMBER, key_maker=VisibleKeys(99))


def run(card: Any) -> None:
    random = Random(1).randbytes
    certify = demonstration_authority("张三", "1", FIRST, LAST, random=random)
    dialogue = personalise_identity(IDENTITY_OF_CARD, PLAN, certify=certify, random=random)
    drive(dialogue, Ports(card=card, vault=lambda operation: perform(VAULT, operation)))


def stored(card: Any, tag: int) -> bytes:
    exchange(card, commands.select_name(wire.IDENTITY_AID))
    content = find(exchange(card, wire.get_data(tag)).data, wire.CONTENT)
    assert content is not None
    return content


def check(card: Any) -> None:
    for slot in PLAN.algorithms:
        der = find(stored(card, slot.certificate), 0x70)
        assert der is not None
        found = x509.load_der_x509_certificate(der)
        found.verify_directly_issued_by(authority_certificate(FIRST, LAST))
        usage = found.extensions.get_extension_for_class(x509.KeyUsage).value
        assert usage.content_commitment is (slot is KeySlot.SIGNATURE)
        assert usage.key_agreement is (slot is KeySlot.KEY_MANAGEMENT)
    assert stored(card, HOLDER_IDENTIFIER) == holder_identifier(IDENTITY_OF_CARD, LAST)
    assert stored(card, CAPABILITY_CONTAINER) == capability_container(IDENTITY_OF_CARD)


def test_keys_certificates_and_objects_are_on_the_card(card):
    run(card)
    check(card)


class Meddled:
    """A connection that hands some answers to ``change``."""

    def __init__(self, card: Any, change: Any) -> None:
        self._card, self._change, self.sent = card, change, 0

    def transmit(self, command: bytes) -> bytes:
        self.sent += 1
        return self._change(self.sent, command, self._card.transmit(command))


def whole(connection: Any) -> int:
    run(connection)
    return connection.sent


def test_torn_after_every_command_and_done_again(card):
    commands_sent = whole(Meddled(card, lambda number, command, answer: answer))
    assert commands_sent > 20

    for last in range(1, commands_sent):
        torn = powered(CardMemory(CELLS[0]), NUMBER, key_maker=VisibleKeys(99))

        def leave(number: int, command: bytes, answer: bytes, last: int = last) -> bytes:
            if number >= last:
                raise CardGone("pulled")
            return answer

        with pytest.raises(CardGone):
            run(Meddled(torn, leave))
        torn.reset()
        run(torn)
        check(torn)


def test_a_card_with_another_management_key_is_found_out(card):
    def other(number: int, command: bytes, answer: bytes) -> bytes:
        return answer[:-10] + bytes(8) + answer[-2:] if answer[:4] == bytes.fromhex("7C0A8208") else answer

    with pytest.raises(ReadBackDiffers, match="management key 9B"):
        run(Meddled(card, other))


def test_an_object_that_reads_back_differently_is_found_out(card):
    def changed(number: int, command: bytes, answer: bytes) -> bytes:
        return answer.replace(b"20360914", b"20370914")

    with pytest.raises(ReadBackDiffers, match="5FC102"):
        run(Meddled(card, changed))


def test_a_card_that_does_not_know_our_key_refuses(card):
    other = powered(CardMemory(identity_memory(NUMBER + 1).content), NUMBER + 1, key_maker=VisibleKeys(1))
    with pytest.raises(UnexpectedStatus, match="6982"):
        run(other)


@pytest.mark.parametrize(
    "answer", [b"", b"\x7f\x49\x00", bytes.fromhex("7F4904 8602 0400"), bytes.fromhex("7F490381 0101"), b"\x53\x01\x00"]
)
def test_what_is_no_public_key(answer):
    with pytest.raises(MalformedAnswer):
        public_key(answer)


def test_the_longest_certificate_content_fits_its_object():
    assert len(certificate_content(bytes(1800))) <= 1905
    assert {pin.id for pin in IDENTITY.pins} == {wire.PIN, wire.PUK}
