"""A load's life at clearing (design.md, "Top up"). Pure.

A load is named by (issuer, serial, purse, on-line sequence). The card counts its on-line sequence up only when CREDIT FOR
LOAD succeeds, so a later INITIALIZE with right MAC1 and the same sequence proves that nothing was credited, and that no
MAC2 given out before can be used any more: the session key has a new random. Asked for the same amount by the same agent
the reservation goes on with a new MAC2; otherwise it is voided and another *attempt* under the same id is reserved. Only
one attempt of a card is ever reserved, and its TAC tells for certain which one was executed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum, unique
from hmac import compare_digest
from typing import TypeAlias

from card_os.crypto import purse
from card_os.crypto.session import load_session_key
from card_os.crypto.suites import SUITES, Algorithm
from clearing.verification.context import bcd_moment
from rulebook.messages.facts import CardFact, CardState
from rulebook.messages.loads import LoadRefusal, LoadRequest, LoadState

# The type byte of an electronic purse's load, by P2 of INITIALIZE FOR LOAD (standards.md §1.2).
TRANSACTION_TYPES = {1: purse.TransactionType.DEPOSIT_LOAD, 2: purse.TransactionType.LOAD}

_LENGTHS = {"issuer": 8, "serial": 10, "random": 4, "mac1": 4, "terminal": 6, "date": 4, "time": 3}
_AMOUNT_MAXIMUM = 0xFFFFFFFF
_MAXIMA = {"online_sequence": 0xFFFF, "amount_minor": _AMOUNT_MAXIMUM, "balance_minor": _AMOUNT_MAXIMUM}


def faults(request: LoadRequest) -> list[tuple[str, str]]:
    """Every field that no card and desk can have meant, with what is wrong."""
    found = [
        (name, f"has {len(getattr(request, name))} bytes; it must have {length}")
        for name, length in _LENGTHS.items()
        if len(getattr(request, name)) != length
    ]
    found += [
        (name, f"is {getattr(request, name)}; it must be 0 to {maximum}")
        for name, maximum in _MAXIMA.items()
        if getattr(request, name) > maximum or (getattr(request, name) < 0 and name != "amount_minor")
    ]
    for name, known in (("purse", TRANSACTION_TYPES), ("algorithm", SUITES)):
        if getattr(request, name) not in known:
            found.append((name, f"is {getattr(request, name)}; known are {', '.join(map(str, sorted(known)))}"))
    try:
        moment(request.date, request.time)
    except ValueError:
        found.append(("date", f"with time {request.time.hex()} is {request.date.hex()}; no such moment in BCD"))
    return found


def moment(date_bcd: bytes, time_bcd: bytes) -> datetime:
    """Local time of the MACs' BCD date and time. Raises ``ValueError``."""
    if (found := bcd_moment(date_bcd + time_bcd)) is None:
        raise ValueError(f"{date_bcd.hex()} {time_bcd.hex()} is no date and time in BCD of a clock that can be right")
    return found


@dataclass(frozen=True, slots=True)
class LoadKey:
    """The id of a load."""

    issuer: bytes
    serial: bytes
    purse: int
    online_sequence: int

    @classmethod
    def of(cls, request: LoadRequest) -> LoadKey:
        return cls(request.issuer, request.serial, request.purse, request.online_sequence)

    def transfer_id(self, attempt: int) -> str:
        """The id of the attempt's pending transfer; what settles it adds a suffix."""
        return f"load:{self.issuer.hex()}:{self.serial.hex()}:{self.purse}:{self.online_sequence}:{attempt}"


@dataclass(frozen=True, slots=True)
class Authorisation:
    """One MAC2 that was given out, with what the card said when it asked (``balance_minor`` before the load)."""

    random: bytes
    device: str
    terminal: bytes
    date: bytes
    time: bytes
    key_version: int
    algorithm: int
    balance_minor: int
    mac1: bytes
    mac2: bytes

    def repeats(self, request: LoadRequest) -> bool:
        """Every field of the same INITIALIZE is the same."""
        names = ("device", "terminal", "date", "time", "key_version", "algorithm", "balance_minor", "mac1")
        return all(getattr(self, name) == getattr(request, name) for name in names)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A reservation and what became of it."""

    number: int
    agent: str
    amount_minor: int
    state: LoadState
    authorisations: tuple[Authorisation, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What clearing knows when a request comes. ``attempts`` are those of the request's id, oldest first;
    ``mac1_right`` is False also where the card is unknown."""

    card: CardFact | None
    denied: bool
    mac1_right: bool
    attempts: Sequence[Attempt]
    earlier_open: bool
    today: date


@dataclass(frozen=True, slots=True)
class Repeat:
    """The same INITIALIZE again: the same MAC2."""

    mac2: bytes


@dataclass(frozen=True, slots=True)
class Continue:
    """A new random for the reservation that stands: a new MAC2."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Reserve:
    """Void what was reserved before under this id, if anything; then reserve as attempt ``number``."""

    number: int
    void: Attempt | None


Judgement: TypeAlias = LoadRefusal | Repeat | Continue | Reserve


def judge(request: LoadRequest, agent: str, known: Known) -> Judgement:
    """The first broken rule in the order of ``LoadRefusal``, or what to do. Cover is the ledger's to judge."""
    standing = known.attempts[-1] if known.attempts else None
    same_initialize = _authorisation_of(request.random, known.attempts)
    for broken, reason in _checks(request, agent, known, same_initialize):
        if broken:
            return reason
    if same_initialize is not None:
        return Repeat(same_initialize[1].mac2)
    if standing is not None and standing.state is LoadState.RESERVED:
        if (standing.agent, standing.amount_minor) == (agent, request.amount_minor):
            return Continue(standing)
        return Reserve(standing.number + 1, standing)
    return Reserve(standing.number + 1 if standing else 1, None)


def _checks(
    request: LoadRequest, agent: str, known: Known, same: tuple[Attempt, Authorisation] | None
) -> Iterable[tuple[bool, LoadRefusal]]:
    card = known.card
    yield card is None, LoadRefusal.CARD_UNKNOWN
    if card is not None:
        in_time = card.valid_from <= known.today <= card.valid_to
        yield card.state is not CardState.ACTIVE or not in_time, LoadRefusal.CARD_NOT_ACTIVE
        yield known.denied, LoadRefusal.CARD_DENIED
        yield not known.mac1_right, LoadRefusal.MAC1_WRONG
        yield request.amount_minor <= 0, LoadRefusal.AMOUNT_NOT_POSITIVE
        yield request.balance_minor + request.amount_minor > card.purse_limit_minor, LoadRefusal.PURSE_LIMIT_PASSED
    other_content = same is not None and not (
        same[1].repeats(request) and (same[0].agent, same[0].amount_minor) == (agent, request.amount_minor)
    )
    yield other_content, LoadRefusal.REPEATED_WITH_OTHER_CONTENT
    # An INITIALIZE from before the card counted on can only have been delayed, or used again.
    late = same is None and any(attempt.state is LoadState.POSTED for attempt in known.attempts)
    yield late, LoadRefusal.REPEATED_WITH_OTHER_CONTENT
    # The MAC2 of an attempt that was voided is not given out again.
    dead = same is not None and same[0].state is LoadState.VOIDED
    yield dead, LoadRefusal.REPEATED_WITH_OTHER_CONTENT
    yield known.earlier_open, LoadRefusal.EARLIER_LOAD_OPEN


def _authorisation_of(random: bytes, attempts: Iterable[Attempt]) -> tuple[Attempt, Authorisation] | None:
    pairs = ((attempt, given) for attempt in attempts for given in attempt.authorisations)
    return next(((attempt, given) for attempt, given in pairs if given.random == random), None)


@dataclass(frozen=True, slots=True)
class LoadMacs:
    """What the load key of a card says of a request: the MAC1 it should have carried, the MAC2 that permits it."""

    mac1: bytes
    mac2: bytes


def macs(load_key: bytes, request: LoadRequest) -> LoadMacs:
    """``load_key``: the card's 16 bytes for the request's algorithm (standards.md §2.1, §2.3)."""
    suite, kind = SUITES[request.algorithm], TRANSACTION_TYPES[request.purse]
    session = load_session_key(
        load_key, card_random=request.random, online_sequence=request.online_sequence, suite=suite
    )
    amount = max(request.amount_minor, 0)  # a negative one is refused by name; it fits no field of the MAC
    mac1 = purse.load_mac1(
        session,
        balance_minor=request.balance_minor,
        amount_minor=amount,
        transaction_type=kind,
        terminal=request.terminal,
        suite=suite,
    )
    mac2 = purse.load_mac2(
        session,
        amount_minor=amount,
        transaction_type=kind,
        terminal=request.terminal,
        date=request.date,
        time=request.time,
        suite=suite,
    )
    return LoadMacs(mac1, mac2)


def executed(
    tac_key: Callable[[Algorithm], bytes], load: LoadKey, attempts: Iterable[Attempt], tac: bytes
) -> tuple[Attempt, Authorisation] | None:
    """The attempt and the MAC2 whose execution ``tac`` proves; None when it proves none of them. A TAC does not cover the
    random: of attempts alike in everything it covers the one that is posted counts, then the newest. ``tac_key``: the card's
    for the algorithm that INITIALIZE named."""
    for attempt in sorted(attempts, key=lambda a: (a.state is not LoadState.POSTED, -a.number)):
        for given in attempt.authorisations:
            expected = purse.load_tac(
                tac_key(Algorithm(given.algorithm)),
                new_balance_minor=given.balance_minor + attempt.amount_minor,
                online_sequence=load.online_sequence,
                amount_minor=attempt.amount_minor,
                transaction_type=TRANSACTION_TYPES[load.purse],
                terminal=given.terminal,
                date=given.date,
                time=given.time,
                suite=SUITES[given.algorithm],
            )
            if compare_digest(expected, tac):
                return attempt, given
    return None


@dataclass(frozen=True, slots=True)
class OpenItem:
    """A load that nothing has proved or disproved. ``since`` is the desk's time of the first MAC2. One that ``is_case`` is
    the book's keeper's to follow up, before that the agent's."""

    load: LoadKey
    attempt: Attempt
    since: datetime
    days: int
    is_case: bool


def open_item(load: LoadKey, attempt: Attempt, *, now: datetime, case_after_days: int) -> OpenItem:
    since = min(moment(given.date, given.time) for given in attempt.authorisations)
    days = (now - since).days
    return OpenItem(load, attempt, since, days, days >= case_after_days)


@unique
class Event(StrEnum):
    PROVED = "proved"  # its TAC came and is right
    DISPROVED = "disproved"  # a later INITIALIZE, or the TAC of another attempt, shows it was not executed


@unique
class Booking(StrEnum):
    """What a change of state does in the ledger."""

    NOTHING = "nothing"
    POST = "post"  # the pending transfer
    VOID = "void"  # the pending transfer
    ANEW = "anew"  # the pending transfer was voided, yet the card holds the value: a new transfer


# A pair that is not here is impossible by the card's own rules; it raises and changes nothing.
_LIFE: dict[tuple[LoadState, Event], tuple[LoadState, Booking]] = {
    (LoadState.RESERVED, Event.PROVED): (LoadState.POSTED, Booking.POST),
    (LoadState.RESERVED, Event.DISPROVED): (LoadState.VOIDED, Booking.VOID),
    (LoadState.VOIDED, Event.PROVED): (LoadState.POSTED, Booking.ANEW),
    (LoadState.VOIDED, Event.DISPROVED): (LoadState.VOIDED, Booking.NOTHING),
    (LoadState.POSTED, Event.PROVED): (LoadState.POSTED, Booking.NOTHING),
}


class ImpossibleEvent(Exception):
    """A load was proved and disproved."""


def next_state(state: LoadState, event: Event) -> tuple[LoadState, Booking]:
    """Raises ``ImpossibleEvent`` for a pair that is not in the table."""
    try:
        return _LIFE[state, event]
    except KeyError:
        raise ImpossibleEvent(f"a load that is {state} cannot be {event}") from None
