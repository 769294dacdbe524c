"""The tap: one compound purchase from SELECT to the opened gate (design.md, "Tap").

The order is the safety: the intent with every input of the TAC is durable before DEBIT, the outcome before the gate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum, unique

from card_os.crypto.purse import TransactionType
from card_os.profile.codecs import MalformedFile
from card_os.wire import commands
from card_os.wire.commands import Debited, MalformedAnswer, PurchaseInitialized, SamInitialized
from card_os.wire.dialogue import CardGone, Dialogue, Persist, SamRefused, UnexpectedStatus, ask_card, ask_sam
from rulebook.money import Amount
from rulebook.record import Event, Kind, MalformedRecord, Outcome, Record, Verdict
from rulebook.tariff import PricedFare
from terminals.dialogues.context import Moment, Rules, Sam, Terminal, moment_of
from terminals.dialogues.refusals import Presented, Refusal, first_refusal
from terminals.dialogues.transit_card import TransitCard, UnreadableCard, read_transit_card
from terminals.dialogues.trips import Planned, plan
from terminals.dialogues.unknown import finish, prove_last

# Ours: how long after a torn tap the same card at the same place means "again" and not "another ride".
RETAP_WINDOW = timedelta(minutes=5)

_MAC_WRONG = 0x9302
_KEY_UNKNOWN = 0x9403
# What a card can say that no layout allows. All of it shows before DEBIT, whose answer has a reader of its own.
_NONSENSE = (UnreadableCard, MalformedAnswer, MalformedFile)
_STATUS_REFUSALS = {
    0x6A82: Refusal.NO_TRANSIT_APPLICATION,
    0x6A81: Refusal.LOCKED,
    0x6283: Refusal.LOCKED,
    0x6985: Refusal.LOCKED,
    0x9303: Refusal.LOCKED,
    0x9402: Refusal.LOCKED,
    _KEY_UNKNOWN: Refusal.ISSUER_NOT_ACCEPTED,
    0x9401: Refusal.TOO_LITTLE_MONEY,
}
# Answers to DEBIT that mean "not done". After any other the card is asked at its next contact.
_DEBIT_REFUSED = frozenset({_MAC_WRONG, 0x6985, 0x9303, 0x9401, 0x9402, 0x6982, 0x6700, 0x6A80, 0x6A86})


@unique
class Ending(StrEnum):
    """How a tap ended."""

    PAID = "paid"
    PAID_BEFORE = "paid_before"  # the tap before this one was torn and is now proven paid
    REFUSED = "refused"  # ``refusal`` says why; nothing happened
    CARD_GONE = "card_gone"  # before any money was asked for; nothing happened
    UNKNOWN = "unknown"  # the card went away over DEBIT; its next contact settles it
    DEBIT_REFUSED = "debit_refused"  # the card answered DEBIT with no
    MAC2_WRONG = "mac2_wrong"  # the PSAM does not believe the card; journaled, clearing judges the TAC
    SAM_FAILED = "sam_failed"  # the terminal is out of order
    JOURNAL_FAILED = "journal_failed"  # likewise; a debit whose outcome could not be kept is proven at the next contact


@dataclass(frozen=True, slots=True, kw_only=True)
class TapResult:
    """``amount`` is what the card paid or was asked for, ``balance_minor`` fen left on it where known. ``finished`` says
    what became of an earlier torn tap that this one settled."""

    ending: Ending
    refusal: Refusal | None = None
    amount: Amount | None = None
    balance_minor: int | None = None
    fare: PricedFare | None = None
    finished: Outcome | None = None

    @property
    def gate_open(self) -> bool:
        return self.ending in (Ending.PAID, Ending.PAID_BEFORE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Where and by which rules a card is tapped. ``pending_of(issuer, serial)`` is the device's newest pending intent
    of that card (``Journal.pending_of``)."""

    terminal: Terminal
    sam: Sam
    rules: Rules
    pending_of: Callable[[bytes, bytes], Record | None]


def tap(point: Point, event: Event, at: Moment) -> Dialogue[TapResult]:
    """One tap. ``event`` is RIDE on a bus, ENTRY or EXIT at a gate. Ends with a ``TapResult`` whatever card and PSAM do."""
    try:
        return (yield from _tap(point, event, at))
    except CardGone:
        return TapResult(ending=Ending.CARD_GONE)
    except SamRefused:
        return TapResult(ending=Ending.SAM_FAILED)
    except _NONSENSE:
        return _refused(Refusal.UNREADABLE)
    except UnexpectedStatus as problem:
        return _refused(_STATUS_REFUSALS.get(problem.sw.value, Refusal.UNREADABLE))


def _tap(point: Point, event: Event, at: Moment) -> Dialogue[TapResult]:
    card = yield from read_transit_card()
    finished = None
    if (earlier := point.pending_of(card.issuer, card.serial)) is not None:
        finished = yield from finish(earlier, point.sam)
        if finished is Outcome.DONE and _again(earlier, point.terminal, event, at):
            paid = Amount(earlier.amount_minor)
            return TapResult(
                ending=Ending.PAID_BEFORE, amount=paid, balance_minor=card.balance_minor, finished=finished
            )
    presented = Presented(card=card, terminal=point.terminal, rules=point.rules, event=event, at=at)
    refusal = first_refusal(presented)
    if refusal in (Refusal.ALREADY_INSIDE, Refusal.NOT_INSIDE):
        yield from _report_last(card, point)
    planned = refusal or plan(presented, point.sam)
    if isinstance(planned, Refusal):
        return replace(_refused(planned), balance_minor=card.balance_minor, finished=finished)
    return replace((yield from _purchase(presented, point.sam, planned)), finished=finished)


def _refused(refusal: Refusal) -> TapResult:
    return TapResult(ending=Ending.REFUSED, refusal=refusal)


def _again(earlier: Record, terminal: Terminal, event: Event, at: Moment) -> bool:
    tapped = moment_of((earlier.date + earlier.time).hex())
    same = (earlier.event, earlier.place, earlier.trip) == (event, terminal.place, terminal.trip)
    # Either way: a device's clock may have been set back between the two.
    return same and abs(at.now - tapped) <= RETAP_WINDOW


def _report_last(card: TransitCard, point: Point) -> Dialogue[None]:
    """Another terminal may not know that its tap was done: let clearing have the card's proof. Never stands in the way."""
    try:
        yield from prove_last(card, point.terminal, point.sam)
    except (UnexpectedStatus, MalformedRecord, *_NONSENSE):
        return


def _purchase(p: Presented, sam: Sam, planned: Planned) -> Dialogue[TapResult]:
    initialize = commands.initialize_for_compound_purchase(
        key_id=sam.key_index, amount_minor=planned.amount.minor, terminal=sam.terminal
    )
    initialized = PurchaseInitialized.parse((yield from ask_card(initialize)).data)
    ready = yield from _ready_sam(p, planned, initialized)
    if planned.process is not None:
        yield from ask_card(commands.cache_transit_process(planned.process))
    yield from ask_card(commands.cache_trip(planned.trip))
    intent = _intent(p, sam, planned, initialized, ready)
    intent = replace(intent, journal_sequence=(yield Persist(intent)))
    result = yield from _debit(intent, ready)
    left = initialized.balance_minor - planned.amount.minor
    return replace(result, amount=planned.amount, fare=planned.fare, balance_minor=left if result.gate_open else None)


def _ready_sam(p: Presented, planned: Planned, initialized: PurchaseInitialized) -> Dialogue[SamInitialized]:
    command = commands.sam_initialize_for_purchase(
        card=initialized,
        amount_minor=planned.amount.minor,
        transaction_type=TransactionType.COMPOUND,
        date=p.at.date,
        time=p.at.time,
        serial=p.card.public.serial_factor,
        issuer=p.card.issuer,
    )
    try:
        return SamInitialized.parse((yield from ask_sam(command)).data)
    except (UnexpectedStatus, MalformedAnswer) as problem:
        if isinstance(problem, UnexpectedStatus) and problem.sw.value == _KEY_UNKNOWN:
            raise  # the key version or algorithm that the card named: nothing is wrong with the PSAM
        raise SamRefused(str(problem)) from problem


def _intent(
    p: Presented, sam: Sam, planned: Planned, initialized: PurchaseInitialized, ready: SamInitialized
) -> Record:
    terminal = p.terminal
    return Record(
        kind=Kind.INTENT,
        event=planned.event,
        device=terminal.device,
        journal_sequence=0,
        line=terminal.line,
        place=terminal.place,
        trip=terminal.trip,
        shift=terminal.shift,
        issuer=p.card.issuer,
        serial=p.card.serial,
        city=bytes.fromhex(p.card.management.city),
        card_class=p.card.management.card_class,
        key_version=initialized.key_version,
        algorithm=initialized.algorithm,
        transaction_type=TransactionType.COMPOUND,
        amount_minor=planned.amount.minor,
        balance_before_minor=initialized.balance_minor,
        card_sequence=initialized.offline_sequence,
        sam_terminal=sam.terminal,
        sam_sequence=ready.terminal_sequence,
        date=p.at.date,
        time=p.at.time,
        capp_before=p.card.process_bytes,
        capp_after=planned.process or p.card.process_bytes,
        tariff_version=p.rules.tariff.version,
        list_version=p.rules.deny_list.version,
        software_version=terminal.software_version,
        trace=planned.fare.steps() if planned.fare is not None else (),
    )


def _debit(intent: Record, ready: SamInitialized) -> Dialogue[TapResult]:
    command = commands.debit(
        terminal_sequence=ready.terminal_sequence, date=intent.date, time=intent.time, mac1=ready.mac1
    )
    try:
        debited = Debited.parse_debit((yield from ask_card(command)).data)
    except (CardGone, MalformedAnswer):
        return (yield from _without_debit(intent, Outcome.UNKNOWN))
    except UnexpectedStatus as problem:
        refused = problem.sw.value in _DEBIT_REFUSED
        return (yield from _without_debit(intent, Outcome.REFUSED if refused else Outcome.UNKNOWN))
    verdict = yield from _judge_mac2(debited.mac2)
    yield Persist(replace(_outcome(intent, Outcome.DONE), tac=debited.tac, mac2_verdict=verdict))
    return TapResult(ending=_ENDING_OF[verdict])


_ENDING_OF = {
    Verdict.RIGHT: Ending.PAID,
    Verdict.WRONG: Ending.MAC2_WRONG,
    Verdict.NOT_ASKED: Ending.SAM_FAILED,
}


def _without_debit(intent: Record, outcome: Outcome) -> Dialogue[TapResult]:
    yield Persist(_outcome(intent, outcome))
    return TapResult(ending=Ending.UNKNOWN if outcome is Outcome.UNKNOWN else Ending.DEBIT_REFUSED)


def _judge_mac2(mac2: bytes) -> Dialogue[Verdict]:
    try:
        yield from ask_sam(commands.sam_credit_for_purchase(mac2))
    except UnexpectedStatus as problem:
        return Verdict.WRONG if problem.sw.value == _MAC_WRONG else Verdict.NOT_ASKED
    except SamRefused:
        return Verdict.NOT_ASKED
    return Verdict.RIGHT


def _outcome(intent: Record, outcome: Outcome) -> Record:
    return replace(intent, kind=Kind.OUTCOME, outcome=outcome, refers_to=intent.journal_sequence, journal_sequence=0)
