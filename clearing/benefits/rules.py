"""Who pays what of a visit. Pure: policy, claim and the year so far in, benefit with its trace out.

Always: total = own pay + first self-pay + in scope; in scope = fund + top-up + in-scope personal;
total - fund - top-up = account + cash. Each rounding is the policy's, once for each line and once for each band.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, unique
from fractions import Fraction

from clearing.benefits.policy import Band, CareRules, Measure, NotInPolicy, Per, Policy, TopUp
from rulebook.messages.medical import ItemClass, MedicalType
from rulebook.money import ZERO, Amount


@dataclass(frozen=True, slots=True)
class FeeLine:
    """``amount`` not negative. ``first_self_pay``: the item's own rate; None takes the policy's for its class."""

    number: str
    amount: Amount
    item_class: ItemClass
    first_self_pay: Fraction | None = None

    def __post_init__(self) -> None:
        if self.amount < ZERO:
            raise ValueError(f"fee line {self.number}: {self.amount} is negative; cancel the line instead")


@dataclass(frozen=True, slots=True)
class Claim:
    """``account_balance``: what the personal account may pay at most; nil when the holder does not want it used."""

    care: MedicalType
    insured_class: str
    hospital_level: str
    lines: tuple[FeeLine, ...]
    account_balance: Amount


@dataclass(frozen=True, slots=True)
class Accumulators:
    """The person's year before this claim. The first four are of this kind of care, the last two of all care:
    ``personal`` is the in-scope burden before the top-up (in scope - fund)."""

    in_scope: Amount = ZERO
    deductible: Amount = ZERO
    fund: Amount = ZERO
    stays: int = 0
    personal: Amount = ZERO
    top_up: Amount = ZERO


@unique
class Rule(Enum):
    """What a step of the trace applied. ``explain`` has the sentence of each."""

    OWN_PAY = "own-pay"
    FIRST_SELF_PAY = "first-self-pay"
    IN_SCOPE = "in-scope"
    DEDUCTIBLE = "deductible"
    BAND = "band"
    ABOVE_BANDS = "above-bands"
    CAP = "cap"
    TOP_UP_BAND = "top-up-band"
    TOP_UP_CAP = "top-up-cap"
    ACCOUNT = "account"
    CASH = "cash"


# The others only where they came to something.
_ALWAYS_TOLD = {Rule.IN_SCOPE, Rule.DEDUCTIBLE, Rule.BAND, Rule.TOP_UP_BAND, Rule.CASH}


@dataclass(frozen=True, slots=True)
class Step:
    """``amount`` is what the rule came to, of ``basis``, at ``rate`` where it has one; ``up_to`` is a band's upper end. A
    cap's ``amount`` is what it took off the fund; its ``basis``, and the deductible's, what was left before this visit."""

    rule: Rule
    amount: Amount
    basis: Amount
    rate: Fraction | None = None
    up_to: Amount | None = None


@dataclass(frozen=True, slots=True)
class LineShare:
    """One fee line's part. Every column sums to the benefit's total."""

    number: str
    amount: Amount
    item_class: ItemClass
    first_self_pay_rate: Fraction
    own_pay: Amount
    first_self_pay: Amount
    in_scope: Amount
    fund: Amount
    top_up: Amount

    @property
    def personal(self) -> Amount:
        return self.amount - self.fund - self.top_up


@dataclass(frozen=True, slots=True)
class Benefit:
    """``deductible`` is the part of in-scope this claim spent on it; ``fund`` the basic pool, ``top_up`` the fund above."""

    total: Amount
    own_pay: Amount
    first_self_pay: Amount
    in_scope: Amount
    deductible: Amount
    fund: Amount
    top_up: Amount
    account: Amount
    cash: Amount
    lines: tuple[LineShare, ...]
    trace: tuple[Step, ...]

    @property
    def fund_total(self) -> Amount:
        return self.fund + self.top_up

    @property
    def personal(self) -> Amount:
        """Everything the person bears, from account or in cash."""
        return self.total - self.fund_total

    @property
    def in_scope_personal(self) -> Amount:
        return self.in_scope - self.fund_total


def adjudicate(claim: Claim, policy: Policy, year: Accumulators) -> Benefit:
    """Raises ``NotInPolicy`` where the policy has no value for this claim."""
    rules = policy.rules_for(claim.care)
    shares = share_lines(claim.lines, policy)
    own_pay, first, in_scope = (
        _sum([getattr(s, part) for s in shares]) for part in ("own_pay", "first_self_pay", "in_scope")
    )
    still_to_bear = _deductible_left(claim, rules, year)
    deductible = min(still_to_bear, in_scope)
    fund_steps = tuple(_fund(claim, policy, rules, year, in_scope=in_scope, deductible=deductible))
    fund = _paid(fund_steps, Rule.BAND, Rule.CAP)
    top_up_steps = tuple(_top_up(claim, policy, year, in_scope - fund))
    top_up = _paid(top_up_steps, Rule.TOP_UP_BAND, Rule.TOP_UP_CAP)
    total = own_pay + first + in_scope
    account = min(claim.account_balance, in_scope - fund - top_up) if policy.account_pays else ZERO
    cash = total - fund - top_up - account
    trace = (
        Step(Rule.OWN_PAY, own_pay, total),
        Step(Rule.FIRST_SELF_PAY, first, _sum([share.amount for share in shares if share.first_self_pay])),
        Step(Rule.IN_SCOPE, in_scope, total),
        Step(Rule.DEDUCTIBLE, deductible, still_to_bear),
        *fund_steps,
        *top_up_steps,
        Step(Rule.ACCOUNT, account, in_scope - fund - top_up),
        Step(Rule.CASH, cash, total - fund - top_up),
    )
    return Benefit(
        total=total,
        own_pay=own_pay,
        first_self_pay=first,
        in_scope=in_scope,
        deductible=deductible,
        fund=fund,
        top_up=top_up,
        account=account,
        cash=cash,
        lines=_with_payers(shares, fund, top_up),
        trace=tuple(step for step in trace if step.amount or step.rule in _ALWAYS_TOLD),
    )


def share_lines(lines: Sequence[FeeLine], policy: Policy) -> tuple[LineShare, ...]:
    """Each line divided by its item class; nothing paid by a fund yet. Raises ``NotInPolicy``."""
    return tuple(_share_line(line, policy) for line in lines)


def _share_line(line: FeeLine, policy: Policy) -> LineShare:
    rate = _first_self_pay_rate(line, policy)
    own_pay = line.amount if line.item_class is ItemClass.C else ZERO
    first = ZERO if own_pay else line.amount.share(rate, policy.rounding)
    in_scope = line.amount - own_pay - first
    return LineShare(line.number, line.amount, line.item_class, rate, own_pay, first, in_scope, ZERO, ZERO)


def _first_self_pay_rate(line: FeeLine, policy: Policy) -> Fraction:
    if line.item_class is ItemClass.C:
        return Fraction(1)
    if line.first_self_pay is not None:
        return line.first_self_pay
    if line.item_class not in policy.first_self_pay:
        raise NotInPolicy(f"{policy.name} has no first self-pay for class {line.item_class.name}; the line must say it")
    return policy.first_self_pay[line.item_class]


def _deductible_left(claim: Claim, rules: CareRules, year: Accumulators) -> Amount:
    limit = rules.deductible.limit(claim.insured_class, claim.hospital_level, year.stays + 1)
    return max(ZERO, limit - year.deductible) if rules.deductible.per is Per.YEAR else limit


def _fund(
    claim: Claim, policy: Policy, rules: CareRules, year: Accumulators, *, in_scope: Amount, deductible: Amount
) -> Iterator[Step]:
    start = _position(rules, year) + (deductible if rules.measure is Measure.IN_SCOPE else ZERO)
    covered = in_scope - deductible
    paid = ZERO
    for basis, band in _slices(rules.bands, start, start + covered):
        rate = band.rates.value(claim.insured_class, claim.hospital_level)
        paid += (amount := basis.share(rate, policy.rounding))
        covered -= basis
        yield Step(Rule.BAND, amount, basis, rate, band.up_to)
    yield Step(Rule.ABOVE_BANDS, covered, in_scope)
    if rules.annual_cap is not None:
        left = max(ZERO, rules.annual_cap.value(claim.insured_class, claim.hospital_level) - year.fund)
        yield Step(Rule.CAP, max(ZERO, paid - left), left)


def _position(rules: CareRules, year: Accumulators) -> Amount:
    if rules.bands_per is Per.STAY:
        return ZERO
    return year.in_scope - (year.deductible if rules.measure is Measure.AFTER_DEDUCTIBLE else ZERO)


def _top_up(claim: Claim, policy: Policy, year: Accumulators, personal: Amount) -> Iterator[Step]:
    if policy.top_up is None:
        return
    top_up: TopUp = policy.top_up
    start = max(ZERO, year.personal - top_up.threshold)
    end = max(ZERO, year.personal + personal - top_up.threshold)
    paid = ZERO
    for basis, band in _slices(top_up.bands, start, end):
        rate = band.rates.value(claim.insured_class, claim.hospital_level)
        paid += (amount := basis.share(rate, policy.rounding))
        yield Step(Rule.TOP_UP_BAND, amount, basis, rate, band.up_to)
    if top_up.annual_cap is not None:
        left = max(ZERO, top_up.annual_cap - year.top_up)
        yield Step(Rule.TOP_UP_CAP, max(ZERO, paid - left), left)


def _slices(bands: Sequence[Band], start: Amount, end: Amount) -> Iterator[tuple[Amount, Band]]:
    """The parts of start … end that fall into each band."""
    lower = ZERO
    for band in bands:
        upper = end if band.up_to is None else min(end, band.up_to)
        if (basis := upper - max(start, lower)) > ZERO:
            yield basis, band
        if band.up_to is not None:
            lower = band.up_to


def _paid(steps: Sequence[Step], band: Rule, cap: Rule) -> Amount:
    return _sum([step.amount if step.rule is band else -step.amount for step in steps if step.rule in (band, cap)])


def _with_payers(shares: Sequence[LineShare], fund: Amount, top_up: Amount) -> tuple[LineShare, ...]:
    weights = [share.in_scope.minor for share in shares]
    if not any(weights):
        return tuple(shares)
    funds = fund.split(weights)
    # What the fund left of each line, so that no line is paid more than once over.
    rests = [share.in_scope.minor - paid.minor for share, paid in zip(shares, funds, strict=True)]
    top_ups = top_up.split(rests) if any(rests) else tuple(ZERO for _ in shares)
    return tuple(
        LineShare(
            number=share.number,
            amount=share.amount,
            item_class=share.item_class,
            first_self_pay_rate=share.first_self_pay_rate,
            own_pay=share.own_pay,
            first_self_pay=share.first_self_pay,
            in_scope=share.in_scope,
            fund=paid,
            top_up=extra,
        )
        for share, paid, extra in zip(shares, funds, top_ups, strict=True)
    )


def _sum(amounts: Sequence[Amount]) -> Amount:
    return sum(amounts, start=ZERO)
