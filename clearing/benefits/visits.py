"""A visit up to its settlement: who is there (1101), registering (2201), fee lines (2204)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.benefits import queries
from clearing.benefits.office import CLOCKS_AGREE_WITHIN, Desk, FundOffice, MedicalRefused, local_day
from clearing.benefits.policy import NotInPolicy, Policy
from clearing.benefits.presence import insured_person, prove, use_presence
from clearing.benefits.rules import FeeLine, LineShare, share_lines
from clearing.benefits.tables import FeeLineRow, VisitRow
from clearing.ledger import queries as ledger
from clearing.ledger.accounts import Kind, code, medical_book
from rulebook.messages.medical import (
    BaseInfo,
    FeeDetail,
    FeeLinesInput,
    FeeLinesOutput,
    FeeResult,
    InsuranceInfo,
    MedicalRefusal,
    PersonInput,
    PersonOutput,
    RegisteredData,
    RegisterInput,
    RegisterOutput,
    Request,
)
from rulebook.money import ZERO, Amount


async def person(
    session: AsyncSession, office: FundOffice, request: Request[PersonInput], *, content: bytes, now: datetime
) -> PersonOutput:
    """Who the present card's holder is to the fund. Raises ``MedicalRefused``."""
    if request.presence is None:
        raise MedicalRefused(MedicalRefusal.PRESENCE_NOT_PROVEN, "1101 carries the card's answer to a challenge")
    region = request.insuplc_admdvs
    insured = await prove(session, office, request.presence, region=region, content=content, now=now)
    policy = office.policy(insured.fund, local_day(now))
    if insured.insured_class not in policy.insured_classes:
        raise MedicalRefused(MedicalRefusal.NO_POLICY, f"{policy.name} does not know class {insured.insured_class}")
    info = InsuranceInfo(
        balc=await account_balance(session, insured.fund, insured.person),
        insutype=policy.insurance_type,
        psn_type=policy.insured_classes[insured.insured_class],
        insuplc_admdvs=policy.region,
    )
    return PersonOutput(baseinfo=BaseInfo(psn_no=insured.person), insuinfo=[info])


async def account_balance(session: AsyncSession, fund: str, person: str) -> Amount:
    """The personal account, locked until the transaction ends; nil where there is none."""
    key = (medical_book(fund), code(Kind.PERSONAL_ACCOUNT, person))
    standing = (await ledger.lock_standings(session, [key])).get(key)
    return ZERO if standing is None else Amount(max(0, standing.headroom_minor or 0))


async def register(
    session: AsyncSession, office: FundOffice, desk: Desk, request: Request[RegisterInput], *, now: datetime
) -> RegisterOutput:
    """Open the visit under the hospital's own number; it spends one proof of presence. Raises ``MedicalRefused``."""
    data = request.input.data
    if await session.get(VisitRow, (desk.institution, data.ipt_otp_no)) is not None:
        raise MedicalRefused(MedicalRefusal.REPEATED_WITH_OTHER_CONTENT, f"visit {data.ipt_otp_no} is registered")
    await use_presence(session, desk, data.psn_no, visit=data.ipt_otp_no, now=now)
    _refuse_another_time(data.begntime, now)
    insured = await insured_person(session, data.psn_no, now)
    policy = office.policy(insured.fund, local_day(data.begntime))
    if policy.insurance_type is not data.insutype:
        raise MedicalRefused(MedicalRefusal.NO_POLICY, f"{insured.fund} is of insurance type {policy.insurance_type}")
    visit = VisitRow(
        institution=desk.institution,
        mdtrt_id=data.ipt_otp_no,
        device=desk.device,
        person=data.psn_no,
        fund=insured.fund,
        insured_class=insured.insured_class,
        begun_at=data.begntime,
    )
    session.add(visit)
    await session.flush()
    return RegisterOutput(data=RegisteredData(mdtrt_id=visit.mdtrt_id, psn_no=visit.person, ipt_otp_no=data.ipt_otp_no))


def _refuse_another_time(begun: datetime, now: datetime) -> None:
    """The day of the visit chooses policy and year, so it is not the desk's to choose."""
    if abs(begun - now) > CLOCKS_AGREE_WITHIN:
        detail = f"begntime is {begun.isoformat()}, the fund's clock says {now.isoformat(timespec='seconds')}"
        raise MedicalRefused(MedicalRefusal.CLOCK_DIFFERS, detail)


async def visit_of(session: AsyncSession, desk: Desk, mdtrt_id: str, person: str) -> VisitRow:
    """The institution's visit of that person. Raises ``MedicalRefused``."""
    visit = await session.get(VisitRow, (desk.institution, mdtrt_id))
    if visit is None:
        raise MedicalRefused(MedicalRefusal.VISIT_UNKNOWN, f"{mdtrt_id} at {desk.institution}")
    if visit.person != person:
        raise MedicalRefused(MedicalRefusal.WRONG_PERSON)
    return visit


async def add_fee_lines(
    session: AsyncSession, office: FundOffice, desk: Desk, request: Request[FeeLinesInput]
) -> FeeLinesOutput:
    """Take over the lines, all or none, and say how the policy divides each. Raises ``MedicalRefused``."""
    details = request.input.feedetail
    await _refuse_known(session, desk, details)
    result: list[FeeResult] = []
    for (mdtrt_id, batch, psn_no), group in _by_batch(details).items():
        visit = await visit_of(session, desk, mdtrt_id, psn_no)
        if await queries.batch_is_settled(session, desk.institution, mdtrt_id, batch):
            raise MedicalRefused(MedicalRefusal.ALREADY_SETTLED, f"batch {batch} of visit {mdtrt_id}")
        policy = office.policy(visit.fund, local_day(visit.begun_at))
        result += _divided(group, policy)
        session.add_all(_row(desk, detail) for detail in group)
    await session.flush()
    return FeeLinesOutput(result=result)


async def _refuse_known(session: AsyncSession, desk: Desk, details: list[FeeDetail]) -> None:
    numbers = [(detail.mdtrt_id, detail.chrg_bchno, detail.feedetl_sn) for detail in details]
    columns = tuple_(FeeLineRow.mdtrt_id, FeeLineRow.chrg_bchno, FeeLineRow.feedetl_sn)
    found = select(FeeLineRow.feedetl_sn).where(FeeLineRow.institution == desk.institution, columns.in_(numbers))
    known = set(await session.scalars(found)) | {number[2] for number in numbers if numbers.count(number) > 1}
    if known:
        raise MedicalRefused(MedicalRefusal.FEE_LINES_CHANGED, f"fee lines {', '.join(sorted(known))}")


def _by_batch(details: list[FeeDetail]) -> dict[tuple[str, str, str], list[FeeDetail]]:
    groups: dict[tuple[str, str, str], list[FeeDetail]] = {}
    for detail in details:
        groups.setdefault((detail.mdtrt_id, detail.chrg_bchno, detail.psn_no), []).append(detail)
    return groups


def _divided(details: list[FeeDetail], policy: Policy) -> list[FeeResult]:
    try:
        shares = share_lines([_fee_line(detail) for detail in details], policy)
    except NotInPolicy as error:
        raise MedicalRefused(MedicalRefusal.NO_POLICY, str(error)) from error
    return [_result(detail, share) for detail, share in zip(details, shares, strict=True)]


def _fee_line(detail: FeeDetail) -> FeeLine:
    return FeeLine(
        number=detail.feedetl_sn,
        amount=detail.det_item_fee_sumamt,
        item_class=detail.expContent.chrgitm_lv,
        first_self_pay=detail.expContent.selfpay_prop,
    )


def _result(detail: FeeDetail, share: LineShare) -> FeeResult:
    return FeeResult(
        feedetl_sn=share.number,
        det_item_fee_sumamt=share.amount,
        cnt=detail.cnt,
        pric=detail.pric,
        selfpay_prop=share.first_self_pay_rate,
        fulamt_ownpay_amt=share.own_pay,
        preselfpay_amt=share.first_self_pay,
        inscp_scp_amt=share.in_scope,
        chrgitm_lv=share.item_class,
    )


def _row(desk: Desk, detail: FeeDetail) -> FeeLineRow:
    first = detail.expContent.selfpay_prop
    return FeeLineRow(
        institution=desk.institution,
        mdtrt_id=detail.mdtrt_id,
        chrg_bchno=detail.chrg_bchno,
        feedetl_sn=detail.feedetl_sn,
        item_code=detail.med_list_codg,
        item_class=detail.expContent.chrgitm_lv.value,
        first_self_pay=None if first is None else str(first),
        amount_minor=detail.det_item_fee_sumamt.minor,
    )
