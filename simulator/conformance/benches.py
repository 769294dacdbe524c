"""Where a conversation is held: our card in process, our card behind a real pcscd, or whatever lies in a reader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import ClassVar, Protocol

from card_os.profile.codecs import MalformedFile
from card_os.profile.transit import PUBLIC_APPLICATION
from card_os.wire import commands
from card_os.wire.apdu import MalformedApdu
from card_os.wire.dialogue import CardGone
from card_os.wire.identifiers import SFI_PUBLIC, TRANSIT_AID
from card_os.wire.identity import IDENTITY_AID
from hardware.readers.connection import Connection
from hardware.readers.drive import exchange
from hardware.readers.pcsc import PcscConnection
from issuing.personalisation.identity import ISSUER
from simulator.conformance.cards import make_card
from simulator.conformance.kit_files import CardKind, Conversation
from simulator.softcard.daemon import private_readers
from simulator.softcard.vpcd import VirtualReader

_WAIT_S = 5.0
_PRESENT = frozenset({0x9000, 0x6283, 0x9303})


@dataclass(frozen=True, slots=True)
class Slots:
    """The card, reset, and the PSAM where the conversation has one."""

    card: Connection
    sam: Connection | None


class Bench(Protocol):
    keeps_its_card: ClassVar[bool]
    """Whether one card is there for all conversations, so that what one leaves behind the next one finds."""

    def reason_to_skip(self, conversation: Conversation) -> str:
        """Why ``conversation`` cannot be held here; empty where it can."""

    def slots(self, conversation: Conversation) -> Slots:
        """Ready for its first step."""


class InProcess:
    """Our engine, called as a function; a card of its own for each conversation."""

    keeps_its_card: ClassVar[bool] = False

    def reason_to_skip(self, conversation: Conversation) -> str:  # noqa: ARG002 (everything can be held)
        return ""

    def slots(self, conversation: Conversation) -> Slots:
        sam = None if conversation.sam is None else make_card(conversation.sam, b"")
        return Slots(make_card(conversation.card, conversation.random), sam)


@dataclass(frozen=True, slots=True)
class OverPcsc:
    """Our engine behind a pcscd of our own, a new card in the reader for each conversation. Made by ``over_pcsc``."""

    keeps_its_card: ClassVar[bool] = False
    card_field: VirtualReader
    sam_field: VirtualReader
    card: PcscConnection
    sam: PcscConnection

    def reason_to_skip(self, conversation: Conversation) -> str:  # noqa: ARG002 (everything can be held)
        return ""

    def slots(self, conversation: Conversation) -> Slots:
        self.card_field.present(make_card(conversation.card, conversation.random))
        self.card.reset()
        if conversation.sam is None:
            return Slots(self.card, None)
        self.sam_field.present(make_card(conversation.sam, b""))
        self.sam.reset()
        return Slots(self.card, self.sam)


@contextmanager
def over_pcsc() -> Iterator[OverPcsc]:
    """Raises ``simulator.softcard.daemon.DaemonUnavailable``."""
    with private_readers() as readers, ExitStack() as stack:
        (pair,) = readers.pairs
        fields = [stack.enter_context(VirtualReader(slot.port)) for slot in (pair.card, pair.sam)]
        for field in fields:
            field.insert(make_card(CardKind.CITIZEN, b""))
        names = (pair.card.reader, pair.sam.reader)
        card, sam = (stack.enter_context(PcscConnection(name, wait_s=_WAIT_S)) for name in names)
        yield OverPcsc(fields[0], fields[1], card, sam)


class InReader:
    """The card somebody put into a reader: it is looked at, and changed only where its serial was given."""

    keeps_its_card: ClassVar[bool] = True

    def __init__(self, connection: Connection, *, allowed: bool) -> None:
        self._connection = connection
        self._allowed = allowed
        self.serials = card_serials(connection)
        self.kinds = kinds_of(connection)

    def reason_to_skip(self, conversation: Conversation) -> str:
        if conversation.card not in self.kinds:
            return f"for a card of kind {conversation.card}"
        if conversation.needs_fresh_card:
            return "needs a card as it left the office: run it without --reader"
        if conversation.dangerous and not self._allowed:
            return f"{conversation.dangerous}: give --card with the card's serial to allow it"
        return ""

    def slots(self, conversation: Conversation) -> Slots:
        """Raises ``CardGone`` where another card has taken the place of the one that may be changed."""
        if conversation.dangerous and card_serials(self._connection) != self.serials:
            raise CardGone("another card lies in the reader now; nothing was sent that changes it")
        self._connection.reset()
        return Slots(self._connection, None)


def kinds_of(connection: Connection) -> frozenset[CardKind]:
    """What the card may be asked; empty for one that has none of the kit's applications."""
    kinds = set()
    if _has(connection, TRANSIT_AID):
        kinds.add(CardKind.T_UNION)
        if _public(connection)[: len(ISSUER)] == ISSUER:
            kinds.add(CardKind.CITIZEN)
    if _has(connection, IDENTITY_AID[:9]):
        kinds.add(CardKind.PIV)
    return frozenset(kinds)


def _has(connection: Connection, name: bytes) -> bool:
    """Also where the application says at once that it is locked."""
    try:
        connection.reset()
        return exchange(connection, commands.select_name(name)).sw.value in _PRESENT
    except (CardGone, MalformedApdu):
        return False


def card_serials(connection: Connection) -> frozenset[str]:
    """What a person may call this card by: its number, its 20-digit serial; empty where file 15 cannot be read."""
    try:
        public = PUBLIC_APPLICATION.decode(_public(connection))
    except MalformedFile:
        return frozenset()
    return frozenset({public.pan, public.serial})


def _public(connection: Connection) -> bytes:
    try:
        connection.reset()
        exchange(connection, commands.select_name(TRANSIT_AID))
        return exchange(connection, commands.read_binary(SFI_PUBLIC)).data
    except (CardGone, MalformedApdu):
        return b""
