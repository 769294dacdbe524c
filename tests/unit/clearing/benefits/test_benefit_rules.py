"""Adjudication: what always holds, and the edges of deductible, bands, cap and account."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.benefits.explain import chinese, english, percent
from clearing.benefits.policy import (
    Band,
    CareRules,
    Deductible,
    MalformedPolicy,
    Measure,
    NotInPolicy,
    Per,
    Policy,
    Table,
    TopUp,
    packaged_policies,
    read_policy,
)
from clearing.benefits.rules import Accumulators, Benefit, Claim, FeeLine, Rule, adjudicate
from rulebook.messages.medical import ItemClass, MedicalType
from rulebook.money import ZERO, Amount, Rounding, yuan

BEIJING = packaged_policies()[0]
NEW_YEAR = Accumulators()


def everywhere(value: object) -> Table:
    return Table({"*": {"*": value}})


amounts = st.integers(0, 3_000_000).map(Amount)
rates = st.integers(0, 1000).map(lambda thousandths: Fraction(thousandths, 1000))


@st.composite
def band_lists(draw: st.DrawFn) -> tuple[Band, ...]:
    limits = sorted(draw(st.sets(st.integers(1, 3_000_000), max_size=3)))
    ends = [*map(Amount, limits), *([None] if not limits or draw(st.booleans()) else [])]
    return tuple(Band(end, everywhere(draw(rates))) for end in ends)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    care = CareRules(
        deductible=Deductible(
            draw(st.sampled_from(Per)), everywhere(tuple(draw(st.lists(amounts, min_size=1, max_size=3))))
        ),
        bands_per=draw(st.sampled_from(Per)),
        measure=draw(st.sampled_from(Measure)),
        bands=draw(band_lists()),
        annual_cap=draw(st.none() | amounts.map(everywhere)),
    )
    top_up = draw(st.none() | st.builds(TopUp, amounts, band_lists(), st.none() | amounts))
    return dataclasses.replace(
        BEIJING,
        rounding=draw(st.sampled_from(Rounding)),
        care={MedicalType.OUTPATIENT: care},
        top_up=top_up,
        account_pays=draw(st.booleans()),
    )


lines = st.builds(FeeLine, st.integers(1, 99).map(str), amounts, st.sampled_from(ItemClass), st.none() | rates)


@st.composite
def years(draw: st.DrawFn) -> Accumulators:
    in_scope = draw(st.integers(0, 5_000_000))
    deductible = draw(st.integers(0, in_scope))
    fund = draw(st.integers(0, in_scope - deductible))
    personal = in_scope - fund
    top_up = draw(st.integers(0, personal))
    return Accumulators(
        *map(Amount, (in_scope, deductible, fund)), draw(st.integers(0, 4)), Amount(personal), Amount(top_up)
    )


claims = st.builds(
    Claim,
    care=st.just(MedicalType.OUTPATIENT),
    insured_class=st.sampled_from(["in_service", "retired_under_70"]),
    hospital_level=st.sampled_from(["L1", "L3", "community"]),
    lines=st.lists(lines, min_size=1, max_size=6).map(tuple),
    account_balance=amounts,
)


@given(claims, policies(), years())
def test_identities_always_hold(claim: Claim, policy: Policy, year: Accumulators) -> None:
    benefit = adjudicate(claim, policy, year)
    assert benefit.total == sum((line.amount for line in claim.lines), start=ZERO)
    assert benefit.total == benefit.own_pay + benefit.first_self_pay + benefit.in_scope
    assert benefit.in_scope == benefit.fund_total + benefit.in_scope_personal
    assert benefit.total == benefit.fund_total + benefit.account + benefit.cash
    parts = (
        getattr(benefit, field.name) for field in dataclasses.fields(Benefit) if field.name not in ("lines", "trace")
    )
    assert all(part >= ZERO for part in parts)
    assert benefit.account <= min(claim.account_balance, benefit.in_scope_personal)


@given(claims, policies(), years())
def test_line_shares_sum_to_the_totals(claim: Claim, policy: Policy, year: Accumulators) -> None:
    benefit = adjudicate(claim, policy, year)
    for part in ("own_pay", "first_self_pay", "in_scope", "fund", "top_up", "personal"):
        assert sum((getattr(line, part) for line in benefit.lines), start=ZERO) == getattr(benefit, part)
    assert all(ZERO <= line.fund + line.top_up <= line.in_scope for line in benefit.lines)


@given(claims, policies(), years(), st.integers(0, 1_000_000))
def test_more_in_scope_never_means_less_from_the_basic_fund(
    claim: Claim, policy: Policy, year: Accumulators, more: int
) -> None:
    bigger = dataclasses.replace(claim, lines=(*claim.lines, FeeLine("more", Amount(more), ItemClass.A)))
    assert adjudicate(bigger, policy, year).fund >= adjudicate(claim, policy, year).fund


@given(claims, policies(), years())
def test_the_trace_adds_up_to_what_the_fund_pays(claim: Claim, policy: Policy, year: Accumulators) -> None:
    benefit = adjudicate(claim, policy, year)

    def come_to(rule: Rule) -> Amount:
        return sum((step.amount for step in benefit.trace if step.rule is rule), start=ZERO)

    assert come_to(Rule.BAND) - come_to(Rule.CAP) == benefit.fund
    assert come_to(Rule.TOP_UP_BAND) - come_to(Rule.TOP_UP_CAP) == benefit.top_up
    in_bands = sum((step.basis for step in benefit.trace if step.rule is Rule.BAND), start=ZERO)
    assert benefit.deductible + in_bands + come_to(Rule.ABOVE_BANDS) == benefit.in_scope
    assert all(chinese(step) and english(step) and "{" not in chinese(step) + english(step) for step in benefit.trace)


def beijing(
    total: str, *, year: Accumulators = NEW_YEAR, care: MedicalType = MedicalType.OUTPATIENT, account: str = "0"
) -> Benefit:
    claim = Claim(care, "in_service", "L3", (FeeLine("1", yuan(total), ItemClass.A),), yuan(account))
    return adjudicate(claim, BEIJING, year)


def after(benefit: Benefit) -> Accumulators:
    return Accumulators(
        in_scope=benefit.in_scope,
        deductible=benefit.deductible,
        fund=benefit.fund,
        stays=1,
        personal=benefit.in_scope - benefit.fund,
        top_up=benefit.top_up,
    )


def test_annual_deductible_is_spent_over_several_visits() -> None:
    first = beijing("1000")
    assert (first.deductible, first.fund) == (yuan("1000"), ZERO)
    second = beijing("1000", year=after(first))
    assert (second.deductible, second.fund) == (yuan("800"), yuan("140"))


def test_a_visit_across_the_limit_of_a_band_is_paid_at_both_rates() -> None:
    benefit = beijing("1000", year=Accumulators(in_scope=yuan("19500"), deductible=yuan("1800"), fund=yuan("12390")))
    assert benefit.fund == yuan("650")  # 500 × 70 % + 500 × 60 %
    assert [step.rate for step in benefit.trace if step.rule is Rule.BAND] == [Fraction(7, 10), Fraction(6, 10)]


@pytest.mark.parametrize(("stays", "deductible"), [(0, "1300"), (1, "650"), (5, "650")])
def test_deductible_of_the_nth_stay(stays: int, deductible: str) -> None:
    benefit = beijing("5000", care=MedicalType.INPATIENT, year=Accumulators(stays=stays))
    assert benefit.deductible == yuan(deductible)


def test_expense_above_the_last_band_is_the_patients() -> None:
    benefit = beijing("600000", care=MedicalType.INPATIENT)
    (above,) = (step for step in benefit.trace if step.rule is Rule.ABOVE_BANDS)
    assert above.amount == yuan("100000")


def test_account_pays_the_in_scope_part_only() -> None:
    lines = (FeeLine("1", yuan("100"), ItemClass.A), FeeLine("2", yuan("50"), ItemClass.C))
    claim = Claim(MedicalType.OUTPATIENT, "in_service", "L3", lines, yuan("500"))
    benefit = adjudicate(claim, BEIJING, Accumulators())
    assert (benefit.account, benefit.cash) == (yuan("100"), yuan("50"))


def topped_up(threshold: str, rate: str, cap: str | None, *, fund_rate: str = "0") -> Policy:
    """No deductible, one band, and a top-up fund over it."""
    bands = (Band(None, everywhere(Fraction(fund_rate))),)
    care = CareRules(Deductible(Per.STAY, everywhere((ZERO,))), Per.STAY, Measure.IN_SCOPE, bands, None)
    top_up = TopUp(yuan(threshold), (Band(None, everywhere(Fraction(rate))),), None if cap is None else yuan(cap))
    return dataclasses.replace(BEIJING, care={MedicalType.OUTPATIENT: care}, top_up=top_up)


@pytest.mark.parametrize(
    ("personal", "paid_before", "cap", "expected"),
    [
        ("0", "0", None, "0"),  # 2000 stays below 6000
        ("5000", "0", None, "600"),  # 1000 of 2000 lies above
        ("7000", "600", None, "1200"),
        ("7000", "600", "1000", "400"),
        ("7000", "1000", "1000", "0"),
    ],
)
def test_the_top_up_looks_at_the_whole_year(personal: str, paid_before: str, cap: str | None, expected: str) -> None:
    year = Accumulators(in_scope=yuan(personal), personal=yuan(personal), top_up=yuan(paid_before))
    claim = Claim(MedicalType.OUTPATIENT, "in_service", "L3", (FeeLine("1", yuan("2000"), ItemClass.A),), ZERO)
    assert adjudicate(claim, topped_up("6000", "0.6", cap), year).top_up == yuan(expected)


def test_no_line_is_paid_more_than_once_over() -> None:
    lines = tuple(FeeLine(str(number), yuan("0.01"), ItemClass.A) for number in range(3))
    claim = Claim(MedicalType.OUTPATIENT, "in_service", "L3", lines, ZERO)
    benefit = adjudicate(claim, topped_up("0", "1", None, fund_rate="0.4"), NEW_YEAR)
    assert (benefit.fund, benefit.top_up) == (yuan("0.01"), yuan("0.02"))
    assert [line.fund + line.top_up for line in benefit.lines] == [yuan("0.01")] * 3


def test_an_item_of_class_b_without_any_rate_is_not_guessed() -> None:
    policy = dataclasses.replace(BEIJING, first_self_pay={ItemClass.A: Fraction(0)})
    claim = Claim(MedicalType.OUTPATIENT, "in_service", "L3", (FeeLine("1", yuan("1"), ItemClass.B),), ZERO)
    with pytest.raises(NotInPolicy, match="first self-pay for class B"):
        adjudicate(claim, policy, Accumulators())


def test_an_insured_class_without_a_row_is_not_guessed() -> None:
    claim = Claim(MedicalType.OUTPATIENT, "student", "L3", (FeeLine("1", yuan("1"), ItemClass.A),), ZERO)
    with pytest.raises(NotInPolicy, match="student"):
        adjudicate(claim, BEIJING, Accumulators())


def test_the_trace_reads_in_both_languages() -> None:
    benefit = beijing("3000", account="100")
    assert [chinese(step) for step in benefit.trace] == [
        "费用总额 3000.00 元，其中政策范围内 3000.00 元",
        "起付线：此前尚余 1800.00 元，本次由个人承担 1800.00 元",
        "统筹基金（20000.00 元以内部分）：1200.00 元 × 70% = 840.00 元",
        "政策范围内个人负担 2160.00 元，其中个人账户支付 100.00 元",
        "个人负担共 2160.00 元，其中现金支付 2060.00 元",
    ]
    assert english(benefit.trace[2]) == "fund (part up to 20000.00): 1200.00 × 70% = 840.00"


def test_the_trace_says_what_the_year_had_left_of_the_deductible() -> None:
    half, none = (beijing("1000", year=Accumulators(yuan(spent), yuan(spent))) for spent in ("1000", "1800"))
    assert english(half.trace[1]) == "deductible: 800.00 was left to bear, 800.00 of it is borne on this visit"
    assert english(none.trace[1]) == "deductible: 0.00 was left to bear, 0.00 of it is borne on this visit"


def test_the_trace_says_where_a_product_was_rounded() -> None:
    benefit = beijing("2047.79")
    assert chinese(benefit.trace[2]) == "统筹基金（20000.00 元以内部分）：247.79 元 × 70% ≈ 173.45 元"


def test_a_first_self_pay_is_told_of_the_items_it_is_taken_from() -> None:
    lines = (FeeLine("1", yuan("100"), ItemClass.A), FeeLine("2", yuan("50"), ItemClass.B))
    claim = Claim(MedicalType.OUTPATIENT, "in_service", "L3", lines, ZERO)
    step = adjudicate(claim, BEIJING, NEW_YEAR).trace[0]
    assert english(step) == "first self-pay on class B items: 5.00 of their 50.00"


@pytest.mark.parametrize(("rate", "text"), [("0.855", "85.5%"), ("1", "100%"), ("0", "0%"), ("0.991", "99.1%")])
def test_percent(rate: str, text: str) -> None:
    assert percent(Fraction(rate)) == text


MINIMAL = {
    "name": "p", "fund": "f", "insutype": "310", "region": "110000", "valid_from": "2023-01-01", "valid_to": None,
    "insured_classes": {}, "rounding": "half-up", "first_self_pay": {}, "account_pays": True, "care": {},
    "top_up": None, "open_questions": [],
}  # fmt: skip


def with_care(**changes: object) -> dict[str, object]:
    care = {
        "deductible": {"per": "stay", "amounts": {"*": {"*": ["1"]}}},
        "bands_per": "stay",
        "measure": "in-scope",
        "bands": [{"up_to": None, "rates": {"*": {"*": "0.5"}}}],
        "annual_cap": None,
    }
    return MINIMAL | {"care": {"outpatient": care | changes}}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({key: value for key, value in MINIMAL.items() if key != "fund"}, "'fund' is missing"),
        (MINIMAL | {"rounding": "sometimes"}, "sometimes"),
        (MINIMAL | {"first_self_pay": {"B": "1.1"}}, "between 0 and 1"),
        (MINIMAL | {"first_self_pay": {"B": 1}}, "decimal strings"),
        (MINIMAL | {"first_self_pay": {"B": "1/3"}}, "decimal strings"),
        (MINIMAL | {"first_self_pay": {"B": "ten percent"}}, "decimal strings"),
        (MINIMAL | {"first_self_pay": {"B": "Infinity"}}, "decimal strings"),
        (MINIMAL | {"first_self_pay": {"B": "NaN"}}, "NaN"),
        (with_care(bands=[]), "there must be one"),
        (with_care(bands=[{"up_to": None, "rates": {}}, {"up_to": "5", "rates": {}}]), "only the last"),
        (with_care(bands=[{"up_to": "5", "rates": {}}, {"up_to": "5", "rates": {}}]), "must rise"),
        (with_care(bands=[{"up_to": "5.001", "rates": {}}]), "finer than a fen"),
        (with_care(bands=[{"up_to": "-5", "rates": {}}]), "not negative"),
        (with_care(deductible={"per": "stay", "amounts": {"*": {"*": "5"}}}), "a list"),
    ],
)
def test_a_malformed_policy_is_refused(document: dict[str, object], message: str) -> None:
    with pytest.raises(MalformedPolicy, match=message):
        read_policy(document)
