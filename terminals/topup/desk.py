"""The top-up desk as a device: journal, host, and the proofs the host has not taken yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from card_os.crypto.secret import Secret
from card_os.wire.dialogue import HostSilent
from card_os.wire.records import to_bcd
from hardware.readers.connection import Connection
from hardware.readers.drive import Ports, drive
from rulebook.messages.base import Message
from rulebook.messages.loads import LoadConfirmation
from rulebook.messages.problems import Problem
from rulebook.money import Amount
from rulebook.record import Kind, Outcome, Record
from terminals.dialogues.context import Moment
from terminals.dialogues.load import load
from terminals.dialogues.load_results import Desk, LoadResult
from terminals.journal import Journal
from terminals.uplink import HostRefused

_PIN_DIGITS = (4, 6, 8, 10, 12)  # BCD, 2 to 6 bytes (standards.md §1.1)


@dataclass(frozen=True, slots=True)
class Resent:
    """What became of the proofs that were still to be delivered. ``refused`` ones are cases; they are not sent again."""

    confirmed: int
    waiting: int
    refused: tuple[Problem, ...]


class TopUpDesk:
    """``host`` is the uplink's ``host``: it answers messages of ``rulebook.messages.loads``."""

    def __init__(self, desk: Desk, *, journal: Journal, host: Callable[[Any], Message]) -> None:
        self._desk = desk
        self._journal = journal
        self._host = host
        # The host knows a repeat, so after a restart every proof of the journal is offered once more.
        self._undelivered: dict[tuple[bytes, bytes, int, int], Record] = {}
        for record in journal.records(1, journal.last_sequence):
            self._remember(record)

    def load(self, card: Connection, amount: Amount, pin: str, now: datetime) -> LoadResult:
        """Load ``amount`` onto ``card``, with what is unfinished of it first. Raises ``ValueError`` for an amount that is
        not above zero and for a PIN that is not 4, 6, 8, 10 or 12 digits: the desk asks again before it troubles the card."""
        if amount.minor <= 0:
            raise ValueError(f"amount is {amount}; a load is above zero")
        if len(pin) not in _PIN_DIGITS:
            raise ValueError("a PIN has 4, 6, 8, 10 or 12 digits")
        secret = Secret(_bcd(pin))
        dialogue = load(self._desk, amount, secret, Moment(now), self._journal.pending_intents())
        return drive(dialogue, Ports(card=card, host=self._deliver, persist=self._persist))

    def resend(self) -> Resent:
        """Offer the host every proof it has not taken, oldest first; stops where it is silent."""
        confirmed, refused = 0, []
        for key, record in list(self._undelivered.items()):
            try:
                self._deliver(_confirmation(record))
            except HostRefused as refusal:
                refused.append(refusal.problem)
                del self._undelivered[key]
            except HostSilent:
                break
            else:
                confirmed += 1
        return Resent(confirmed, len(self._undelivered), tuple(refused))

    def _persist(self, draft: Record) -> int:
        sequence = self._journal.append(draft)
        self._remember(draft)
        return sequence

    def _remember(self, record: Record) -> None:
        if record.kind is not Kind.INTENT and record.outcome is Outcome.DONE:
            self._undelivered[record.purchase_id] = record

    def _deliver(self, message: Message) -> Message:
        answer = self._host(message)
        if isinstance(message, LoadConfirmation):
            key = (message.issuer, message.serial, message.purse, message.online_sequence)
            self._undelivered.pop(key, None)
        return answer


def _bcd(pin: str) -> bytes:
    try:
        return to_bcd(pin, len(pin) // 2)
    except ValueError:
        # The message of to_bcd shows what was typed.
        raise ValueError("a PIN has digits only") from None


def _confirmation(record: Record) -> LoadConfirmation:
    return LoadConfirmation(
        device=record.device,
        issuer=record.issuer,
        serial=record.serial,
        purse=record.purse,
        online_sequence=record.card_sequence,
        tac=record.tac,
    )
