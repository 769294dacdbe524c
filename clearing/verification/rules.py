"""How each record of a card transaction ends. Pure: records and context in, decisions out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from clearing.verification.context import ENDED_BEFORE, Context, KnownDevice, Settled, moment
from clearing.verification.joining import Claim, RecordId, Transaction, record_id
from clearing.verification.reasons import PRECEDENCE, RULES, Reason, Status
from rulebook import deny_list
from rulebook.deny_list import Ground
from rulebook.messages.devices import DeviceKind
from rulebook.messages.facts import SamFact
from rulebook.record import Event, Kind, Outcome, Record, Verdict

# What a terminal of each kind can have done to a card by itself; a finding speaks of another terminal's transaction.
EVENTS = {
    DeviceKind.VALIDATOR: frozenset({Event.RIDE}),
    DeviceKind.GATE: frozenset({Event.ENTRY, Event.EXIT}),
    DeviceKind.TOPUP: frozenset({Event.LOAD}),
    DeviceKind.HOSPITAL: frozenset[Event](),
}


@dataclass(frozen=True, slots=True)
class Decision:
    """How one record ended. ``operator`` is the device register's, empty for an unknown device."""

    record: RecordId
    status: Status
    reason: Reason
    operator: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A card transaction with the end of each of its records. ``settled`` is the claim that moves money, ``held`` the
    one whose value waits on "open taps"; never both."""

    transaction: Transaction
    decisions: tuple[Decision, ...]
    settled: Claim | None = None
    held: Claim | None = None

    @property
    def pending(self) -> bool:
        """Whether something could still arrive that finishes this."""
        return any(decision.reason is Reason.INTENT_WITHOUT_OUTCOME for decision in self.decisions)


def judge(transaction: Transaction, right: Collection[Claim], context: Context) -> Judged:
    """``right`` are the claims whose TAC is right (``tac.right_claims``)."""
    if (released := context.decided.get(transaction.id)) is not None:
        reason = Reason.RELEASED if released else Reason.DECIDED_AGAINST
        return Judged(transaction, tuple(_decision(record, reason, context) for record in transaction.records))
    reasons = _claim_reasons(transaction, right, context)
    settled = next((claim for claim, reason in reasons.items() if reason is Reason.NONE), None)
    held = next((claim for claim, reason in reasons.items() if RULES[reason].holds_value), None)
    # A load takes nothing off the card; its money waits as the agent's reservation.
    no_hold = settled is not None or transaction.id.load or transaction.id in context.settled
    by_evidence = _by_record(reasons)
    decisions = tuple(
        _decision(record, _reason_of(record, transaction, by_evidence, settled, context), context)
        for record in transaction.records
    )
    return Judged(transaction, decisions, settled, None if no_hold else held)


def _claim_reasons(transaction: Transaction, right: Collection[Claim], context: Context) -> dict[Claim, Reason]:
    """Proven claims first, a terminal's own outcome before somebody's finding, then by (device, journal sequence): the
    first proven one is the transaction, the others repeat it. Arrival does not matter."""
    reasons: dict[Claim, Reason] = {}
    known = context.settled.get(transaction.id)
    for claim in sorted(transaction.claims(), key=lambda claim: _precedence(claim, right)):
        reason = _first(_claim_checks(claim, transaction, right, known, context))
        reasons[claim] = reason
        first = known is None and claim in right and RULES[reason].status is not Status.CLAIMED
        if first or (reason is Reason.CONFIRMS and claim.evidence.kind is Kind.OUTCOME):
            known = claim.settled
    return reasons


def _precedence(claim: Claim, right: Collection[Claim]) -> tuple[bool, bool, tuple[RecordId, RecordId]]:
    return (claim not in right, claim.evidence.kind is Kind.FINDING, claim.order)


def _claim_checks(
    claim: Claim, transaction: Transaction, right: Collection[Claim], known: Settled | None, context: Context
) -> Iterable[tuple[bool, Reason]]:
    """In the order of ``Reason``."""
    inputs, evidence = claim.inputs, claim.evidence
    device = context.devices.get(inputs.device)
    card = context.cards.get((inputs.issuer, inputs.serial))
    at = moment(inputs)
    same = known is not None and known.fingerprint == claim.fingerprint
    yield device is None, Reason.DEVICE_UNKNOWN
    yield device is not None and any(away.covers(at) for away in device.absences), Reason.DEVICE_LOST
    yield device is not None and not _bound_terminal(inputs, device, context), Reason.SAM_NOT_OF_DEVICE
    yield device is not None and inputs.event not in EVENTS[device.kind], Reason.EVENT_NOT_OF_DEVICE
    yield card is not None and card.key_version != inputs.key_version, Reason.KEY_VERSION_WRONG
    yield inputs.issuer not in context.policy.our_issuers, Reason.OTHER_ISSUER
    yield at is None, Reason.CLOCK_UNREADABLE
    yield claim not in right, Reason.TAC_WRONG
    yield known == ENDED_BEFORE, Reason.ENDED_BEFORE
    # A finding and the terminal's own outcome prove one another, whichever came first; two outcomes repeat.
    yield same and known is not None and Kind.FINDING in (known.evidence, evidence.kind), Reason.CONFIRMS
    yield same, Reason.REPEATED
    yield known is not None, Reason.REPEATED_WITH_OTHER_CONTENT
    yield card is None, Reason.CARD_UNKNOWN
    yield card is not None and at is not None and not card.valid_at(at), Reason.CARD_NOT_VALID
    if device is not None and card is not None and at is not None:
        yield from _denied(inputs, device, at, context)
    yield evidence.kind is Kind.OUTCOME and transaction.intent_of(evidence) is None, Reason.OUTCOME_WITHOUT_INTENT
    if at is not None:
        yield _past_horizon(at, context), Reason.LATER_THAN_HORIZON
        yield context.policy.calendar.business_day(at) > context.business_day, Reason.AHEAD_OF_BUSINESS_DAY
    if transaction.id.load:
        load = context.loads.get(transaction.id)
        yield load is None, Reason.LOAD_UNKNOWN
        yield load is not None and load.amount_minor != inputs.amount_minor, Reason.LOAD_DIFFERS
    yield evidence.mac2_verdict is Verdict.WRONG, Reason.MAC2_WRONG


def is_bound(device: KnownDevice, sams: Mapping[bytes, SamFact]) -> bool:
    """Whether device and PSAM register say the same of them."""
    sam = sams.get(device.sam_serial)
    return sam is not None and sam.device == device.device and sam.terminal_number == device.terminal_number


def _bound_terminal(record: Record, device: KnownDevice, context: Context) -> bool:
    return is_bound(device, context.sams) and record.sam_terminal == device.terminal_number


def _denied(record: Record, device: KnownDevice, at: datetime, context: Context) -> Iterable[tuple[bool, Reason]]:
    """By the same rule that terminals and the other participants judge by (``rulebook.deny_list``)."""
    report = context.deny.report_by(record.issuer, record.serial, at)
    ground = deny_list.judge(
        tapped_at=at,
        kind=device.kind,
        reported_at=report.reported_at if report else None,
        listed_since_version=report.number if report else None,
        said_version=record.list_version,
    ).ground
    yield ground is Ground.OLD_LIST, Reason.DENIED_WITH_OLD_LIST
    yield ground is Ground.LET_THROUGH, Reason.DENIED_LET_THROUGH


def _by_record(reasons: dict[Claim, Reason]) -> dict[RecordId, Reason]:
    """A finding tried with several intents ends as with the one it fits best."""
    best: dict[RecordId, Reason] = {}
    for claim, reason in reasons.items():
        id_ = record_id(claim.evidence)
        if id_ not in best or _rank(reason) > _rank(best[id_]):
            best[id_] = reason
    return best


def _rank(reason: Reason) -> int:
    return PRECEDENCE[reason]


def _reason_of(
    record: Record, transaction: Transaction, claimed: dict[RecordId, Reason], settled: Claim | None, context: Context
) -> Reason:
    handlers: dict[Kind, Callable[[], Reason]] = {
        Kind.INTENT: lambda: _of_intent(record, transaction, claimed, settled, context),
        Kind.OUTCOME: lambda: claimed.get(record_id(record)) or _of_open_outcome(record, transaction, settled, context),
        Kind.FINDING: lambda: claimed.get(record_id(record)) or _of_bare_finding(record, context),
    }
    return handlers[record.kind]()


def _of_intent(
    intent: Record, transaction: Transaction, claimed: dict[RecordId, Reason], settled: Claim | None, context: Context
) -> Reason:
    """An intent ends as the outcome that refers to it; without one it waits, unless the card's counter has gone on."""
    if settled is not None or transaction.id in context.settled:
        return Reason.NONE
    outcomes = [row for row in transaction.outcomes if transaction.intent_of(row) == intent]
    if ends := [claimed[record_id(row)] for row in outcomes if record_id(row) in claimed]:
        return min(ends, key=_rank)
    return Reason.NONE if _did_not_happen(outcomes, transaction) else _waits(intent, context)


def _of_open_outcome(outcome: Record, transaction: Transaction, settled: Claim | None, context: Context) -> Reason:
    """Of REFUSED, UNKNOWN and VOID: nothing moves by them."""
    if outcome.outcome is not Outcome.UNKNOWN or settled is not None or transaction.id in context.settled:
        return Reason.NONE
    siblings = [row for row in transaction.outcomes if row.refers_to == outcome.refers_to]
    same = [row for row in siblings if row.device == outcome.device]
    return Reason.NONE if _did_not_happen(same, transaction) else _waits(outcome, context)


def _of_bare_finding(finding: Record, context: Context) -> Reason:
    return Reason.NONE if finding.outcome is Outcome.VOID else _waits(finding, context, Reason.FINDING_WITHOUT_INTENT)


def _waits(record: Record, context: Context, reason: Reason = Reason.INTENT_WITHOUT_OUTCOME) -> Reason:
    """As long as its answer may come in: else every window would judge all that ever stayed open."""
    at = moment(record)
    return Reason.NEVER_ENDED if at is not None and _past_horizon(at, context) else reason


def _past_horizon(at: datetime, context: Context) -> bool:
    return context.policy.calendar.business_day(at) < context.business_day - context.policy.upload_horizon


def _did_not_happen(outcomes: Iterable[Record], transaction: Transaction) -> bool:
    said = {row.outcome for row in outcomes} | {row.outcome for row in transaction.findings}
    return bool(said & {Outcome.REFUSED, Outcome.VOID})


def _decision(record: Record, reason: Reason, context: Context) -> Decision:
    device = context.devices.get(record.device)
    return Decision(record_id(record), RULES[reason].status, reason, device.operator if device else "")


def _first(checks: Iterable[tuple[bool, Reason]]) -> Reason:
    return next((reason for broken, reason in checks if broken), Reason.NONE)
