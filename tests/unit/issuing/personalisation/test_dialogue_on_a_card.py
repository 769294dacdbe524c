"""The dialogue on the real engine: written, read back, torn at every step, altered in one byte."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import pytest

from card_os.engine.bytecard import ByteCard
from card_os.engine.stock import blank_card
from card_os.profile.citizen import CITIZEN_CARD
from card_os.profile.psam import HOSPITAL_SAM, TRANSIT_SAM
from card_os.wire import commands
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu
from card_os.wire.dialogue import CardGone, Dialogue, UnexpectedStatus
from hardware.readers.drive import Ports, drive, exchange
from hardware.vault.operations import perform
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey
from issuing.personalisation.contents import DEMONSTRATION_PIN, Validity, citizen_contents, sam_contents
from issuing.personalisation.dialogue import KeyWritten, Plan, personalise
from issuing.personalisation.identity import Identity
from issuing.personalisation.readback import ReadBackDiffers, read_back
from issuing.register.rules import Entry, InsuredClass
from rulebook.numbers.card_number import application_serial, sam_serial, terminal_number
from rulebook.numbers.citizen_id import CitizenId
from simulator.softcard.memory import CardMemory

CHIP = bytes.fromhex("A1B2C3D4E5F60718")
VAULT = SoftwareVault.demonstration(KeyLabel)
VALIDITY = Validity(date(2026, 9, 15), date(2036, 9, 14))
ENTRY = Entry(
    CitizenId.parse("11010519491231002X"), "买买提·艾合买提江·吐尔逊", "05", "650100", False, InsuredClass.NONE, ""
)


def citizen_plan() -> Plan:
    identity = Identity(CHIP, application_serial(17))
    contents = citizen_contents(CITIZEN_CARD, identity, ENTRY, VALIDITY, social_card_number="00000017X")
    return Plan(CITIZEN_CARD, identity, contents, {names.PIN: DEMONSTRATION_PIN})


def sam_plan(spec: Any) -> Plan:
    identity = Identity(CHIP, sam_serial(3))
    contents = sam_contents(spec, identity, VALIDITY, terminal_number=terminal_number(3))
    return Plan(spec, identity, contents, {})


PLANS: dict[str, Callable[[], Plan]] = {
    "citizen": citizen_plan,
    "transit-sam": lambda: sam_plan(TRANSIT_SAM),
    "hospital-sam": lambda: sam_plan(HOSPITAL_SAM),
}


@pytest.fixture(params=PLANS)
def plan(request: pytest.FixtureRequest) -> Plan:
    return PLANS[request.param]()


def counting_random() -> Callable[[int], bytes]:
    """Reproducible, different each time."""
    count = iter(range(1_000_000))
    return lambda length: hashlib.sha256(next(count).to_bytes(4, "big")).digest()[:length]


def blank() -> ByteCard:
    transport = VAULT.child_key(MasterKey(KeyLabel.TRANSPORT), [CHIP])
    return ByteCard(blank_card(CardMemory(), CHIP, transport, counting_random()))


@dataclass
class Pulled:
    """A connection that leaves: before command ``at`` reaches the card, or (``late``) after it did."""

    card: ByteCard
    at: int
    late: bool
    sent: int = 0

    @property
    def atr(self) -> bytes:
        return self.card.atr

    def reset(self) -> bytes:
        return self.card.reset()

    def transmit(self, command: bytes) -> bytes:
        self.sent += 1
        if self.sent < self.at:
            return self.card.transmit(command)
        if self.sent == self.at and self.late:
            self.card.transmit(command)
        raise CardGone("pulled")


@dataclass
class Log:
    keys: list[KeyWritten] = field(default_factory=list)


def run(dialogue: Dialogue[Any], card: Any, log: Log | None = None) -> Any:
    keys = (log or Log()).keys
    return drive(dialogue, Ports(card=card, vault=lambda op: perform(VAULT, op), persist=keys.append))


def whole(plan: Plan, *, resumed: bool = False) -> Iterator[Any]:
    yield from personalise(plan, resumed=resumed)
    yield from read_back(plan)


def test_blank_is_written_and_read_back(plan: Plan) -> None:
    card, log = blank(), Log()
    run(whole(plan), card, log)
    card.reset()
    run(read_back(plan), card)
    directories = (*plan.spec.applications, plan.spec.master_file)
    assert [(line.directory, line.key) for line in log.keys] == [(df.fid, key) for df in directories for key in df.keys]


def test_citizen_data_can_be_read_by_anybody_else() -> None:
    card = blank()
    run(whole(citizen_plan()), card)
    card.reset()
    exchange(card, commands.select_name(names.SOCIAL_AID))
    records = [exchange(card, commands.read_record(names.SFI_SOCIAL_HOLDER, n)).data for n in range(1, 8)]
    holder = next(f.codec for f in CITIZEN_CARD.applications[1].files if f.sfi == 6).decode(records)
    assert holder.name + holder.name_extension == ENTRY.name
    assert (holder.social_number, holder.sex, holder.nation) == ("11010519491231002X", "2", "05")
    exchange(card, commands.select_name(names.TRANSIT_AID))
    management = exchange(card, commands.read_binary(names.SFI_MANAGEMENT)).data
    assert management[10] == 3  # elder
    assert exchange(card, commands.read_binary(names.SFI_HOLDER)).sw.value == 0x6982


def commands_of_a_whole_conversation(plan: Plan) -> int:
    counter = Pulled(blank(), at=1_000_000, late=False)
    run(whole(plan), counter)
    return counter.sent


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_chip_pulled_at_every_step_is_finished_when_presented_again(plan: Plan, late: bool) -> None:
    for at in range(1, commands_of_a_whole_conversation(plan) + 1):
        card = blank()
        with pytest.raises(CardGone):
            run(whole(plan), Pulled(card, at, late))
        card.reset()
        run(whole(plan, resumed=True), card)
        card.reset()
        run(read_back(plan), card)


def test_chip_pulled_twice_is_finished_the_third_time(plan: Plan) -> None:
    length = commands_of_a_whole_conversation(plan)
    for at in range(1, length, 7):
        card = blank()
        for pulled, resumed in ((Pulled(card, at, True), False), (Pulled(card, 1 + at % 12, True), True)):
            with pytest.raises(CardGone):
                run(whole(plan, resumed=resumed), pulled)
            card.reset()
        run(whole(plan, resumed=True), card)


@dataclass
class Altered:
    """A connection that changes one byte of what is written into one file, as bad memory would."""

    card: ByteCard
    instruction: int
    offset: int
    only: int = 0
    seen: int = 0

    @property
    def atr(self) -> bytes:
        return self.card.atr

    def reset(self) -> bytes:
        return self.card.reset()

    def transmit(self, command: bytes) -> bytes:
        apdu = CommandApdu.parse(command)
        if apdu.ins == self.instruction:
            self.seen += 1
            if self.seen == self.only:
                data = bytearray(apdu.data)
                data[self.offset] ^= 0x01
                command = replace(apdu, data=bytes(data)).encode()
        return self.card.transmit(command)


UPDATE_BINARY, APPEND_RECORD = 0xD6, 0xE2


@pytest.mark.parametrize(
    ("instruction", "which", "named"),
    [
        (UPDATE_BINARY, 1, "public application information"),
        (UPDATE_BINARY, 2, "cardholder"),
        (UPDATE_BINARY, 3, "management"),
        (APPEND_RECORD, 1, "directory"),
        (APPEND_RECORD, 2, "transit process"),
        *((APPEND_RECORD, number, "issuer data") for number in range(3, 10)),
        *((APPEND_RECORD, number, "holder data") for number in range(10, 17)),
        (APPEND_RECORD, 17, "directory"),
    ],
)
def test_read_back_finds_one_altered_byte(instruction: int, which: int, named: str) -> None:
    for offset in (2, -1):
        with pytest.raises(ReadBackDiffers, match=named):
            run(whole(citizen_plan()), Altered(blank(), instruction, offset, which))


def test_difference_is_named_without_the_citizens_data() -> None:
    with pytest.raises(ReadBackDiffers) as caught:
        run(whole(citizen_plan()), Altered(blank(), UPDATE_BINARY, 5, 2))
    assert "byte 5" in str(caught.value)
    assert "11010519491231002X" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "label", "proof"),
    [
        (citizen_plan, KeyLabel.LOAD, "load"),
        (citizen_plan, KeyLabel.SOCIAL_INTERNAL, "social-internal"),
        (PLANS["transit-sam"], KeyLabel.PURCHASE, "purchase"),
        (PLANS["hospital-sam"], KeyLabel.SOCIAL_INTERNAL, "social-internal"),
    ],
)
def test_wrong_key_on_the_chip_does_not_prove_itself(make: Callable[[], Plan], label: KeyLabel, proof: str) -> None:
    card, plan = blank(), make()
    run(personalise(plan, resumed=False), card)
    others = {MasterKey(one): VAULT._masters[MasterKey(one)] for one in KeyLabel}
    others[MasterKey(label)] = VAULT._masters[MasterKey(KeyLabel.TAC)]
    other = SoftwareVault(others, seal_key=b"s" * 32, token_key=b"t" * 32)
    with pytest.raises(ReadBackDiffers, match=proof):
        drive(read_back(plan), Ports(card=card, vault=lambda op: perform(other, op)))


def test_blank_of_another_maker_is_not_opened() -> None:
    card = ByteCard(blank_card(CardMemory(), CHIP, b"another transport"[:16], counting_random()))
    with pytest.raises(UnexpectedStatus, match="0082"):
        run(personalise(citizen_plan(), resumed=False), card)


def test_finished_card_is_not_opened_by_the_transport_key() -> None:
    card = blank()
    run(whole(citizen_plan()), card)
    card.reset()
    with pytest.raises(UnexpectedStatus, match="0082"):
        run(personalise(citizen_plan(), resumed=False), card)


def test_plan_shows_neither_pin_nor_citizen() -> None:
    shown = repr(citizen_plan())
    assert "pins={" not in shown
    assert "11010519491231002X" not in shown
