"""A personalised software card, and a host that follows clearing's own rules without a database."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from card_os.crypto.authentication import external_cryptogram
from card_os.crypto.purse import purchase_mac1
from card_os.crypto.session import purchase_session_key
from card_os.engine.bytecard import ByteCard
from card_os.engine.card import Card
from card_os.engine.stock import blank_card
from card_os.profile import personalisation as perso
from card_os.profile.transit import MANAGEMENT, PUBLIC_APPLICATION, TRANSIT, Management, PublicApplication
from card_os.wire import commands
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu
from card_os.wire.dialogue import CardGone, HostSilent
from clearing.loads.rules import (
    Attempt,
    Authorisation,
    Continue,
    Event,
    Known,
    LoadKey,
    Repeat,
    Reserve,
    executed,
    judge,
    macs,
    next_state,
)
from hardware.readers.drive import exchange
from hardware.vault.demonstration import ISSUING_LABELS
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey
from rulebook.messages.base import Message
from rulebook.messages.facts import CardFact, CardState
from rulebook.messages.loads import (
    ConfirmationRefusal,
    LoadAuthorised,
    LoadConfirmation,
    LoadQuestion,
    LoadRefusal,
    LoadRequest,
    LoadStanding,
    LoadState,
)
from rulebook.messages.problems import Problem
from rulebook.money import Amount
from simulator.softcard.memory import CardMemory
from terminals.journal import Journal
from terminals.topup import Desk, TopUpDesk
from terminals.uplink import HostRefused

VAULT = SoftwareVault.demonstration(ISSUING_LABELS)
ISSUER, SERIAL, CHIP = bytes.fromhex("01991000FFFFFFFF"), bytes.fromhex("03109910000000000017"), b"CHIP0001"
PIN = "123456"
NOW = datetime(2026, 9, 15, 2, tzinfo=UTC)


def child(label: str) -> bytes:
    return VAULT.child_key(MasterKey(KeyLabel(label)), [ISSUER, SERIAL[-8:]])


def personalised() -> bytes:
    """The memory of a card with the transit application, its keys and the PIN."""
    memory = CardMemory()
    transport = VAULT.child_key(MasterKey(KeyLabel.TRANSPORT), [CHIP])
    card = blank_card(memory, CHIP, transport, random.Random(1).randbytes)

    def send(command: CommandApdu) -> bytes:
        answer = card.transmit(command)
        assert answer.sw.value == 0x9000, (command, answer.sw)
        return answer.data

    def challenge() -> bytes:
        return send(commands.get_challenge(8))

    send(commands.select_fid(names.MASTER_FILE))
    send(commands.external_authenticate(0, external_cryptogram(transport, challenge())))
    send(perso.create_application(TRANSIT))
    send(commands.select_fid(TRANSIT.fid))
    send(perso.create_key_file(TRANSIT))
    for file in TRANSIT.files:
        send(perso.create_file(file))
    assert TRANSIT.purse is not None
    send(perso.create_purse(TRANSIT.purse))
    for key in TRANSIT.keys:
        send(perso.write_key(key, child(key.label), line_key=transport, challenge=challenge()))
    for pin in TRANSIT.pins:
        send(perso.write_pin(pin, bytes.fromhex(PIN), line_key=transport, challenge=challenge()))
    key_id = names.KEY_APPLICATION
    send(commands.external_authenticate(key_id, external_cryptogram(child("application"), challenge())))
    public = PublicApplication(
        issuer=ISSUER,
        application_type=1,
        version=1,
        serial=SERIAL.hex(),
        valid_from="20260101",
        valid_to="20360101",
    )
    send(commands.update_binary(names.SFI_PUBLIC, PUBLIC_APPLICATION.encode(public)))
    management = Management(province="1100", city="1000", card_class=1)
    send(commands.update_binary(names.SFI_MANAGEMENT, MANAGEMENT.encode(management)))
    return memory.content


@dataclass
class Host:
    """Clearing's rules over dictionaries. ``prepaid`` is the agent's money."""

    prepaid: int = 1_000_000
    purse_limit: int = 100_000
    state: CardState = CardState.ACTIVE
    loads: dict[LoadKey, list[Attempt]] = field(default_factory=dict)
    heard: list[Message] = field(default_factory=list)

    def __call__(self, message: Message) -> Message:
        self.heard.append(message)
        match message:
            case LoadRequest():
                return self._authorise(message)
            case LoadConfirmation():
                return self._confirm(message)
            case LoadQuestion():
                attempt = self.loads[_key(message)][-1]
                return _standing(attempt, attempt.authorisations[-1])
        raise AssertionError(message)

    def total(self, *states: LoadState) -> int:
        return sum(a.amount_minor for attempts in self.loads.values() for a in attempts if a.state in states)

    def _authorise(self, request: LoadRequest) -> LoadAuthorised:
        load, expected = _key(request), macs(child("load"), request)
        attempts = self.loads.setdefault(load, [])
        open_loads = {k for k, v in self.loads.items() if any(a.state is LoadState.RESERVED for a in v)}
        known = Known(
            card=self._fact(),
            denied=False,
            mac1_right=expected.mac1 == request.mac1,
            attempts=attempts,
            earlier_open=bool(open_loads - {load}),
            today=NOW.date(),
        )
        match judge(request, "agent-1", known):
            case LoadRefusal() as reason:
                raise _refused(reason)
            case Repeat(mac2):
                return LoadAuthorised(mac2=mac2)
            case Continue(attempt):
                pass
            case Reserve(number, void):
                if void is not None:
                    self._move(attempts, void, Event.DISPROVED)
                if self.total(LoadState.RESERVED, LoadState.POSTED) + request.amount_minor > self.prepaid:
                    raise _refused(LoadRefusal.AGENT_WITHOUT_COVER)
                attempts.append(attempt := Attempt(number, "agent-1", request.amount_minor, LoadState.RESERVED, ()))
        names_ = ("random", "device", "terminal", "date", "time", "key_version", "algorithm", "balance_minor", "mac1")
        given = Authorisation(**{name: getattr(request, name) for name in names_}, mac2=expected.mac2)
        attempts[attempts.index(attempt)] = replace(attempt, authorisations=(*attempt.authorisations, given))
        return LoadAuthorised(mac2=expected.mac2)

    def _confirm(self, confirmation: LoadConfirmation) -> LoadStanding:
        load = _key(confirmation)
        attempts = self.loads.get(load, [])
        if not attempts:
            raise _refused(ConfirmationRefusal.LOAD_UNKNOWN)
        proved = executed(lambda _: child("tac"), load, attempts, confirmation.tac)
        if proved is None:
            raise _refused(ConfirmationRefusal.TAC_WRONG)
        self._move(attempts, proved[0], Event.PROVED)
        return _standing(replace(proved[0], state=LoadState.POSTED), proved[1])

    @staticmethod
    def _move(attempts: list[Attempt], attempt: Attempt, event: Event) -> None:
        attempts[attempts.index(attempt)] = replace(attempt, state=next_state(attempt.state, event)[0])

    def _fact(self) -> CardFact:
        return CardFact(
            issuer=ISSUER,
            serial=SERIAL,
            chip_serial=CHIP,
            person="p",
            product="citizen",
            rider_class="ordinary",
            key_version=1,
            valid_from=date(2026, 1, 1),
            valid_to=date(2036, 1, 1),
            purse_limit_minor=self.purse_limit,
            state=self.state,
            effective=NOW,
        )


def _key(m: LoadRequest | LoadConfirmation | LoadQuestion) -> LoadKey:
    return LoadKey(m.issuer, m.serial, m.purse, m.online_sequence)


def _standing(attempt: Attempt, given: Authorisation) -> LoadStanding:
    return LoadStanding(
        state=attempt.state,
        amount_minor=attempt.amount_minor,
        balance_minor=given.balance_minor,
        terminal=given.terminal,
        date=given.date,
        time=given.time,
    )


def _refused(reason: LoadRefusal | ConfirmationRefusal) -> HostRefused:
    return HostRefused(Problem(title="refused", status=409, reason=reason))


@dataclass
class Pulled:
    """Answers ``steps`` commands; the next one is the last, executed or not, and its answer never comes."""

    card: ByteCard
    steps: int
    executed: bool

    @property
    def atr(self) -> bytes:
        return self.card.atr

    def reset(self) -> bytes:
        return self.card.reset()

    def transmit(self, command: bytes) -> bytes:
        self.steps -= 1
        if self.steps >= 0:
            return self.card.transmit(command)
        if self.steps == -1 and self.executed:
            self.card.transmit(command)
        raise CardGone("pulled")


@dataclass
class Silent:
    """Answers ``steps`` messages; the next one gets none, whether it was acted on or not."""

    host: Callable[[Message], Message]
    steps: int
    acted: bool

    def __call__(self, message: Message) -> Message:
        self.steps -= 1
        if self.steps == -1:
            if self.acted:
                self.host(message)
            raise HostSilent("no answer")
        return self.host(message)


@dataclass
class City:
    """One card, one host, any number of desks."""

    card: ByteCard
    host: Host
    folder: Path

    @property
    def balance(self) -> int:
        self.card.reset()
        self.card.transmit(commands.select_name(names.TRANSIT_AID).encode())
        return int.from_bytes(self.card.transmit(commands.get_balance().encode())[:4], "big")

    def rides(self, number: int) -> None:
        """Purchases of amount 0 as a PSAM would make them."""
        details = {"date": bytes.fromhex("20260915"), "time": bytes.fromhex("120000")}
        terminal = bytes.fromhex("991000000042")
        self.card.reset()
        self._ask(commands.select_name(names.TRANSIT_AID))
        for sequence in range(number):
            begin = commands.initialize_for_purchase(key_id=names.KEY_PURCHASE, amount_minor=0, terminal=terminal)
            begun = commands.PurchaseInitialized.parse(self._ask(begin))
            key = purchase_session_key(
                child("purchase"),
                card_random=begun.card_random,
                offline_sequence=begun.offline_sequence,
                terminal_sequence=sequence,
            )
            mac1 = purchase_mac1(key, amount_minor=0, transaction_type=6, terminal=terminal, **details)
            self._ask(commands.debit(terminal_sequence=sequence, mac1=mac1, **details))

    def _ask(self, command: CommandApdu) -> bytes:
        answer = exchange(self.card, command)
        assert answer.sw.value == 0x9000, f"{command} answered {answer.sw}"
        return answer.data

    def desk(
        self,
        name: str = "TOPUP-01",
        *,
        host: Callable[[Message], Message] | None = None,
        purse_limit: int = 100_000,
        journal: Journal | None = None,
    ) -> TopUpDesk:
        settings = Desk(
            device=name,
            terminal=bytes.fromhex("9910000009" + name[-2:]),
            place="desk",
            purse_limit=Amount(purse_limit),
            software_version=1,
        )
        return TopUpDesk(settings, journal=journal or self.journal(name), host=host or self.host)

    def pulled(self, steps: int, executed: bool) -> Pulled:
        self.card.reset()
        return Pulled(self.card, steps, executed)

    def silent(self, steps: int, acted: bool) -> Silent:
        return Silent(self.host, steps, acted)

    def journal(self, name: str = "TOPUP-01") -> Journal:
        return Journal(self.folder / name)


@pytest.fixture(scope="session")
def content() -> bytes:
    return personalised()


@pytest.fixture(scope="session")
def new_city(content: bytes) -> Callable[[Path], City]:
    """Makes cities with a card each, for tests that need many."""
    return lambda folder: City(ByteCard(Card(CardMemory(content), random.Random(2).randbytes)), Host(), folder)


@pytest.fixture
def city(new_city: Callable[[Path], City], tmp_path: Path) -> City:
    return new_city(tmp_path)
