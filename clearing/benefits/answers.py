"""A benefit or a stored settlement as the national answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from clearing.benefits.explain import chinese, english
from clearing.benefits.policy import Policy
from clearing.benefits.rules import Benefit, Rule, Step
from clearing.benefits.tables import SettlementRow
from rulebook.messages.medical import (
    FeeShare,
    InsuranceType,
    MedicalType,
    Request,
    SettleInput,
    SettlementDetail,
    SettlementInfo,
    SettlementOutput,
)
from rulebook.money import ZERO, Amount

# fund_pay_type: which payer a step is about. Ours; the national dictionary of codes was not at hand.
_PAYER: dict[Rule, str] = {
    Rule.BAND: "pool",
    Rule.CAP: "pool",
    Rule.TOP_UP_BAND: "top-up",
    Rule.TOP_UP_CAP: "top-up",
    Rule.ACCOUNT: "account",
    Rule.CASH: "cash",
}
_PATIENT = "patient"
# What a step adds to its payer; a cap takes off.
_SIGN: dict[Rule, int] = {rule: -1 if rule in (Rule.CAP, Rule.TOP_UP_CAP) else 1 for rule in _PAYER}


def trace_sentences(benefit: Benefit) -> list[list[str]]:
    """For each step Chinese and English."""
    return [[chinese(step), english(step)] for step in benefit.trace]


def settlement_output(
    request: Request[SettleInput],
    policy: Policy,
    insured_class: str,
    benefit: Benefit,
    *,
    balance: Amount,
    settled_at: datetime,
) -> SettlementOutput:
    """``balance`` is the personal account afterwards, ``settled_at`` the fund's time, not the desk's."""
    data = request.input.data
    info = SettlementInfo(
        mdtrt_id=data.mdtrt_id,
        setl_id=request.msgid,
        psn_no=data.psn_no,
        insutype=data.insutype,
        psn_type=policy.insured_classes[insured_class],
        setl_time=settled_at,
        med_type=data.med_type,
        medfee_sumamt=benefit.total,
        fulamt_ownpay_amt=benefit.own_pay,
        overlmt_selfpay=ZERO,  # no price limits before there is a catalogue
        preselfpay_amt=benefit.first_self_pay,
        inscp_scp_amt=benefit.in_scope,
        act_pay_dedc=benefit.deductible,
        hifp_pay=benefit.fund,
        hifob_pay=benefit.top_up,
        fund_pay_sumamt=benefit.fund_total,
        psn_part_amt=benefit.personal,
        acct_pay=benefit.account,
        psn_cash_pay=benefit.cash,
        balc=balance,
        medins_setl_id=request.msgid,
        clr_type=data.med_type,
    )
    return SettlementOutput(
        setlinfo=info,
        setldetail=[_detail(step) for step in benefit.trace],
        feeshare=[
            FeeShare(
                feedetl_sn=line.number,
                det_item_fee_sumamt=line.amount,
                inscp_scp_amt=line.in_scope,
                fund_payamt=line.fund + line.top_up,
                psn_part_amt=line.personal,
            )
            for line in benefit.lines
        ],
    )


def _detail(step: Step) -> SettlementDetail:
    return SettlementDetail(
        fund_pay_type=_PAYER.get(step.rule, _PATIENT),
        inscp_scp_amt=step.basis,
        fund_payamt=step.amount * _SIGN.get(step.rule, 0),
        setl_proc_info=f"{chinese(step)} | {english(step)}",
    )


def cancelled_output(
    request: Request[Any], row: SettlementRow, psn_type: str, *, balance: Amount, cancelled_at: datetime
) -> SettlementOutput:
    """The settlement's own amounts, negative."""
    info = SettlementInfo(
        mdtrt_id=row.mdtrt_id,
        setl_id=row.setl_id,
        psn_no=row.person,
        insutype=InsuranceType(row.insurance_type),
        psn_type=psn_type,
        setl_time=cancelled_at,
        med_type=MedicalType(row.care),
        medfee_sumamt=Amount(-row.total),
        fulamt_ownpay_amt=Amount(-row.own_pay),
        overlmt_selfpay=ZERO,
        preselfpay_amt=Amount(-row.first_self_pay),
        inscp_scp_amt=Amount(-row.in_scope),
        act_pay_dedc=Amount(-row.deductible),
        hifp_pay=Amount(-row.fund),
        hifob_pay=Amount(-row.top_up),
        fund_pay_sumamt=Amount(-row.fund - row.top_up),
        psn_part_amt=Amount(-row.account - row.cash),
        acct_pay=Amount(-row.account),
        psn_cash_pay=Amount(-row.cash),
        balc=balance,
        medins_setl_id=request.msgid,
        clr_type=MedicalType(row.care),
    )
    return SettlementOutput(setlinfo=info, setldetail=[], feeshare=[])
