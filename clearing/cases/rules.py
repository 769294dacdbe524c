"""What waits for people: a case has an owner, a deadline and an end that two of them have signed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum, unique

from clearing.ledger.accounts import TRANSIT, Kind, code
from clearing.ledger.rules import Purpose, Transfer
from rulebook.calendar import Calendar
from rulebook.money import Amount


@unique
class CaseKind(StrEnum):
    OPEN_TAP = "open-tap"  # value on "open taps" that nothing has proved or refused
    BREAK = "break"  # bank and books differ
    DISPUTE = "dispute"  # one participant claims money of another
    CLAIM_REFUSED = "claim-refused"  # another city does not confirm that its card rode here
    CLAIM_HELD = "claim-held"  # we do not confirm that our card rode elsewhere, though the card paid
    GAP = "gap"  # records or counters that did not come by their deadline
    UNANSWERED = "unanswered"  # another city has not answered a package of ours by its deadline


@unique
class Resolution(StrEnum):
    RELEASE = "release"  # the ride took place: to the operator
    REFUSE = "refuse"  # the operator has no claim: back to the holder
    NOT_ON_CARD = "not-on-card"  # the card never paid: the value is still on it
    WRITE_OFF = "write-off"  # nobody's: the card company's
    ADJUST = "adjust"  # the respondent gives the claimant the amount
    DISMISS = "dismiss"  # no claim
    EXPLAINED = "explained"  # no money moves by this case


@dataclass(frozen=True, slots=True)
class KindRule:
    """``days``: working days until the deadline; ``escalated_days``: how many more the keeper of the book has once it has
    passed (both ours). ``resolutions``: how such a case can end. ``page``: where what it is about is seen, the parts of the
    case's id (between colons) in it; empty where there is no page of it alone."""

    zh: str
    en: str
    days: int
    resolutions: tuple[Resolution, ...]
    escalated_days: int = 5
    page: str = ""


KINDS: Mapping[CaseKind, KindRule] = {
    CaseKind.OPEN_TAP: KindRule(
        "挂账交易",
        "open tap",
        10,
        (Resolution.RELEASE, Resolution.REFUSE, Resolution.NOT_ON_CARD, Resolution.WRITE_OFF),
    ),
    CaseKind.BREAK: KindRule("对账差异", "break", 3, (Resolution.EXPLAINED,), escalated_days=2),
    CaseKind.DISPUTE: KindRule("参与方争议", "dispute", 5, (Resolution.ADJUST, Resolution.DISMISS)),
    CaseKind.CLAIM_REFUSED: KindRule(
        "异地未确认交易",
        "claim not confirmed elsewhere",
        10,
        (Resolution.ADJUST, Resolution.DISMISS),
        page="/exchange/out/{1}/{2}",
    ),
    CaseKind.CLAIM_HELD: KindRule(
        "异地争议交易",
        "claim of another city in dispute",
        5,
        (Resolution.RELEASE, Resolution.REFUSE, Resolution.WRITE_OFF),
        page="/exchange/in/{1}/{2}",
    ),
    CaseKind.GAP: KindRule("逾期缺口", "gap past its deadline", 5, (Resolution.EXPLAINED,)),
    CaseKind.UNANSWERED: KindRule(
        "异地逾期未答复",
        "package not answered elsewhere",
        3,
        (Resolution.EXPLAINED,),
        page="/exchange/out/{1}/{2}",
    ),
}

RESOLUTIONS: Mapping[Resolution, tuple[str, str]] = {
    Resolution.RELEASE: ("释放给运营方", "released to the operator"),
    Resolution.REFUSE: ("拒付，退还持卡人", "refused, owed to the holder"),
    Resolution.NOT_ON_CARD: ("卡上未扣款", "the card never paid"),
    Resolution.WRITE_OFF: ("核销", "written off"),
    Resolution.ADJUST: ("调账给申请方", "adjusted to the claimant"),
    Resolution.DISMISS: ("驳回", "dismissed"),
    Resolution.EXPLAINED: ("已说明", "explained"),
}


@unique
class CaseState(StrEnum):
    OPEN = "open"
    PROPOSED = "proposed"  # one person says how it should end
    CLOSED = "closed"  # a second one agreed, or what it was about has gone


@unique
class CaseEvent(StrEnum):
    ANSWER = "answer"
    PROPOSE = "propose"
    WITHDRAW = "withdraw"
    APPROVE = "approve"
    VANISH = "vanish"
    ESCALATE = "escalate"  # the deadline has passed without an end


LIFE: Mapping[tuple[CaseState, CaseEvent], CaseState] = {
    (CaseState.OPEN, CaseEvent.ANSWER): CaseState.OPEN,
    (CaseState.OPEN, CaseEvent.PROPOSE): CaseState.PROPOSED,
    # What is proposed has an end in sight: it waits for a second person, not for the owner.
    (CaseState.OPEN, CaseEvent.ESCALATE): CaseState.OPEN,
    (CaseState.PROPOSED, CaseEvent.WITHDRAW): CaseState.OPEN,
    (CaseState.PROPOSED, CaseEvent.APPROVE): CaseState.CLOSED,
    (CaseState.OPEN, CaseEvent.VANISH): CaseState.CLOSED,
    (CaseState.PROPOSED, CaseEvent.VANISH): CaseState.CLOSED,
}


class NotSuchAnEnd(Exception):
    """A case of this kind does not end like that."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a case is about. ``id`` is the originator's and stays: ``tap:…`` for a card transaction, ``break:…`` for a bank
    entry, the claimant's own number for a dispute. ``account`` is the code of the account that gives, ``claimant`` of the one
    that gets by a RELEASE or an ADJUST; ``holder`` the card serial (hex) a refused tap is owed to; each empty where the kind
    has none. ``owner`` is the participant that must see to it."""

    id: str
    kind: CaseKind
    book: str
    owner: str
    amount: Amount
    account: str = ""
    claimant: str = ""
    holder: str = ""
    detail: str = ""


def page_of(kind: CaseKind, case: str) -> str:
    """Where what ``case`` is about is seen; empty where there is no page of it alone."""
    return KINDS[kind].page.format(*case.split(":"))


def deadline(kind: CaseKind, opened_on: date, calendar: Calendar) -> date:
    """The last working day on which it is in time."""
    return calendar.deadline_after(opened_on, KINDS[kind].days)


def escalates_to(owner: str, *, keeper: str, deadline: date, today: date) -> str:
    """Who sees to an open case instead of its ``owner`` now: the keeper of the book once the deadline has passed. Empty
    where nothing changes; above the keeper there is nobody."""
    return keeper if today > deadline and owner != keeper else ""


def escalated_deadline(kind: CaseKind, escalated_on: date, calendar: Calendar) -> date:
    """The keeper's."""
    return calendar.deadline_after(escalated_on, KINDS[kind].escalated_days)


def checked_end(kind: CaseKind, resolution: Resolution) -> Resolution:
    """Raises ``NotSuchAnEnd``."""
    allowed = KINDS[kind].resolutions
    if resolution not in allowed:
        raise NotSuchAnEnd(f"resolution is {resolution}; a case of kind {kind} ends with {', '.join(allowed)}")
    return resolution


def transfer_of(subject: Subject, resolution: Resolution, business_day: date) -> Transfer | None:
    """The new entry by which the case ends, under the case's own id; None where no money moves."""
    creditor = _creditor(subject, resolution)
    if not creditor:
        return None
    return Transfer(
        id=f"case:{subject.id}",
        book=subject.book,
        debit=subject.account,
        credit=creditor,
        amount=subject.amount,
        purpose=Purpose.RELEASE if subject.kind in _ON_OPEN_TAPS else Purpose.ADJUSTMENT,
        business_day=business_day,
        reference=subject.id,
    )


_ON_OPEN_TAPS = frozenset({CaseKind.OPEN_TAP, CaseKind.CLAIM_HELD})


def _creditor(subject: Subject, resolution: Resolution) -> str:
    return {
        Resolution.RELEASE: subject.claimant,
        Resolution.ADJUST: subject.claimant,
        Resolution.REFUSE: code(Kind.REFUNDS_OWED, subject.holder) if subject.holder else "",
        Resolution.NOT_ON_CARD: code(Kind.VALUE_ON_CARDS),
        Resolution.WRITE_OFF: code(Kind.FEES),
        Resolution.DISMISS: "",
        Resolution.EXPLAINED: "",
    }[checked_end(subject.kind, resolution)]


def open_tap(transaction: str, amount_minor: int, *, serial: str, operator: str, keeper: str) -> Subject:
    """The case of a card transaction that a closed window left on "open taps". The operator sees to it, for it is the one
    that can bring the missing records; without a known device the book's keeper does."""
    return Subject(
        id=transaction,
        kind=CaseKind.OPEN_TAP,
        book=TRANSIT,
        owner=operator or keeper,
        amount=Amount(amount_minor),
        account=code(Kind.OPEN_TAPS),
        claimant=code(Kind.OPERATOR_PAYABLE, operator) if operator else "",
        holder=serial,
    )
