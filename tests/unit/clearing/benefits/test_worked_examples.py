"""Published examples, each under its own policy, to the cent."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from clearing.benefits.policy import Measure, Per, Policy, packaged_policies, read_policy
from clearing.benefits.rules import Accumulators, Benefit, Claim, FeeLine, Rule, adjudicate
from rulebook.messages.medical import ItemClass, MedicalType
from rulebook.money import Amount, yuan

DATA = Path(__file__).parents[3] / "data" / "medical"
EXAMPLES = json.loads((DATA / "worked_examples.json").read_text(), parse_float=Decimal)["examples"]
OURS = json.loads((DATA / "example_policies.json").read_text())
BEIJING = json.loads((DATA / "beijing_employee.json").read_text())["beijing_employee"]
USABLE = {example["id"]: example for example in EXAMPLES if example["status"] == "usable"}
CASES = {case["id"]: case for case in OURS["cases"]}


def claim_of(document: dict[str, Any]) -> Claim:
    lines = tuple(
        FeeLine(str(number), yuan(amount), ItemClass[item_class], None if first is None else Fraction(first))
        for number, (amount, item_class, first) in enumerate(document["lines"])
    )
    return Claim(
        care=MedicalType[document["care"].upper()],
        insured_class=document["insured_class"],
        hospital_level=document["hospital_level"],
        lines=lines,
        account_balance=yuan(document["account"]),
    )


def quantities(claim: Claim, benefit: Benefit) -> dict[str, Amount]:
    capped = sum((step.amount for step in benefit.trace if step.rule is Rule.CAP), start=Amount(0))
    return {
        "fund": benefit.fund,
        "fund_before_cap": benefit.fund + capped,
        "top_up": benefit.top_up,
        "fund_total": benefit.fund_total,
        "burden_before_top_up": benefit.in_scope - benefit.fund,
        "first_self_pay": benefit.first_self_pay,
        "in_scope_personal": benefit.in_scope_personal,
        "personal": benefit.personal,
        "cash": benefit.cash,
        "account": benefit.account,
        "account_after": claim.account_balance - benefit.account,
    }


def at(expected: Any, path: str) -> Amount:
    for part in path.split("."):
        expected = expected[int(part)] if isinstance(expected, list) else expected[part]
    return yuan(str(expected))


def example_params() -> list[Any]:
    return [
        pytest.param(
            name, id=name, marks=[] if name in CASES else pytest.mark.skip(reason=OURS["not_expressible"][name])
        )
        for name in USABLE
    ]


@pytest.mark.parametrize("name", example_params())
def test_published_example_comes_out_to_the_cent(name: str) -> None:
    policy = read_policy(OURS["base_policy"] | CASES[name]["policy"])
    for document in CASES[name]["claims"]:
        claim = claim_of(document)
        year = Accumulators(**{part: yuan(value) for part, value in document["year"].items()})
        found = quantities(claim, adjudicate(claim, policy, year))
        for ours, published in document["expect"].items():
            assert found[ours] == at(USABLE[name]["expected"], published), (ours, published)


def test_every_usable_example_is_a_case_or_says_why_not() -> None:
    assert set(CASES) | set(OURS["not_expressible"]) == set(USABLE)
    assert not set(CASES) & set(OURS["not_expressible"])


@pytest.mark.parametrize("name", CASES)
def test_every_published_result_is_compared_or_named_as_not_expressible(name: str) -> None:
    compared = {path.split(".")[0] for claim in CASES[name]["claims"] for path in claim["expect"].values()}
    assert compared | set(CASES[name].get("not_expressible", {})) == set(USABLE[name]["expected"])


@pytest.fixture(scope="module")
def beijing() -> Policy:
    (policy,) = (policy for policy in packaged_policies() if policy.fund == "employee-fund")
    return policy


COMPUTED = {
    "in-service, L3, in-scope 50000, first stay": (MedicalType.INPATIENT, "in_service", "50000"),
    "retired, L3, in-scope 50000, first stay": (MedicalType.INPATIENT, "retired_under_70", "50000"),
    "in-service outpatient year total 3000 at hospital": (MedicalType.OUTPATIENT, "in_service", "3000"),
    "in-service outpatient year total 25000 at hospital: (20000-1800)*70% + 5000*60% if the 20000 limit is on expense": (
        MedicalType.OUTPATIENT,
        "in_service",
        "25000",
    ),
}


@pytest.mark.parametrize("case", BEIJING["computed_from_policy"], ids=lambda case: case["pool"])
def test_beijing_case_computed_from_policy(case: dict[str, str], beijing: Policy) -> None:
    care, insured_class, total = COMPUTED[case["in"]]
    claim = Claim(care, insured_class, "L3", (FeeLine("1", yuan(total), ItemClass.A),), Amount(0))
    assert adjudicate(claim, beijing, Accumulators()).fund == yuan(case["pool"])


@pytest.mark.parametrize("level", ["L1", "L2", "L3"])
@pytest.mark.parametrize(("source", "ours"), [("in_service", "in_service"), ("retired", "retired_70_plus")])
def test_beijing_inpatient_rates_are_the_source_table(beijing: Policy, level: str, source: str, ours: str) -> None:
    rules = beijing.rules_for(MedicalType.INPATIENT)
    rates = [band.rates.value(ours, level) for band in rules.bands]
    assert rates == [Fraction(rate) for rate in BEIJING["inpatient"][source][level]]


@pytest.mark.parametrize(
    ("source", "ours"),
    [("in_service", "in_service"), ("retired", "retired_under_70"), ("retired", "retired_70_plus")],
)
def test_beijing_deductibles_bands_and_caps_are_the_sources(beijing: Policy, source: str, ours: str) -> None:
    outpatient, inpatient = (beijing.rules_for(care) for care in (MedicalType.OUTPATIENT, MedicalType.INPATIENT))
    annual = BEIJING["outpatient"]["annual_deductible"][source]
    assert {outpatient.deductible.limit(ours, level, 1) for level in ("L1", "L3", "community")} == {yuan(str(annual))}
    assert outpatient.deductible.per is Per.YEAR
    stays = BEIJING["inpatient"]["deductible"]
    expected = [yuan(str(stays[name])) for name in ("first", "later_each", "later_each")]
    assert [inpatient.deductible.limit(ours, "L2", nth) for nth in (1, 2, 3)] == expected
    assert [band.up_to for band in inpatient.bands] == [yuan(str(b["to"])) for b in BEIJING["inpatient"]["bands"]]
    assert inpatient.annual_cap is not None
    assert inpatient.annual_cap.value(ours, "L3") == yuan(str(BEIJING["inpatient"]["cap"]))
    assert BEIJING["outpatient"]["cap_above_20000"] is outpatient.annual_cap is None


def test_beijing_20000_counts_expense_and_the_choice_is_written_down(beijing: Policy) -> None:
    """The open question: at 20000 of the fund's *benefit*, 25000 would still be paid at 70 % throughout: 16240."""
    claim = Claim(MedicalType.OUTPATIENT, "in_service", "L3", (FeeLine("1", yuan("25000"), ItemClass.A),), Amount(0))
    assert adjudicate(claim, beijing, Accumulators()).fund == yuan("15740")
    assert beijing.rules_for(MedicalType.OUTPATIENT).measure is Measure.IN_SCOPE
    assert [question for question in beijing.open_questions if "20000" in question]


def test_beijing_outpatient_rates_are_the_source_table(beijing: Policy) -> None:
    lower, upper = beijing.rules_for(MedicalType.OUTPATIENT).bands
    for insured_class, rates in BEIJING["outpatient"]["rates_to_20000"].items():
        assert lower.rates.value(insured_class, "L2") == Fraction(rates["hospital"])
        assert lower.rates.value(insured_class, "community") == Fraction(rates["community"])
    for insured_class in beijing.insured_classes:
        source = BEIJING["outpatient"]["above_20000"][insured_class.split("_under")[0].split("_70")[0]]
        assert upper.rates.value(insured_class, "L3") == Fraction(source)
