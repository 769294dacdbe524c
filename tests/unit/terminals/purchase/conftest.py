"""Cards, a PSAM and terminals for taps in process: personalised by issuing's own dialogue with visible test keys."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from card_os.crypto import purse as macs
from card_os.crypto.authentication import external_cryptogram
from card_os.crypto.secure_messaging import with_mac
from card_os.crypto.session import load_session_key
from card_os.engine import ByteCard, Card, blank_card
from card_os.engine.files import FileSystem
from card_os.engine.memory import MEMORY_SIZE
from card_os.engine.store import Store
from card_os.profile.citizen import CITIZEN_CARD
from card_os.profile.files import CardSpec
from card_os.profile.psam import (
    SAM_APPLICATION,
    SAM_CARD,
    SAM_TERMINAL,
    TRANSIT_SAM,
    SamApplication,
    SamCard,
    SamTerminal,
)
from card_os.profile.transit import (
    CARD_HOLDER,
    MANAGEMENT,
    PUBLIC_APPLICATION,
    TRANSIT,
    TRANSIT_PROCESS,
    CardHolder,
    Management,
    PublicApplication,
    TransitProcess,
)
from card_os.wire import commands
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu
from card_os.wire.dialogue import CardGone
from hardware.readers.drive import Ports, drive, exchange
from hardware.vault.operations import perform
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey
from issuing.personalisation.dialogue import Plan, personalise
from issuing.personalisation.identity import Identity
from rulebook.calendar import BUSINESS_ZONE
from rulebook.deny_list import DenyList
from rulebook.messages.devices import DeviceKind
from rulebook.record import Record
from rulebook.tariff import load_tariff
from rulebook.tariff.demonstration import demonstration_document
from simulator.softcard.memory import CardMemory
from terminals.dialogues.context import Rules, Terminal
from terminals.gate import Gate
from terminals.journal import Journal
from terminals.validator import Validator

ISSUER = bytes.fromhex("01991000FFFFFFFF")
NOON = datetime(2026, 9, 15, 12, tzinfo=BUSINESS_ZONE)
SAM_TERMINAL_NUMBER = bytes.fromhex("991000000042")
VAULT = SoftwareVault.demonstration(frozenset(KeyLabel))
TARIFF = load_tariff(demonstration_document())
TRANSIT_CARD = replace(CITIZEN_CARD, applications=(TRANSIT,))


def counting_random() -> Callable[[int], bytes]:
    """Distinct and repeatable: a test's failure repeats."""
    numbers = itertools.count(1)
    return lambda length: (next(numbers) * 0x9E3779B97F4A7C15 % (1 << 8 * length)).to_bytes(length, "big")


def _made(spec: CardSpec, identity: Identity, contents: dict[tuple[int, int], tuple[bytes, ...]]) -> bytes:
    """The memory of a chip after personalisation."""
    memory = CardMemory(bytes(MEMORY_SIZE))
    transport = VAULT.child_key(MasterKey(KeyLabel.TRANSPORT), [identity.chip_serial])
    chip = ByteCard(blank_card(memory, identity.chip_serial, transport, counting_random()))
    pins = {names.PIN: bytes.fromhex("123456")}
    ports = Ports(card=chip, vault=lambda operation: perform(VAULT, operation), persist=lambda _: None)
    drive(personalise(Plan(spec, identity, contents, pins), resumed=False), ports)
    return memory.content


@cache
def _card_memory(number: int, card_class: int, valid: tuple[str, str], city: str, lock: int) -> bytes:
    identity = Identity(chip_serial=number.to_bytes(8, "big"), serial=bytes.fromhex(f"03109910{number:012d}"))
    public = PublicApplication(
        issuer=ISSUER,
        application_type=2,
        version=1,
        serial=identity.serial.hex(),
        valid_from=valid[0],
        valid_to=valid[1],
    )
    holder = CardHolder(identity_type=0, staff=0, name="测试", certificate_number="", certificate_type=0)
    interoperability = "0001" if city == "1000" else "0000"
    management = Management(province=city, city=city, card_class=card_class, interoperability=interoperability)
    return _made(
        TRANSIT_CARD,
        identity,
        {
            (names.TRANSIT_DF, names.SFI_PUBLIC): (PUBLIC_APPLICATION.encode(public),),
            (names.TRANSIT_DF, names.SFI_HOLDER): (CARD_HOLDER.encode(holder),),
            (names.TRANSIT_DF, names.SFI_MANAGEMENT): (MANAGEMENT.encode(management),),
            (names.TRANSIT_DF, names.SFI_TRANSIT_PROCESS): (TRANSIT_PROCESS.encode(TransitProcess(lock=lock)),),
        },
    )


@cache
def _sam_memory(terminal: bytes = SAM_TERMINAL_NUMBER) -> bytes:
    identity = Identity(chip_serial=b"\x00" * 6 + b"\xf0" + terminal[-1:], serial=bytes(4) + terminal)
    card = SamCard(serial=identity.serial.hex(), issuer=ISSUER[:2])
    application = SamApplication(
        key_index=names.KEY_PURCHASE, issuer=ISSUER, application=bytes(8), valid_from="20260101", valid_to="20361231"
    )
    return _made(
        TRANSIT_SAM,
        identity,
        {
            (names.MASTER_FILE, names.SFI_SAM_CARD): (SAM_CARD.encode(card),),
            (names.MASTER_FILE, names.SFI_SAM_TERMINAL): (SAM_TERMINAL.encode(SamTerminal(terminal=terminal)),),
            (names.TRANSIT_SAM_DF, names.SFI_SAM_APPLICATION): (SAM_APPLICATION.encode(application),),
        },
    )


@dataclass
class TestCard:
    """A card and what a tester may look up on it behind the terminals' backs."""

    __test__ = False
    memory: CardMemory
    serial: bytes

    def __post_init__(self) -> None:
        self.reader = ByteCard(Card(self.memory, counting_random()))

    @property
    def tac_key(self) -> bytes:
        return VAULT.child_key(MasterKey(KeyLabel.TAC), [ISSUER, self.serial[-8:]])

    @property
    def balance(self) -> int:
        self._ask(commands.select_name(names.TRANSIT_AID))
        return int.from_bytes(self._ask(commands.get_balance()), "big")

    @property
    def process(self) -> TransitProcess:
        self._ask(commands.select_name(names.TRANSIT_AID))
        return TRANSIT_PROCESS.decode(self._ask(commands.read_record(names.SFI_TRANSIT_PROCESS, 1)))

    @property
    def next_sequence(self) -> int:
        self._ask(commands.select_name(names.TRANSIT_AID))
        command = commands.initialize_for_compound_purchase(key_id=1, amount_minor=0, terminal=SAM_TERMINAL_NUMBER)
        return commands.PurchaseInitialized.parse(self._ask(command)).offline_sequence

    def set_offline_sequence(self, sequence: int) -> None:
        """No command does this; a card gets there by 65,534 debits."""
        purse = next(d.purse for d in FileSystem(Store(self.memory)).directories if d.purse is not None)
        assert purse is not None
        self.memory.write(purse.offset + 6, sequence.to_bytes(2, "big"))

    def load(self, amount_minor: int) -> None:
        """As the load service would, with the card's own keys."""
        moment = {"date": bytes.fromhex("20260901"), "time": bytes.fromhex("120000")}
        terminal = bytes.fromhex("991000009999")
        self._ask(commands.select_name(names.TRANSIT_AID))
        self._ask(commands.verify_pin(names.PIN, bytes.fromhex("123456")))
        command = commands.initialize_for_load(key_id=names.KEY_LOAD, amount_minor=amount_minor, terminal=terminal)
        begun = commands.LoadInitialized.parse(self._ask(command))
        session = load_session_key(
            VAULT.child_key(MasterKey(KeyLabel.LOAD), [ISSUER, self.serial[-8:]]),
            card_random=begun.card_random,
            online_sequence=begun.online_sequence,
        )
        mac2 = macs.load_mac2(session, amount_minor=amount_minor, transaction_type=2, terminal=terminal, **moment)
        self._ask(commands.credit_for_load(mac2=mac2, **moment))

    def write_process(self, record: bytes) -> None:
        """As another city's terminal would leave it; here with the issuer's application key."""
        key = VAULT.child_key(MasterKey(KeyLabel.APPLICATION), [ISSUER, self.serial[-8:]])
        self._ask(commands.select_name(names.TRANSIT_AID))
        challenge = self._ask(commands.get_challenge(8))
        cryptogram = external_cryptogram(key, challenge)
        self._ask(commands.external_authenticate(names.KEY_APPLICATION, cryptogram))
        self._ask(commands.update_record(names.SFI_TRANSIT_PROCESS, 1, record))

    def block(self, *, permanent: bool) -> None:
        """As the issuer would, under the application's line protection key."""
        line_key = VAULT.child_key(MasterKey(KeyLabel.MAINTENANCE), [ISSUER, self.serial[-8:]])
        self._ask(commands.select_name(names.TRANSIT_AID))
        challenge = self._ask(commands.get_challenge())
        self._ask(with_mac(CommandApdu(0x84, 0x1E, 0, int(permanent)), line_key, challenge=challenge))

    def proves(self, record: Record) -> bool:
        """Is the record's TAC what this card makes over the record's own values?"""
        return record.tac == macs.purchase_tac(
            self.tac_key,
            amount_minor=record.amount_minor,
            transaction_type=record.transaction_type,
            terminal=record.sam_terminal,
            terminal_sequence=record.sam_sequence,
            date=record.date,
            time=record.time,
        )

    def _ask(self, command: CommandApdu) -> bytes:
        answer = exchange(self.reader, command)
        assert answer.sw.value == 0x9000, f"{command} answered {answer.sw}"
        return answer.data


@dataclass
class Torn:
    """A ``Connection`` that fails at its ``step``-th command (from 0), before or after the card has executed it, and at
    every later one until ``restored``. Counts what it has passed on."""

    inner: ByteCard
    step: int | None = None
    executed: bool = False
    count: int = field(default=0, init=False)

    @property
    def atr(self) -> bytes:
        return self.inner.atr

    def transmit(self, command: bytes) -> bytes:
        here, self.count = self.count, self.count + 1
        if self.step is None or here < self.step:
            return self.inner.transmit(command)
        if here == self.step and self.executed:
            self.inner.transmit(command)
        raise CardGone("pulled")

    def reset(self) -> bytes:
        return self.inner.reset()


@dataclass
class City:
    """One journal, one PSAM, and terminals over them."""

    folder: Path
    journal: Journal
    sam: ByteCard

    def card(
        self,
        number: int = 17,
        *,
        balance: int = 5000,
        card_class: int = 1,
        valid: tuple[str, str] = ("20260101", "20361231"),
        city: str = "1000",
        lock: int = 0,
    ) -> TestCard:
        memory = CardMemory(_card_memory(number, card_class, valid, city, lock))
        card = TestCard(memory, bytes.fromhex(f"03109910{number:012d}"))
        if balance:
            card.load(balance)
        return card

    def rules(self, *denied: TestCard, received_at: datetime = NOON) -> Rules:
        entries = {(ISSUER, card.serial): NOON - timedelta(days=1) for card in denied}
        return Rules(TARIFF, DenyList(7, received_at, entries))

    def terminal(self, kind: DeviceKind, line: str, place: str) -> Terminal:
        return Terminal(
            device="DEVICE-1",
            kind=kind,
            line=line,
            place=place,
            city="1000",
            institution=bytes.fromhex("0199000000000001"),
            issuers=frozenset({ISSUER}),
            software_version=1,
            trip="0001" if kind is DeviceKind.VALIDATOR else "",
        )

    def bus(self, rules: Rules | None = None) -> Validator:
        terminal = self.terminal(DeviceKind.VALIDATOR, "B101", "BUS-0012")
        return Validator(terminal, sam=self.sam, journal=self.journal, rules=rules or self.rules())

    def gate(self, station: str = "0101", rules: Rules | None = None) -> Gate:
        terminal = self.terminal(DeviceKind.GATE, station[:2], station)
        return Gate(terminal, sam=self.sam, journal=self.journal, rules=rules or self.rules())

    def records(self) -> tuple[Record, ...]:
        return self.journal.records(1, self.journal.last_sequence)

    def elsewhere(self, folder: Path, sam: ByteCard | None = None) -> City:
        """Another device with a journal of its own (and, where none is given, for simplicity the same PSAM)."""
        return City(folder, Journal(folder / "journal.db"), sam or self.sam)

    def reopened(self) -> City:
        """The same device after its process was killed: only what is on disk is left."""
        self.journal.close()
        return City(self.folder, Journal(self.folder / "journal.db"), self.sam)


def _sam(terminal: bytes = SAM_TERMINAL_NUMBER) -> ByteCard:
    return ByteCard(Card(CardMemory(_sam_memory(terminal)), counting_random()))


def _city(folder: Path) -> City:
    return City(folder, Journal(folder / "journal.db"), _sam())


@pytest.fixture
def city(tmp_path: Path) -> City:
    return _city(tmp_path)


@pytest.fixture(scope="session")
def new_city() -> Callable[[Path], City]:
    """Makes cities, for tests that need many."""
    return _city


@pytest.fixture(scope="session")
def another_sam() -> Callable[[int], ByteCard]:
    """Makes the PSAMs of other devices, each with its terminal number."""
    return lambda number: _sam((int.from_bytes(SAM_TERMINAL_NUMBER, "big") + number).to_bytes(6, "big"))


@pytest.fixture
def noon() -> datetime:
    return NOON


@pytest.fixture
def torn() -> type[Torn]:
    return Torn
