"""Settling a charge batch: quote without effect (2206), settle (2207), take back (2208, 2601).

A settlement locks the person's year, then the accounts it moves, in that order; so two visits of one person wait for one
another and every benefit is computed on what the one before left. Only the latest standing settlement of a person's year can
be taken back, because the later ones were computed on it.

When something was settled or taken back is the fund's clock, never the desk's: nobody can write into a day that is over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from clearing.benefits import queries
from clearing.benefits.answers import cancelled_output, settlement_output, trace_sentences
from clearing.benefits.office import Desk, FundOffice, MedicalRefused, local_day
from clearing.benefits.policy import NotInPolicy, Per, Policy
from clearing.benefits.rules import Benefit, Claim, adjudicate
from clearing.benefits.tables import CancellationRow, InstitutionRow, SettlementRow, VisitRow, YearRow
from clearing.benefits.visits import account_balance, visit_of
from clearing.ledger import queries as ledger
from clearing.ledger.accounts import Kind, code, medical_book
from clearing.ledger.rules import Purpose, Transfer
from clearing.ledger.service import TransfersRefused, post
from rulebook.messages.medical import (
    AccountUse,
    CancelInput,
    MedicalRefusal,
    MedicalType,
    Request,
    SettleInput,
    SettlementOutput,
)
from rulebook.money import ZERO, Amount

_YEAR_COUNTERS = ("in_scope", "deductible", "fund", "top_up")


@dataclass(frozen=True, slots=True)
class _Case:
    """What is being settled, and by which policy."""

    visit: VisitRow
    institution: InstitutionRow
    policy: Policy

    @property
    def year(self) -> int:
        return local_day(self.visit.begun_at).year


async def quote(
    session: AsyncSession, office: FundOffice, desk: Desk, request: Request[SettleInput], *, now: datetime
) -> SettlementOutput:
    """What 2207 would answer now. Changes nothing. Raises ``MedicalRefused``."""
    case = await _case(session, office, desk, request)
    year = await queries.read_year(session, case.visit.person, case.visit.fund, case.year)
    balance = await account_balance(session, case.visit.fund, case.visit.person)
    benefit = await _adjudicated(session, case, request, year, balance)
    return _answer(case, request, benefit, balance, now)


async def settle(
    session: AsyncSession, office: FundOffice, desk: Desk, request: Request[SettleInput], *, now: datetime
) -> SettlementOutput:
    """Settle the batch and move the money. Raises ``MedicalRefused``."""
    case = await _case(session, office, desk, request)
    visit, data = case.visit, request.input.data
    year = await queries.lock_year(session, visit.person, visit.fund, case.year)
    if await queries.batch_is_settled(session, desk.institution, data.mdtrt_id, data.chrg_bchno):
        raise MedicalRefused(MedicalRefusal.ALREADY_SETTLED, f"batch {data.chrg_bchno} of visit {data.mdtrt_id}")
    if await session.get(SettlementRow, (desk.institution, request.msgid)) is not None:
        detail = f"another desk of {desk.institution} settled under {request.msgid}"
        raise MedicalRefused(MedicalRefusal.REPEATED_WITH_OTHER_CONTENT, detail)
    # All accounts in one go and in the ledger's order, before any of them is read.
    await ledger.lock_standings(session, [(medical_book(visit.fund), each) for each in _accounts(visit)])
    balance = await account_balance(session, visit.fund, visit.person)
    benefit = await _adjudicated(session, case, request, year, balance)
    row = await _store(session, case, request, benefit, now)
    _count(year[data.med_type], row, times=1)
    await session.flush()
    await _post(session, _transfers(row), now)
    return _answer(case, request, benefit, balance, now)


def _answer(
    case: _Case, request: Request[SettleInput], benefit: Benefit, balance: Amount, now: datetime
) -> SettlementOutput:
    left = balance - benefit.account
    return settlement_output(request, case.policy, case.visit.insured_class, benefit, balance=left, settled_at=now)


async def _case(session: AsyncSession, office: FundOffice, desk: Desk, request: Request[SettleInput]) -> _Case:
    data = request.input.data
    visit = await visit_of(session, desk, data.mdtrt_id, data.psn_no)
    policy = office.policy(visit.fund, local_day(visit.begun_at))
    if data.insutype is not policy.insurance_type:
        raise MedicalRefused(MedicalRefusal.NO_POLICY, f"{visit.fund} is of insurance type {policy.insurance_type}")
    institution = await session.get(InstitutionRow, desk.institution)
    if institution is None:
        raise MedicalRefused(MedicalRefusal.NO_CONTRACT, f"{desk.institution} is not among those {visit.fund} pays")
    return _Case(visit, institution, policy)


async def _adjudicated(
    session: AsyncSession,
    case: _Case,
    request: Request[SettleInput],
    year: dict[MedicalType, YearRow],
    balance: Amount,
) -> Benefit:
    data = request.input.data
    lines = await queries.fee_lines(session, case.institution.institution, data.mdtrt_id, data.chrg_bchno)
    if not lines:
        raise MedicalRefused(MedicalRefusal.FEE_LINES_MISSING, f"batch {data.chrg_bchno} of visit {data.mdtrt_id}")
    await _refuse_second_bill_of_a_stay(session, case, data.med_type)
    claim = Claim(
        care=data.med_type,
        insured_class=case.visit.insured_class,
        hospital_level=case.institution.level,
        lines=lines,
        account_balance=balance if data.acct_used_flag is AccountUse.YES else ZERO,
    )
    try:
        benefit = adjudicate(claim, case.policy, queries.accumulators(year, data.med_type))
    except NotInPolicy as error:
        raise MedicalRefused(MedicalRefusal.NO_POLICY, str(error)) from error
    if benefit.total != data.medfee_sumamt:
        detail = f"the fund has fee lines of {benefit.total}, medfee_sumamt is {data.medfee_sumamt}"
        raise MedicalRefused(MedicalRefusal.TOTAL_DIFFERS, detail)
    return benefit


async def _refuse_second_bill_of_a_stay(session: AsyncSession, case: _Case, care: MedicalType) -> None:
    """What is counted by stay would count one stay twice; a policy by the year takes any number of batches."""
    rules = case.policy.care.get(care)
    if rules is None or Per.STAY not in (rules.deductible.per, rules.bands_per):
        return
    if await queries.visit_is_settled(session, case.visit.institution, case.visit.mdtrt_id):
        detail = (
            f"a stay is settled in one batch; cancel what is settled of visit {case.visit.mdtrt_id} and bill it whole"
        )
        raise MedicalRefused(MedicalRefusal.ALREADY_SETTLED, detail)


async def _store(
    session: AsyncSession, case: _Case, request: Request[SettleInput], benefit: Benefit, now: datetime
) -> SettlementRow:
    visit, data = case.visit, request.input.data
    row = SettlementRow(
        institution=case.institution.institution,
        setl_id=request.msgid,
        mdtrt_id=data.mdtrt_id,
        chrg_bchno=data.chrg_bchno,
        person=visit.person,
        fund_name=visit.fund,
        insurance_type=data.insutype.value,
        care=data.med_type.value,
        policy=case.policy.name,
        year=case.year,
        ordinal=await queries.next_ordinal(session, visit.person, visit.fund, case.year),
        settled_at=now,
        settled_on=local_day(now),
        total=benefit.total.minor,
        own_pay=benefit.own_pay.minor,
        first_self_pay=benefit.first_self_pay.minor,
        in_scope=benefit.in_scope.minor,
        deductible=benefit.deductible.minor,
        fund=benefit.fund.minor,
        top_up=benefit.top_up.minor,
        account=benefit.account.minor,
        cash=benefit.cash.minor,
        explanation=trace_sentences(benefit),
    )
    session.add(row)
    return row


def _count(year: YearRow, row: SettlementRow, *, times: int) -> None:
    for counter in _YEAR_COUNTERS:
        setattr(year, counter, getattr(year, counter) + times * getattr(row, counter))
    year.stays += times


def _accounts(visit: VisitRow) -> tuple[str, str, str]:
    return (
        code(Kind.FUND_POOL),
        code(Kind.HOSPITAL_PAYABLE, visit.institution),
        code(Kind.PERSONAL_ACCOUNT, visit.person),
    )


def _transfers(row: SettlementRow) -> list[Transfer]:
    """Fund pool and personal account to the hospital; cash is recorded in the settlement, not posted."""
    payers = (
        ("fund", code(Kind.FUND_POOL), row.fund + row.top_up, Purpose.BENEFIT),
        ("account", code(Kind.PERSONAL_ACCOUNT, row.person), row.account, Purpose.PERSONAL),
    )
    return [
        Transfer(
            id=f"medical:{row.institution}:{row.setl_id}:{name}",
            book=medical_book(row.fund_name),
            debit=payer,
            credit=code(Kind.HOSPITAL_PAYABLE, row.institution),
            amount=Amount(minor),
            purpose=purpose,
            business_day=row.settled_on,
            reference=f"{row.institution}:{row.mdtrt_id}",
        )
        for name, payer, minor, purpose in payers
        if minor
    ]


def _reversed(transfer: Transfer, day: date) -> Transfer:
    return replace(
        transfer,
        id=f"{transfer.id}:reversal",
        debit=transfer.credit,
        credit=transfer.debit,
        purpose=Purpose.REVERSAL,
        business_day=day,
    )


async def _post(session: AsyncSession, transfers: list[Transfer], now: datetime) -> None:
    try:
        await post(session, transfers, now=now)
    except TransfersRefused as error:
        raise MedicalRefused(MedicalRefusal.FUND_WITHOUT_COVER, str(error)) from error


async def cancel(
    session: AsyncSession, office: FundOffice, desk: Desk, request: Request[CancelInput], *, now: datetime
) -> SettlementOutput:
    """2208: take a settlement back as a whole. Raises ``MedicalRefused``."""
    data = request.input.data
    row = await queries.standing_settlement(session, desk.institution, data.setl_id)
    if row is None or row.mdtrt_id != data.mdtrt_id:
        raise MedicalRefused(MedicalRefusal.SETTLEMENT_UNKNOWN, f"{data.setl_id} of visit {data.mdtrt_id}")
    if row.person != data.psn_no:
        raise MedicalRefused(MedicalRefusal.WRONG_PERSON)
    await take_back(session, row, request, now=now)
    visit = await visit_of(session, desk, row.mdtrt_id, row.person)
    policy = office.policy(visit.fund, local_day(visit.begun_at))
    balance = await account_balance(session, visit.fund, visit.person)
    psn_type = policy.insured_classes[visit.insured_class]
    return cancelled_output(request, row, psn_type, balance=balance, cancelled_at=now)


async def take_back(session: AsyncSession, row: SettlementRow, request: Request[Any], *, now: datetime) -> None:
    """Undo ``row`` because ``request`` (2208 or 2601) says so. Raises ``MedicalRefused``."""
    year = await queries.lock_year(session, row.person, row.fund_name, row.year)
    if await queries.standing_settlement(session, row.institution, row.setl_id) is None:
        raise MedicalRefused(MedicalRefusal.SETTLEMENT_UNKNOWN, f"{row.setl_id} was cancelled just now")
    if await queries.later_settlement_stands(session, row):
        raise MedicalRefused(MedicalRefusal.LATER_SETTLEMENT_EXISTS)
    day = local_day(now)
    session.add(
        CancellationRow(
            institution=row.institution,
            setl_id=row.setl_id,
            msgid=request.msgid,
            cause=request.infno.value,
            cancelled_at=now,
            cancelled_on=day,
        )
    )
    _count(year[MedicalType(row.care)], row, times=-1)
    await session.flush()
    await _post(session, [_reversed(transfer, day) for transfer in _transfers(row)], now)
