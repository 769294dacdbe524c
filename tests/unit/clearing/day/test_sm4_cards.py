"""A card with SM4 keys loads and pays; what it answers is right for clearing, by objects and in columns, and only that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any

import numpy as np
import pytest

from card_os.crypto.purse import TransactionType, load_mac2, purchase_mac1
from card_os.crypto.secret import Secret
from card_os.crypto.session import load_session_key, purchase_session_key
from card_os.crypto.suites import SM4, Algorithm
from card_os.engine.card import Card
from card_os.wire import commands
from card_os.wire.identifiers import KEY_LOAD, KEY_PURCHASE, PIN, TRANSIT_AID_SM4
from clearing.day.entries import Reading, entries_of
from clearing.day.fares import Pricer
from clearing.day.proof import PROOF, entry_keys, macs_right, made_tacs
from clearing.verification.context import KnownLoad, TransactionId
from clearing.verification.joining import Claim
from clearing.verification.reasons import Reason, Status
from clearing.verification.tac import right_claims
from clearing.verification.tac_columns import tac_columns
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey, UnknownKey
from issuing.personalisation.contents import DEMONSTRATION_PIN
from rulebook.record import Event, Record
from rulebook.record.columns import columns_of
from simulator.conformance import sm4_card

NUMBER = 1
FARES = (100, 200, 150)


@dataclass
class Sm4Card:
    """A soft card and the keys a PSAM and a host would use with it."""

    card: Card
    keys: Callable[[KeyLabel], bytes]

    def send(self, command: Any) -> bytes:
        answer = self.card.transmit(command)
        assert answer.sw.value == 0x9000, str(answer.sw)
        return answer.data

    def load(self, intent: Record) -> bytes:
        """The TAC."""
        self.send(commands.verify_pin(PIN, DEMONSTRATION_PIN))
        asked: dict[str, Any] = {"amount_minor": intent.amount_minor, "terminal": intent.sam_terminal}
        begun = commands.LoadInitialized.parse(self.send(commands.initialize_for_load(key_id=KEY_LOAD, **asked)))
        assert (begun.algorithm, begun.online_sequence) == (Algorithm.SM4, intent.card_sequence)
        assert begun.balance_minor == intent.balance_before_minor
        at: dict[str, Any] = {"date": intent.date, "time": intent.time}
        session = load_session_key(
            self.keys(KeyLabel.LOAD),
            card_random=begun.card_random,
            online_sequence=begun.online_sequence,
            suite=SM4,
        )
        mac2 = load_mac2(session, transaction_type=TransactionType.LOAD, suite=SM4, **asked, **at)
        return self.send(commands.credit_for_load(mac2=mac2, **at))

    def pay(self, intent: Record) -> bytes:
        """The TAC."""
        asked: dict[str, Any] = {"amount_minor": intent.amount_minor, "terminal": intent.sam_terminal}
        begun = commands.PurchaseInitialized.parse(
            self.send(commands.initialize_for_purchase(key_id=KEY_PURCHASE, **asked))
        )
        assert (begun.algorithm, begun.offline_sequence) == (Algorithm.SM4, intent.card_sequence)
        at: dict[str, Any] = {"date": intent.date, "time": intent.time}
        session = purchase_session_key(
            self.keys(KeyLabel.PURCHASE),
            card_random=begun.card_random,
            offline_sequence=begun.offline_sequence,
            terminal_sequence=intent.sam_sequence,
            suite=SM4,
        )
        mac1 = purchase_mac1(session, transaction_type=TransactionType.PURCHASE, suite=SM4, **asked, **at)
        return commands.Debited.parse_debit(
            self.send(commands.debit(terminal_sequence=intent.sam_sequence, mac1=mac1, **at))
        ).tac


@pytest.fixture
def sm4(town: Any, monkeypatch: pytest.MonkeyPatch) -> Sm4Card:
    """Card 1 of the town, its keys diversified with SM4 as the vault does."""
    vault = SoftwareVault.demonstration(KeyLabel)
    record = town.intent(NUMBER, 0)
    town.journal.clear()

    def keys(label: KeyLabel) -> bytes:
        return vault.child_key(MasterKey(label, algorithm=Algorithm.SM4), [record.issuer, record.serial[2:]])

    monkeypatch.setattr(sm4_card, "master", keys)
    card = Card(sm4_card.sm4_memory(NUMBER), Random(NUMBER).randbytes)
    made = Sm4Card(card, keys)
    made.send(commands.select_name(TRANSIT_AID_SM4))
    return made


@pytest.fixture
def outcomes(town: Any, sm4: Sm4Card) -> list[Record]:
    """A load of 5000 and three bus rides by the SM4 card, beside a ride of a 3DES card."""
    load = town.intent(
        NUMBER,
        0,
        device="TOPUP-01",
        event=Event.LOAD,
        transaction_type=TransactionType.LOAD,
        amount=5000,
        balance_before_minor=0,
        algorithm=Algorithm.SM4,
    )
    town.loads[TransactionId.of(load)] = KnownLoad(5000, posted=False)
    done = [town.outcome(load, tac=sm4.load(load))]
    for sequence, amount in enumerate(FARES):
        ride = town.intent(NUMBER, sequence, amount=amount, algorithm=Algorithm.SM4)
        done.append(town.outcome(ride, tac=sm4.pay(ride)))
    return [*done, town.tap(2, 0)[1]]


def columns(records: list[Record], town: Any) -> dict[str, Any]:
    rows = columns_of(b"".join(record.encode() for record in records))
    context = town.context()
    reading = Reading(context.business_day, context.policy.calendar.cut_off, Pricer(context.tariffs))
    return entries_of(rows, np.zeros(len(rows), np.int32), reading)


def forged(records: list[Record]) -> list[Record]:
    return [replace(record, tac=bytes((record.tac[0] ^ 1, *record.tac[1:]))) for record in records]


def test_right_by_objects(outcomes: list[Record], town: Any) -> None:
    claims = {Claim(record, record) for record in outcomes}
    assert right_claims(town.vault, claims) == claims
    assert not right_claims(town.vault, [Claim(record, record) for record in forged(outcomes)])


def test_right_in_columns(outcomes: list[Record], town: Any) -> None:
    for records, expected in ((outcomes, True), (forged(outcomes), False)):
        entries = columns(records, town)
        keys = entry_keys(town.vault, entries)
        assert macs_right(entries, keys).tolist() == [expected] * len(records)
        assert not keys.any()  # overwritten after use


def test_made_in_columns(outcomes: list[Record], town: Any) -> None:
    """As a made-up day has them: the same as the cards'."""
    rows = columns_of(b"".join(replace(record, tac=bytes(4)).encode() for record in outcomes))
    assert made_tacs(town.vault, rows).tolist() == [int.from_bytes(record.tac) for record in outcomes]
    with pytest.raises(ValueError, match=r"without a key, the first of them: \[0, 1, 2\]"):
        made_tacs(without_sm4(), rows)


def test_columns_of_rows_are_those_of_the_day(outcomes: list[Record], town: Any) -> None:
    of_day = columns(outcomes, town)
    of_rows = tac_columns(columns_of(b"".join(record.encode() for record in outcomes)))
    assert {name: column.tolist() for name, column in of_rows._asdict().items()} == {
        name: of_day[name].tolist() for name in PROOF
    }


@pytest.mark.parametrize("algorithm", [0, 4])
def test_another_algorithm_byte_makes_a_right_tac_wrong(algorithm: int, outcomes: list[Record], town: Any) -> None:
    changed = [replace(record, algorithm=algorithm) for record in outcomes]
    same = [record.algorithm == algorithm for record in outcomes]
    entries = columns(changed, town)
    assert macs_right(entries, entry_keys(town.vault, entries)).tolist() == same
    right = right_claims(town.vault, [Claim(record, record) for record in changed])
    assert [Claim(record, record) in right for record in changed] == same


def test_the_day_accepts_them(outcomes: list[Record], town: Any, columnar: Any) -> None:
    inputs = town.inputs()
    objects, result = town.settle(inputs), columnar.clear(inputs)
    assert {d.decision.status for d in objects.decided} == {Status.ACCEPTED}
    assert +result.counts == {Status.ACCEPTED: 2 * len(outcomes)}


def test_the_day_rejects_a_wrong_tac_and_only_that(outcomes: list[Record], town: Any, columnar: Any) -> None:
    wrong = outcomes[2]
    town.journal[wrong.device][wrong.journal_sequence - 1] = forged([wrong])[0]
    inputs = town.inputs()
    result = columnar.clear(inputs)
    assert result.counts[Status.REJECTED] == sum(
        d.decision.status is Status.REJECTED for d in town.settle(inputs).decided
    )
    rejected = [row.decision for row in result.exceptions if row.decision.status is Status.REJECTED]
    assert (wrong.device, wrong.journal_sequence) in {decision.record for decision in rejected}
    assert {decision.reason for decision in rejected} == {Reason.TAC_WRONG}


def without_sm4() -> SoftwareVault:
    """Like a token that has 3DES only."""
    tac = MasterKey(KeyLabel.TAC)
    held = SoftwareVault.demonstration({KeyLabel.TAC})._master(tac)
    return SoftwareVault({tac: held}, seal_key=Secret(held + held), token_key=held)


def test_where_the_vault_has_no_sm4_master_its_records_are_wrong_and_the_day_goes_on(
    outcomes: list[Record], town: Any
) -> None:
    entries, vault = columns(outcomes, town), without_sm4()
    of_3des = [record.algorithm == 0 for record in outcomes]
    assert macs_right(entries, entry_keys(vault, entries)).tolist() == of_3des
    right = right_claims(vault, [Claim(record, record) for record in outcomes])
    assert [Claim(record, record) in right for record in outcomes] == of_3des


def test_where_the_vault_has_no_3des_master_the_day_stops(outcomes: list[Record], town: Any) -> None:
    vault = SoftwareVault.demonstration({KeyLabel.LOAD})
    for judge in (
        partial(entry_keys, vault, columns(outcomes, town)),
        partial(right_claims, vault, [Claim(outcomes[-1], outcomes[-1])]),
    ):
        with pytest.raises(UnknownKey, match="tac version 1"):
            judge()
