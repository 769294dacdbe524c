"""An SM4 software card loads by what clearing answers, and clearing knows its TAC."""

from __future__ import annotations

from random import Random

import pytest

from card_os.crypto.suites import Algorithm
from card_os.engine.bytecard import ByteCard
from card_os.engine.card import Card
from card_os.wire import commands, identifiers
from clearing.loads.rules import Attempt, LoadKey, executed, faults, macs
from clearing.loads.service import authorisation_of
from hardware.readers.drive import exchange
from hardware.vault.demonstration import master
from hardware.vault.vault import KeyLabel
from issuing.personalisation.contents import DEMONSTRATION_PIN
from rulebook.messages.loads import LoadRequest, LoadState
from simulator.conformance.sm4_card import sm4_memory

TERMINAL = bytes.fromhex("991000000901")
DATE, TIME = bytes.fromhex("20260915"), bytes.fromhex("100000")


@pytest.fixture(scope="module")
def card() -> ByteCard:
    made = ByteCard(Card(sm4_memory(1), Random(1).randbytes))
    exchange(made, commands.select_name(identifiers.TRANSIT_AID_SM4))
    exchange(made, commands.verify_pin(0, DEMONSTRATION_PIN))
    return made


def test_an_sm4_card_takes_clearings_mac2_and_its_tac_proves_the_load(card: ByteCard) -> None:
    begun = commands.LoadInitialized.parse(
        exchange(card, commands.initialize_for_load(key_id=1, amount_minor=3000, terminal=TERMINAL)).data
    )
    request = LoadRequest(
        device="TOPUP-01",
        issuer=bytes(8),
        serial=bytes(10),
        purse=2,
        online_sequence=begun.online_sequence,
        amount_minor=3000,
        balance_minor=begun.balance_minor,
        key_version=begun.key_version,
        algorithm=begun.algorithm,
        random=begun.card_random,
        mac1=begun.mac1,
        terminal=TERMINAL,
        date=DATE,
        time=TIME,
    )
    assert faults(request) == []
    expected = macs(master(KeyLabel.LOAD), request)
    assert expected.mac1 == begun.mac1
    tac = exchange(card, commands.credit_for_load(date=DATE, time=TIME, mac2=expected.mac2)).data
    attempt = Attempt(1, "agent-1", 3000, LoadState.RESERVED, (authorisation_of(request, expected.mac2),))
    asked: list[Algorithm] = []

    def tac_key(algorithm: Algorithm) -> bytes:
        asked.append(algorithm)
        return master(KeyLabel.TAC)

    assert executed(tac_key, LoadKey.of(request), [attempt], tac) == (attempt, attempt.authorisations[0])
    assert asked == [Algorithm.SM4]
