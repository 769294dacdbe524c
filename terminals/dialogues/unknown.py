"""Finish what a card left unknown: whoever meets it next asks it (design.md, "Intent and outcome")."""

from __future__ import annotations

from dataclasses import replace

from card_os.crypto.purse import TransactionType
from card_os.profile.transit import LOG_RECORD, TRANSIT, LogRecord, TripType
from card_os.wire import commands
from card_os.wire import identifiers as names
from card_os.wire.commands import Debited, PurchaseInitialized
from card_os.wire.dialogue import Dialogue, Persist, UnexpectedStatus, ask_card
from rulebook.record import Event, Kind, Outcome, Record
from terminals.dialogues.context import Sam, Terminal
from terminals.dialogues.transit_card import TransitCard

_DEBITS = (TransactionType.PURCHASE, TransactionType.COMPOUND)
_LOG_RECORDS = TRANSIT.file(names.SFI_LOG).count
_RECORD_NOT_FOUND = 0x6A83
_COUNTER_AT_END = 0x9402
_EVENTS: dict[int | None, Event] = {TripType.ENTRY: Event.ENTRY, TripType.EXIT: Event.EXIT}


def finish(intent: Record, sam: Sam) -> Dialogue[Outcome]:
    """Settle a pending purchase ``intent`` of this device with its card present and the transit application selected.

    VOID: the card never did it; its counter stands still, or it went on with another terminal's purchase, whose proof
    must not be taken for ours. DONE: it did, and its TAC is journaled as a finding. UNKNOWN: too much came between, and
    the card cannot tell any more; the intent stays open for clearing. Raises ``UnexpectedStatus``."""
    if (yield from _counter_stands(intent, sam)):
        return (yield from _void(intent))
    logged = yield from _logged_debit(intent.card_sequence)
    if logged is None:
        return Outcome.UNKNOWN
    if not _is_of(logged, intent):
        return (yield from _void(intent))
    prove = commands.get_transaction_prove(transaction_type=intent.transaction_type, sequence=intent.card_sequence)
    try:
        proof = yield from ask_card(prove)
    except UnexpectedStatus:
        return Outcome.UNKNOWN
    yield Persist(replace(_ending(intent, Kind.FINDING, Outcome.DONE), tac=Debited.parse_prove(proof.data).tac))
    return Outcome.DONE


def _counter_stands(intent: Record, sam: Sam) -> Dialogue[bool]:
    try:
        initialized = yield from _counters(sam)
    except UnexpectedStatus as answer:
        if answer.sw.value != _COUNTER_AT_END:
            raise
        return False  # this very debit may have been the card's last: only its log tells
    return initialized.offline_sequence == intent.card_sequence


def _void(intent: Record) -> Dialogue[Outcome]:
    yield Persist(_ending(intent, Kind.OUTCOME, Outcome.VOID))
    return Outcome.VOID


def _logged_debit(sequence: int) -> Dialogue[LogRecord | None]:
    """The debit of that off-line sequence, as far back as the log reaches."""
    for number in range(1, _LOG_RECORDS + 1):
        answer = yield from ask_card(commands.read_record(names.SFI_LOG, number), 0x9000, _RECORD_NOT_FOUND)
        if not answer.data:
            return None
        log = LOG_RECORD.decode(answer.data)
        if log.type in _DEBITS and log.sequence == sequence:
            return log
    return None


def _is_of(log: LogRecord, intent: Record) -> bool:
    return (log.terminal, log.amount_minor, log.date + log.time) == (
        intent.sam_terminal,
        intent.amount_minor,
        (intent.date + intent.time).hex(),
    )


def prove_last(card: TransitCard, terminal: Terminal, sam: Sam) -> Dialogue[Record | None]:
    """Journal the card's newest debit as a finding, whichever terminal made it; None where there is none to prove.
    For terminals that find the card in a state they did not expect. Raises ``UnexpectedStatus``."""
    initialized = yield from _counters(sam)
    log = LOG_RECORD.decode((yield from ask_card(commands.read_record(names.SFI_LOG, 1))).data)
    if log.type not in _DEBITS:
        return None
    proof = yield from ask_card(commands.get_transaction_prove(transaction_type=log.type, sequence=log.sequence))
    finding = _finding(card, terminal, initialized, log, Debited.parse_prove(proof.data).tac)
    yield Persist(finding)
    return finding


def _counters(sam: Sam) -> Dialogue[PurchaseInitialized]:
    """INITIALIZE with amount 0 only tells the counters (standards.md §1.2)."""
    command = commands.initialize_for_compound_purchase(key_id=sam.key_index, amount_minor=0, terminal=sam.terminal)
    return PurchaseInitialized.parse((yield from ask_card(command)).data)


def _ending(intent: Record, kind: Kind, outcome: Outcome) -> Record:
    return replace(intent, kind=kind, outcome=outcome, refers_to=intent.journal_sequence, journal_sequence=0)


def _finding(
    card: TransitCard, terminal: Terminal, initialized: PurchaseInitialized, log: LogRecord, tac: bytes
) -> Record:
    trip_type = card.last_trip.type if card.last_trip is not None else None
    return Record(
        kind=Kind.FINDING,
        event=_EVENTS.get(trip_type, Event.RIDE),
        outcome=Outcome.DONE,
        device=terminal.device,
        journal_sequence=0,
        line=terminal.line,
        place=terminal.place,
        issuer=card.issuer,
        serial=card.serial,
        city=bytes.fromhex(card.management.city),
        card_class=card.management.card_class,
        key_version=initialized.key_version,
        algorithm=initialized.algorithm,
        transaction_type=log.type,
        amount_minor=log.amount_minor,
        balance_before_minor=initialized.balance_minor + log.amount_minor,
        card_sequence=log.sequence,
        sam_terminal=log.terminal,
        date=bytes.fromhex(log.date),
        time=bytes.fromhex(log.time),
        tac=tac,
        capp_after=card.process_bytes,
        software_version=terminal.software_version,
    )
