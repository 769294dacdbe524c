"""One visit at the desk, from the fund's challenge to the receipt, as a dialogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from card_os.wire.dialogue import CardGone, Dialogue, HostSilent, UnexpectedStatus
from rulebook.messages.medical import (
    AccountUse,
    Answer,
    FeeResult,
    Infno,
    MedicalType,
    PersonOutput,
    PresenceChallenge,
    PresenceChallengeRequest,
    Request,
    SettlementOutput,
)
from terminals.dialogues.read_identity import Identity, UnreadableIdentity, read_identity
from terminals.hospital.exchange import insist, send, take_back
from terminals.hospital.forms import Forms
from terminals.hospital.receipt import masked
from terminals.hospital.results import FeeItem, Receipt, VisitOutcome, VisitResult
from terminals.uplink import HostRefused

CHALLENGE_STEP = "challenge"
CARD_STEP = "card"

Agree = Callable[[SettlementOutput], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitOrder:
    """What the desk wants. ``agree`` shows the patient the quote and answers whether to settle."""

    visit: str
    chip_serial: bytes
    items: tuple[FeeItem, ...]
    care: MedicalType
    account: AccountUse
    agree: Agree


@dataclass(slots=True)
class _Progress:
    """How far the visit has come: what a result says when it ends early."""

    step: str = CHALLENGE_STEP
    identity: Identity | None = None


def visit(order: VisitOrder, forms: Forms) -> Dialogue[VisitResult]:
    """Run the visit to a clear result; no failure of card, SAM or host comes out as an exception."""
    progress = _Progress()
    try:
        result: VisitResult = yield from _visit(order, forms, progress)
    except HostRefused as refusal:
        return _ended(order, progress, VisitOutcome.REFUSED, refusal=refusal.problem)
    except HostSilent as silence:
        return _ended(order, progress, VisitOutcome.HOST_SILENT, detail=str(silence))
    except (CardGone, UnexpectedStatus, UnreadableIdentity) as failure:
        return _ended(order, progress, VisitOutcome.CARD_FAILED, detail=str(failure))
    return result


def _ended(order: VisitOrder, progress: _Progress, outcome: VisitOutcome, **fields: Any) -> VisitResult:
    if progress.identity is not None:
        fields["sam_verdict"] = progress.identity.sam_verdict
    return VisitResult(visit=order.visit, outcome=outcome, step=progress.step, **fields)


def _visit(order: VisitOrder, forms: Forms, progress: _Progress) -> Dialogue[VisitResult]:
    challenge: PresenceChallenge = yield from insist(PresenceChallengeRequest(device=forms.setup.device))
    progress.step = CARD_STEP
    identity = yield from read_identity(challenge.challenge, chip_serial=order.chip_serial)
    progress.identity, card_number = identity, identity.issuer.card_number

    progress.step = Infno.PERSON.value
    entitled: PersonOutput = (yield from insist(forms.person(identity))).output
    person, insurance = entitled.baseinfo.psn_no, entitled.insuinfo[0]

    progress.step = Infno.REGISTER.value
    yield from send(order.visit, forms.register(order.visit, person, card_number, insurance))
    progress.step = Infno.FEE_LINES.value
    answer = yield from send(order.visit, forms.fee_lines(order.visit, person, order.items))
    lines: tuple[FeeResult, ...] = tuple(answer.output.result)

    content = forms.settle_data(
        order.visit,
        person,
        card_number,
        items=order.items,
        insurance=insurance,
        care=order.care,
        account=order.account,
    )
    progress.step = Infno.PRE_SETTLE.value
    quote: SettlementOutput = (yield from insist(forms.request(Infno.PRE_SETTLE, content))).output
    if not order.agree(quote):
        return _ended(order, progress, VisitOutcome.DECLINED)

    progress.step = Infno.SETTLE.value
    return (yield from _settle(order, forms, progress, forms.request(Infno.SETTLE, content), lines))


def _settle(
    order: VisitOrder, forms: Forms, progress: _Progress, request: Request[Any], lines: tuple[FeeResult, ...]
) -> Dialogue[VisitResult]:
    answer: Answer[Any] | None
    try:
        answer = yield from send(order.visit, request)
    except HostSilent:
        progress.step = Infno.REVERSAL.value
        try:
            answer = yield from take_back(order.visit, request, forms)
        except HostSilent as silence:
            return _ended(order, progress, VisitOutcome.UNKNOWN, detail=str(silence))
    if answer is None:
        return _ended(order, progress, VisitOutcome.REVERSED)
    assert progress.identity is not None
    receipt = Receipt(
        institution=forms.setup.institution,
        holder=masked(progress.identity.holder.name),
        items=order.items,
        lines=lines,
        settlement=answer.output,
    )
    return _ended(order, progress, VisitOutcome.SETTLED, receipt=receipt)
