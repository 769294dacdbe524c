"""The national identities of a settlement, as published, on every settlement this fund can answer with."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.benefits.answers import cancelled_output, settlement_output
from clearing.benefits.policy import packaged_policies
from clearing.benefits.rules import Accumulators, Benefit, Claim, FeeLine, adjudicate
from clearing.benefits.tables import SettlementRow
from rulebook.messages.medical import (
    AccountUse,
    Infno,
    InsuranceType,
    ItemClass,
    MedicalType,
    Request,
    SettleData,
    SettleInput,
    SettlementInfo,
)
from rulebook.money import ZERO, Amount

DATA = Path(__file__).parents[3] / "data" / "medical"
IDENTITIES = json.loads((DATA / "nhsa_reconciliation.json").read_text())["setlinfo_identities_to_test"]
NOW = datetime(2026, 9, 15, 2, tzinfo=UTC)
POLICY = packaged_policies()[0]
# Payers that this fund does not have: no field, so nothing to add.
WITHOUT = {
    "cvlserv_pay",
    "hifes_pay",
    "hifmi_pay",
    "maf_pay",
    "oth_pay",
    "hosp_part_amt",
    "acct_mulaid_pay",
}


def holds(identity: str, info: SettlementInfo) -> bool:
    """``a = b + c (- d)``, evaluated in fen."""
    left, right = identity.split(" = ")
    terms = re.findall(r"([+-]?)\s*([a-z_]+)", right.replace("(", "").replace(")", ""))
    return value(left, info) == sum((-1 if sign == "-" else 1) * value(name, info) for sign, name in terms)


def value(name: str, info: SettlementInfo) -> int:
    if name in WITHOUT:
        assert not hasattr(info, name)
        return 0
    return int(getattr(info, name).minor)


def request_of(benefit: Benefit, care: MedicalType) -> Request[SettleInput]:
    data = SettleData(
        psn_no="p1",
        mdtrt_cert_no="A1",
        med_type=care,
        medfee_sumamt=benefit.total,
        mdtrt_id="V1",
        chrg_bchno="1",
        acct_used_flag=AccountUse.YES,
        insutype=InsuranceType.EMPLOYEE,
    )
    return Request[SettleInput](
        infno=Infno.SETTLE,
        msgid="M1",
        insuplc_admdvs="110000",
        inf_time=NOW,
        fixmedins_code="hospital-1",
        input=SettleInput(data=data),
    )


def stored(benefit: Benefit, care: MedicalType) -> SettlementRow:
    """As ``clearing.benefits.settlements`` keeps it."""
    parts = ("total", "own_pay", "first_self_pay", "in_scope", "deductible", "fund", "top_up", "account", "cash")
    amounts = {part: getattr(benefit, part).minor for part in parts}
    row = {"mdtrt_id": "V1", "setl_id": "M1", "person": "p1", "insurance_type": "310", "care": care.value}
    return SettlementRow(**row, **amounts)


amounts = st.integers(0, 60_000_000).map(Amount)
years = st.builds(
    lambda in_scope, deductible, fund, stays: Accumulators(
        Amount(in_scope), Amount(min(deductible, in_scope)), Amount(min(fund, in_scope)), stays, ZERO, ZERO
    ),
    st.integers(0, 60_000_000),
    st.integers(0, 180_000),
    st.integers(0, 60_000_000),
    st.integers(0, 3),
)
claims = st.builds(
    Claim,
    care=st.sampled_from(MedicalType),
    insured_class=st.sampled_from(sorted(POLICY.insured_classes)),
    hospital_level=st.sampled_from(["L1", "L2", "L3"]),
    lines=st.lists(
        st.builds(FeeLine, st.integers(1, 99).map(str), amounts, st.sampled_from(ItemClass)), min_size=1, max_size=5
    ).map(tuple),
    account_balance=amounts,
)


@pytest.mark.parametrize("identity", IDENTITIES)
@given(claim=claims, year=years)
def test_every_published_identity_holds(identity: str, claim: Claim, year: Accumulators) -> None:
    benefit = adjudicate(claim, POLICY, year)
    request = request_of(benefit, claim.care)
    settled = settlement_output(request, POLICY, claim.insured_class, benefit, balance=ZERO, settled_at=NOW)
    taken_back = cancelled_output(request, stored(benefit, claim.care), "11", balance=ZERO, cancelled_at=NOW)
    assert holds(identity, settled.setlinfo)
    assert holds(identity, taken_back.setlinfo)


def test_an_identity_that_does_not_hold_is_noticed() -> None:
    benefit = adjudicate(
        Claim(MedicalType.OUTPATIENT, "in_service", "L3", (FeeLine("1", Amount(1000000), ItemClass.B),), ZERO),
        POLICY,
        Accumulators(),
    )
    request = request_of(benefit, MedicalType.OUTPATIENT)
    info = settlement_output(request, POLICY, "in_service", benefit, balance=ZERO, settled_at=NOW).setlinfo
    for name in ("medfee_sumamt", "fund_pay_sumamt", "psn_part_amt", "psn_cash_pay"):
        wrong = info.model_copy(update={name: getattr(info, name) + Amount(1)})
        assert not all(holds(identity, wrong) for identity in IDENTITIES)
