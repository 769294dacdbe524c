"""A load at a top-up desk: PIN, INITIALIZE FOR LOAD, the host's MAC2, intent, CREDIT FOR LOAD, outcome, the TAC to the host.

Nothing is undone on the card. What is left unknown when a card is pulled is finished at its next contact: its on-line
sequence is unchanged and the load is void, or it has advanced and GET TRANSACTION PROVE gives the TAC that posts it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from card_os.crypto.purse import TransactionType
from card_os.crypto.secret import Secret
from card_os.profile.codecs import MalformedFile
from card_os.profile.transit import LOG_RECORD, MANAGEMENT, PUBLIC_APPLICATION
from card_os.wire import commands
from card_os.wire import identifiers as names
from card_os.wire.apdu import ResponseApdu
from card_os.wire.commands import Debited, LoadInitialized, MalformedAnswer
from card_os.wire.dialogue import CardGone, Dialogue, HostSilent, Persist, ToCard, ToHost, UnexpectedStatus, ask_card
from card_os.wire.status import StatusWord
from rulebook.messages.loads import (
    LoadAuthorised,
    LoadRefusal,
    LoadStanding,
)
from rulebook.money import Amount
from rulebook.record import Kind, Outcome, Record
from terminals.dialogues.context import Moment
from terminals.dialogues.load_forms import PurseAtDesk, confirmation, ending, intent_draft, question, request
from terminals.dialogues.load_results import Desk, Loaded, LoadResult, LoadUnknown, NotLoaded, Reason
from terminals.journal import JournalFailed
from terminals.uplink import HostRefused

_NOT_PROVABLE = 0x9406
_COUNTER_AT_END = 0x9402
_RECORD_NOT_FOUND = 0x6A83
_LOG_LENGTH = 10  # records of file 18 (standards.md §4.1)
_WRONG_OR_BLOCKED_PIN = (*range(0x63C0, 0x63D0), 0x6983)
_BALANCE_BITS = 0x7FFFFFFF  # the top bit can be set and is no part of the value (standards.md §1.2)


class _Stop(Exception):
    """Leaves the dialogue with a result."""

    def __init__(self, result: NotLoaded) -> None:
        super().__init__(result.reason)
        self.result = result


def load(desk: Desk, amount: Amount, pin: Secret, at: Moment, unfinished: Sequence[Record]) -> Dialogue[LoadResult]:
    """Load ``amount``. ``pin`` is BCD; ``unfinished`` are the device's intents whose end is unknown, of any card;
    those of this one are finished first, which needs no PIN."""
    try:
        purse = yield from _read(desk, amount, at)
        for intent in unfinished:
            if (intent.issuer, intent.serial) == (purse.issuer, purse.serial):
                yield from _finish(purse, intent)
        if purse.balance_minor + amount.minor > desk.purse_limit.minor:
            raise _Stop(NotLoaded(reason=Reason.PURSE_LIMIT_PASSED, detail=f"limit {desk.purse_limit}"))
        yield from _verify(pin)
        card, authorised = yield from _authorise(purse)
        return (yield from _credit(purse, card, authorised))
    except _Stop as stop:
        return stop.result
    except CardGone:
        return NotLoaded(reason=Reason.CARD_GONE)
    except HostSilent:
        return NotLoaded(reason=Reason.HOST_SILENT)
    except JournalFailed:
        return NotLoaded(reason=Reason.JOURNAL_FAILED)
    except UnexpectedStatus as answer:
        return _refused_by_card(answer)
    except (MalformedAnswer, MalformedFile) as problem:
        return NotLoaded(reason=Reason.UNREADABLE, detail=str(problem))


def _read(desk: Desk, amount: Amount, at: Moment) -> Dialogue[PurseAtDesk]:
    selected: ResponseApdu = yield ToCard(commands.select_name(names.TRANSIT_AID))
    if selected.sw != StatusWord.OK:
        reason = _REASONS.get(selected.sw.value, Reason.NO_TRANSIT_APPLICATION)
        raise _Stop(NotLoaded(reason=reason, detail=str(selected.sw)))
    public = PUBLIC_APPLICATION.decode((yield from ask_card(commands.read_binary(names.SFI_PUBLIC))).data)
    management = MANAGEMENT.decode((yield from ask_card(commands.read_binary(names.SFI_MANAGEMENT))).data)
    balance = yield from ask_card(commands.get_balance())
    return PurseAtDesk(
        desk=desk,
        amount=amount,
        at=at,
        issuer=public.issuer,
        serial=bytes.fromhex(public.serial),
        city=bytes.fromhex(management.city),
        card_class=management.card_class,
        balance_minor=int.from_bytes(balance.data, "big") & _BALANCE_BITS,
    )


def _verify(pin: Secret) -> Dialogue[None]:
    answer = yield from ask_card(commands.verify_pin(names.PIN, pin), 0x9000, *_WRONG_OR_BLOCKED_PIN)
    if (left := answer.sw.retries_left) is not None:
        raise _Stop(NotLoaded(reason=Reason.PIN_WRONG if left else Reason.PIN_BLOCKED, tries_left=left))


def _initialize(purse: PurseAtDesk, amount_minor: int) -> Dialogue[LoadInitialized]:
    command = commands.initialize_for_load(
        key_id=names.KEY_LOAD, amount_minor=amount_minor, terminal=purse.desk.terminal
    )
    answer = yield from ask_card(command)
    return LoadInitialized.parse(answer.data)


def _finish(purse: PurseAtDesk, intent: Record) -> Dialogue[None]:
    """What this desk began with this card and does not know the end of. It stays open where the card proves no more."""
    if (yield from _counter_stands(purse, intent)):
        yield Persist(ending(intent, Outcome.VOID))
        return
    ours = yield from _ours_by_the_log(intent)
    tac = (yield from _prove(intent.card_sequence)) if ours is not False else None
    if ours is None and tac is not None:
        ours = yield from _ours_by_the_host(purse, intent, tac)
    if ours is False:
        yield Persist(ending(intent, Outcome.VOID))
    elif ours and tac is not None:
        yield Persist(replace(ending(intent, Outcome.DONE), kind=Kind.FINDING, tac=tac))
        yield from _confirm(purse, intent.card_sequence, tac)


def _counter_stands(purse: PurseAtDesk, intent: Record) -> Dialogue[bool]:
    try:
        card = yield from _initialize(purse, 0)  # only asks for the counters
    except UnexpectedStatus as answer:
        if answer.sw.value != _COUNTER_AT_END:
            raise
        return False  # this very load may have been the card's last
    return card.online_sequence == intent.card_sequence


def _ours_by_the_log(intent: Record) -> Dialogue[bool | None]:
    """Whether the load that the card's log has under the intent's sequence is this one, or another desk's that came
    first; None where the log reaches back no more."""
    for number in range(1, _LOG_LENGTH + 1):
        answer = yield from ask_card(commands.read_record(names.SFI_LOG, number), 0x9000, _RECORD_NOT_FOUND)
        if answer.sw != StatusWord.OK:
            return None
        entry = LOG_RECORD.decode(answer.data)
        if (entry.type, entry.sequence) == (TransactionType.LOAD, intent.card_sequence):
            return _is(intent, entry.amount_minor, entry.terminal, bytes.fromhex(entry.date + entry.time))
    return None


def _ours_by_the_host(purse: PurseAtDesk, intent: Record, tac: bytes) -> Dialogue[bool | None]:
    """The host knows which load of that sequence the TAC is of; None where it does not say."""
    try:
        standing: LoadStanding = yield ToHost(confirmation(purse, intent.card_sequence, tac))
    except (HostSilent, HostRefused):
        return None
    return _is(intent, standing.amount_minor, standing.terminal, standing.date + standing.time)


def _is(intent: Record, amount_minor: int, terminal: bytes, moment: bytes) -> bool:
    return (amount_minor, terminal, moment) == (intent.amount_minor, intent.sam_terminal, intent.date + intent.time)


def _finish_elsewhere(purse: PurseAtDesk, card: LoadInitialized, refusal: HostRefused) -> Dialogue[None]:
    """An earlier load of another desk that the host has no proof of: the card's last one."""
    sequence = card.online_sequence - 1
    standing: LoadStanding = yield ToHost(question(purse, sequence))
    tac = yield from _prove(sequence)
    if tac is None:
        raise _refused_by_host(refusal)
    yield Persist(
        replace(
            intent_draft(purse, card),
            kind=Kind.FINDING,
            outcome=Outcome.DONE,
            card_sequence=sequence,
            amount_minor=standing.amount_minor,
            balance_before_minor=standing.balance_minor,
            sam_terminal=standing.terminal,
            date=standing.date,
            time=standing.time,
            tac=tac,
        )
    )
    yield from _confirm(purse, sequence, tac)


def _prove(sequence: int) -> Dialogue[bytes | None]:
    """The TAC of the card's load ``sequence``; None when the card has it no more."""
    command = commands.get_transaction_prove(transaction_type=TransactionType.LOAD, sequence=sequence)
    answer = yield from ask_card(command, 0x9000, _NOT_PROVABLE)
    return Debited.parse_prove(answer.data).tac if answer.sw == StatusWord.OK else None


def _authorise(purse: PurseAtDesk) -> Dialogue[tuple[LoadInitialized, LoadAuthorised]]:
    card = yield from _initialize(purse, purse.amount.minor)
    try:
        return card, (yield ToHost(request(purse, card)))
    except HostRefused as refusal:
        if refusal.problem.reason != LoadRefusal.EARLIER_LOAD_OPEN:
            raise _refused_by_host(refusal) from refusal
        open_load = refusal
    try:
        yield from _finish_elsewhere(purse, card, open_load)
        card = yield from _initialize(purse, purse.amount.minor)
        return card, (yield ToHost(request(purse, card)))
    except HostRefused as refusal:
        raise _refused_by_host(refusal) from refusal


def _credit(purse: PurseAtDesk, card: LoadInitialized, authorised: LoadAuthorised) -> Dialogue[LoadResult]:
    draft = intent_draft(purse, card)
    intent = replace(draft, journal_sequence=(yield Persist(draft)))
    command = commands.credit_for_load(date=purse.at.date, time=purse.at.time, mac2=authorised.mac2)
    try:
        answer: ResponseApdu = yield ToCard(command)
    except CardGone:
        answer = ResponseApdu(b"", _NO_ANSWER)
    outcome = _outcome_of(answer)
    with suppress(JournalFailed):  # the intent is durable: the next contact has the card prove it
        yield Persist(replace(ending(intent, outcome), tac=answer.data if outcome is Outcome.DONE else bytes(4)))
    if outcome is Outcome.UNKNOWN:
        return LoadUnknown(amount=purse.amount)
    if outcome is Outcome.REFUSED:
        return _refused_by_card(UnexpectedStatus(command, answer.sw))
    return Loaded(
        amount=purse.amount,
        balance=Amount(card.balance_minor + purse.amount.minor),
        tac=answer.data,
        confirmed=(yield from _confirm(purse, card.online_sequence, answer.data)),
    )


_NO_ANSWER = StatusWord(0x6F00)
# After these the card is as it was (ISO/IEC 7816-4 §5.6 and the purse words); after any other, nobody can tell.
_CHECKING_ERRORS = frozenset({0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6D, 0x6E, 0x93, 0x94})


def _outcome_of(answer: ResponseApdu) -> Outcome:
    if answer.sw == StatusWord.OK and len(answer.data) == 4:
        return Outcome.DONE
    return Outcome.REFUSED if answer.sw.value >> 8 in _CHECKING_ERRORS else Outcome.UNKNOWN


def _confirm(purse: PurseAtDesk, sequence: int, tac: bytes) -> Dialogue[bool]:
    """False when the host did not take the TAC now; it stays in the journal."""
    try:
        yield ToHost(confirmation(purse, sequence, tac))
    except (HostSilent, HostRefused):
        return False
    return True


_REASONS: dict[int, Reason] = {
    0x6A82: Reason.NO_TRANSIT_APPLICATION,
    0x6A81: Reason.CARD_LOCKED,
    0x6283: Reason.CARD_LOCKED,
    0x6985: Reason.CARD_LOCKED,
    0x9303: Reason.CARD_LOCKED,
    0x6A84: Reason.PURSE_LIMIT_PASSED,
    _COUNTER_AT_END: Reason.COUNTER_AT_END,
    0x9302: Reason.MAC2_REFUSED,
}


def _refused_by_card(answer: UnexpectedStatus) -> NotLoaded:
    return NotLoaded(reason=_REASONS.get(answer.sw.value, Reason.CARD_REFUSED), detail=str(answer))


def _refused_by_host(refusal: HostRefused) -> _Stop:
    problem = refusal.problem
    return _Stop(NotLoaded(reason=Reason.HOST_REFUSED, host_reason=problem.reason, detail=problem.detail))
