"""A load as the journal and the host are told of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from card_os.crypto.purse import TransactionType
from card_os.wire.commands import ELECTRONIC_PURSE, LoadInitialized
from rulebook.messages.loads import LoadConfirmation, LoadQuestion, LoadRequest
from rulebook.money import Amount
from rulebook.record import Event, Kind, Outcome, Record
from terminals.dialogues.context import Moment
from terminals.dialogues.load_results import Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class PurseAtDesk:
    """The card at the desk, and what the load is. ``serial`` 0x15[10..19], ``city`` and ``card_class`` of file 17."""

    desk: Desk
    amount: Amount
    at: Moment
    issuer: bytes
    serial: bytes
    city: bytes
    card_class: int
    balance_minor: int


def confirmation(purse: PurseAtDesk, sequence: int, tac: bytes) -> LoadConfirmation:
    return LoadConfirmation(
        device=purse.desk.device,
        issuer=purse.issuer,
        serial=purse.serial,
        purse=ELECTRONIC_PURSE,
        online_sequence=sequence,
        tac=tac,
    )


def question(purse: PurseAtDesk, sequence: int) -> LoadQuestion:
    return LoadQuestion(
        device=purse.desk.device,
        issuer=purse.issuer,
        serial=purse.serial,
        purse=ELECTRONIC_PURSE,
        online_sequence=sequence,
    )


def request(purse: PurseAtDesk, card: LoadInitialized) -> LoadRequest:
    return LoadRequest(
        device=purse.desk.device,
        issuer=purse.issuer,
        serial=purse.serial,
        purse=ELECTRONIC_PURSE,
        online_sequence=card.online_sequence,
        amount_minor=purse.amount.minor,
        balance_minor=card.balance_minor,
        key_version=card.key_version,
        algorithm=card.algorithm,
        random=card.card_random,
        mac1=card.mac1,
        terminal=purse.desk.terminal,
        date=purse.at.date,
        time=purse.at.time,
    )


def intent_draft(purse: PurseAtDesk, card: LoadInitialized) -> Record:
    """The intent: every input of the TAC."""
    return Record(
        kind=Kind.INTENT,
        event=Event.LOAD,
        device=purse.desk.device,
        journal_sequence=0,
        place=purse.desk.place,
        issuer=purse.issuer,
        serial=purse.serial,
        city=purse.city,
        card_class=purse.card_class,
        key_version=card.key_version,
        algorithm=card.algorithm,
        purse=ELECTRONIC_PURSE,
        transaction_type=TransactionType.LOAD,
        amount_minor=purse.amount.minor,
        balance_before_minor=card.balance_minor,
        card_sequence=card.online_sequence,
        sam_terminal=purse.desk.terminal,
        date=purse.at.date,
        time=purse.at.time,
        software_version=purse.desk.software_version,
    )


def ending(intent: Record, outcome: Outcome) -> Record:
    return replace(intent, kind=Kind.OUTCOME, outcome=outcome, refers_to=intent.journal_sequence, journal_sequence=0)
