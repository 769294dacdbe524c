"""The transfers of one judged card transaction. The amount under the TAC is what moves, always (design.md, 5)."""

from __future__ import annotations

from collections.abc import Iterator

from clearing.fare_checks.rules import NotPriceable, reprice
from clearing.ledger.accounts import TRANSIT, Kind, code
from clearing.ledger.rules import Purpose, Transfer
from clearing.settlement.model import Remark
from clearing.verification.context import Context, TransactionId, moment
from clearing.verification.joining import Claim
from clearing.verification.reasons import RemarkKind
from clearing.verification.rules import Judged
from rulebook.money import Amount
from rulebook.record import Event, Record
from rulebook.tariff import PricedFare, RiderClass
from rulebook.tariff.tariff import OPERATOR

_PRICED = frozenset({Event.RIDE, Event.EXIT})


def booked(judged: Judged, context: Context) -> Iterator[Transfer | Remark]:
    """What one card transaction puts into the ledger and what is reported about its fare."""
    id_ = judged.transaction.id
    if judged.held is not None and id_ not in context.held:
        yield from _between(judged.held.inputs, id_, context, Purpose.HELD, judged.held.inputs.amount_minor)
    if judged.settled is None:
        return
    if id_ in context.held:
        yield from _between(judged.settled.inputs, id_, context, Purpose.RELEASE, context.held[id_])
    if id_.load:
        yield from _load_remarks(judged, context)
    else:
        yield from _fare(judged.settled, id_, context)


def _load_remarks(judged: Judged, context: Context) -> Iterator[Remark]:
    load = context.loads[judged.transaction.id]
    if not load.posted:
        yield Remark(RemarkKind.LOAD_NOT_POSTED, str(judged.transaction.id), amount_minor=load.amount_minor)


def _between(record: Record, id_: TransactionId, context: Context, purpose: Purpose, minor: int) -> Iterator[Transfer]:
    """Onto "open taps", or back to be booked as it should be."""
    debit, credit = code(Kind.VALUE_ON_CARDS), code(Kind.OPEN_TAPS)
    if purpose is Purpose.RELEASE:
        debit, credit = credit, debit
    yield from _moved(record, id_, context, purpose, debit, credit, minor)


def _fare(claim: Claim, id_: TransactionId, context: Context) -> Iterator[Transfer | Remark]:
    record = claim.inputs
    operator = context.devices[record.device].operator
    payable = code(Kind.OPERATOR_PAYABLE, operator)
    yield from _moved(record, id_, context, Purpose.FARE, code(Kind.VALUE_ON_CARDS), payable, record.amount_minor)
    if record.event not in _PRICED:
        return
    try:
        fare = reprice(record, context.tariffs)
    except NotPriceable as error:
        yield Remark(RemarkKind.NOT_PRICEABLE, str(id_), operator, record.amount_minor, str(error))
        return
    yield from _concessions(record, id_, context, fare, operator)
    yield from _difference(record, id_, context, fare, operator)


def _concessions(
    record: Record, id_: TransactionId, context: Context, fare: PricedFare, operator: str
) -> Iterator[Transfer | Remark]:
    """What others bear. The class is no part of the TAC, so a fund pays only for one that the card register knows."""
    shares = [(bearer, share.minor) for bearer, share in sorted(fare.shares.items()) if bearer != OPERATOR]
    registered = context.cards[id_.card].rider_class
    if shares and registered != RiderClass.of_code(record.card_class):
        detail = f"{RiderClass.of_code(record.card_class)} / {registered}"
        yield Remark(RemarkKind.CLASS_DIFFERS, str(id_), operator, sum(minor for _, minor in shares), detail)
        return
    for bearer, minor in shares:
        receivable, payable = code(Kind.SUBSIDY_RECEIVABLE, bearer), code(Kind.OPERATOR_PAYABLE, operator)
        yield from _moved(record, id_, context, Purpose.SUBSIDY, receivable, payable, minor, bearer)


def _difference(
    record: Record, id_: TransactionId, context: Context, fare: PricedFare, operator: str
) -> Iterator[Transfer | Remark]:
    more = record.amount_minor - fare.total.minor
    detail = f"{record.amount_minor} / {fare.total.minor}"
    if more > 0:
        owed, payable = code(Kind.REFUNDS_OWED, record.serial.hex().upper()), code(Kind.OPERATOR_PAYABLE, operator)
        yield from _moved(record, id_, context, Purpose.REFUND, payable, owed, more)
        yield Remark(RemarkKind.CHARGED_MORE, str(id_), operator, more, detail)
    elif more < 0:
        yield Remark(RemarkKind.CHARGED_LESS, str(id_), operator, -more, detail)


def _moved(
    record: Record,
    id_: TransactionId,
    context: Context,
    purpose: Purpose,
    debit: str,
    credit: str,
    minor: int,
    part: str = "",
) -> Iterator[Transfer]:
    """Nothing for nothing: a metro entry moves no money."""
    if minor == 0:
        return
    at = moment(record)
    yield Transfer(
        id=":".join(filter(None, (str(id_), purpose, part))),
        book=TRANSIT,
        debit=debit,
        credit=credit,
        amount=Amount(minor),
        purpose=purpose,
        business_day=context.policy.calendar.business_day(at) if at else context.business_day,
        reference=f"{record.device}/{record.journal_sequence}",
    )
