"""The trace of a benefit as sentences for the patient and the auditor, in Chinese and English."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from clearing.benefits.rules import Rule, Step

_SENTENCES: dict[Rule, tuple[str, str]] = {
    Rule.OWN_PAY: (
        "目录外费用全部自费：{amount} 元",
        "items outside the catalogue, paid in full by the patient: {amount}",
    ),
    Rule.FIRST_SELF_PAY: (
        "乙类项目先行自付：这些项目 {basis} 元中的 {amount} 元",
        "first self-pay on class B items: {amount} of their {basis}",
    ),
    Rule.IN_SCOPE: (
        "费用总额 {basis} 元，其中政策范围内 {amount} 元",
        "of the total {basis}, within the policy's scope: {amount}",
    ),
    Rule.DEDUCTIBLE: (
        "起付线：此前尚余 {basis} 元，本次由个人承担 {amount} 元",
        "deductible: {basis} was left to bear, {amount} of it is borne on this visit",
    ),
    Rule.BAND: (
        "统筹基金{up_to}：{basis} 元 × {rate} {equals} {amount} 元",
        "fund{up_to}: {basis} × {rate} {equals} {amount}",
    ),
    Rule.ABOVE_BANDS: (
        "超过最高分段，基金不支付：{amount} 元",
        "above the highest band, not paid by the fund: {amount}",
    ),
    Rule.CAP: (
        "年度限额：基金今年还可支付 {basis} 元，扣减 {amount} 元",
        "annual limit: the fund has {basis} left for this year, takes off {amount}",
    ),
    Rule.TOP_UP_BAND: (
        "大病（大额）补助{up_to}：{basis} 元 × {rate} {equals} {amount} 元",
        "critical-illness (large-amount) fund{up_to}: {basis} × {rate} {equals} {amount}",
    ),
    Rule.TOP_UP_CAP: (
        "大病（大额）补助年度限额：还可支付 {basis} 元，扣减 {amount} 元",
        "annual limit of the critical-illness fund: {basis} left, takes off {amount}",
    ),
    Rule.ACCOUNT: (
        "政策范围内个人负担 {basis} 元，其中个人账户支付 {amount} 元",
        "of {basis} in scope left to the patient, paid from the personal account: {amount}",
    ),
    Rule.CASH: (
        "个人负担共 {basis} 元，其中现金支付 {amount} 元",
        "of {basis} borne by the patient, paid in cash: {amount}",
    ),
}


_UP_TO = ("（{} 元以内部分）", " (part up to {})")


def percent(rate: Fraction) -> str:
    """``Fraction(17, 20)`` as ``85%``, exactly."""
    value = Decimal(rate.numerator * 100) / Decimal(rate.denominator)
    return f"{value.normalize():f}%"


def chinese(step: Step) -> str:
    return _sentence(step, 0)


def english(step: Step) -> str:
    return _sentence(step, 1)


def _sentence(step: Step, language: int) -> str:
    """Where a product was rounded to the fen it says ≈."""
    rate, equals = "", ""
    if step.rate is not None:
        rate, equals = percent(step.rate), "=" if step.basis.minor * step.rate == step.amount.minor else "≈"
    up_to = "" if step.up_to is None else _UP_TO[language].format(step.up_to)
    return _SENTENCES[step.rule][language].format(
        amount=step.amount, basis=step.basis, rate=rate, equals=equals, up_to=up_to
    )
