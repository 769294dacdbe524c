"""The function that prices a ride. Pure: the same ride, tariff and history give the same fare at the bus and in clearing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique

from rulebook.calendar import BUSINESS_ZONE
from rulebook.money import ZERO, Amount
from rulebook.record.record import Step
from rulebook.tariff.history import History
from rulebook.tariff.network import Leg, NoFare
from rulebook.tariff.ride import Ride
from rulebook.tariff.tariff import OPERATOR, Condition, Discount, Name, Tariff, Zone


@unique
class Language(StrEnum):
    CHINESE = "zh"
    ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class FareLine:
    """One rule's part of the fare: a base fare above or at zero, or a discount below or at zero, and who bears it."""

    rule: int
    amount: Amount
    bearer: str
    name: Name


@dataclass(frozen=True, slots=True)
class PricedFare:
    """``counted`` is the part of ``total`` that the month's tiers count (``History.after``)."""

    tariff_version: int
    lines: tuple[FareLine, ...]
    counted: Amount

    @property
    def total(self) -> Amount:
        """What the card pays."""
        return sum((line.amount for line in self.lines), ZERO)

    @property
    def full(self) -> Amount:
        """The fare before discounts: ``total`` plus everybody's ``shares``."""
        return sum((line.amount for line in self.lines if line.amount >= ZERO), ZERO)

    @property
    def shares(self) -> Mapping[str, Amount]:
        """What each bearer gives of the full fare, by ``operator`` or participant id; none is zero."""
        shares: dict[str, Amount] = {}
        for line in self.lines:
            if line.amount < ZERO:
                shares[line.bearer] = shares.get(line.bearer, ZERO) - line.amount
        return shares

    def steps(self) -> tuple[Step, ...]:
        """The trace as the record carries it."""
        return tuple(Step(line.rule, line.amount.minor) for line in self.lines)

    def trace(self, language: Language) -> tuple[str, ...]:
        """One sentence for each line and the total, for rider and auditor."""
        return (*(_told(line, language) for line in self.lines), _TOTAL[language].format(total=self.total))


_LINE = {
    Language.CHINESE: "规则{rule} {name}：{amount}元，由{bearer}承担",
    Language.ENGLISH: "rule {rule}, {name}: {amount} yuan, borne by {bearer}",
}
_BASE_LINE = {
    Language.CHINESE: "规则{rule} {name}：{amount}元",
    Language.ENGLISH: "rule {rule}, {name}: {amount} yuan",
}
_TOTAL = {Language.CHINESE: "卡内扣款：{total}元", Language.ENGLISH: "charged to the card: {total} yuan"}
_BEARER_ZH = {OPERATOR: "运营单位"}


def _told(line: FareLine, language: Language) -> str:
    form = (_LINE if line.amount < ZERO else _BASE_LINE)[language]
    chinese = language is Language.CHINESE
    bearer = _BEARER_ZH.get(line.bearer, line.bearer) if chinese else line.bearer
    name = line.name.zh if chinese else line.name.en
    return form.format(rule=line.rule, name=name, amount=line.amount, bearer=bearer)


def price(ride: Ride, tariff: Tariff, history: History) -> PricedFare:
    """The fare of ``ride``, line by line. Raises ``NoFare`` for a line, station or connection the tariff does not know."""
    lines: list[FareLine] = []
    counted = ZERO
    for leg in _legs(ride, tariff):
        zone = tariff.zones[leg.zone]
        of_leg = tuple(_leg_lines(leg, zone, ride, tariff, history))
        lines += of_leg
        if zone.monthly:
            counted += sum((line.amount for line in of_leg), ZERO)
    return PricedFare(tariff.version, tuple(lines), counted)


def _legs(ride: Ride, tariff: Tariff) -> tuple[Leg, ...]:
    if ride.entry:
        return tariff.network.legs(ride.entry, ride.exit)
    if ride.line not in tariff.lines:
        raise NoFare(f"line {ride.line} is not in tariff version {tariff.version}")
    return (Leg(tariff.lines[ride.line].zone, 0),)


def _leg_lines(leg: Leg, zone: Zone, ride: Ride, tariff: Tariff, history: History) -> Iterator[FareLine]:
    left = Amount(zone.fare_minor(leg.metres), tariff.currency)
    yield FareLine(zone.rule, left, OPERATOR, zone.name)
    for discount in tariff.discounts:
        if zone.code in discount.zones and _applies(discount.when, ride, tariff, history):
            off = left.share(discount.off, tariff.rounding)
            left -= off
            yield _taken_off(discount, off)


def _taken_off(discount: Discount, off: Amount) -> FareLine:
    return FareLine(discount.rule, -off, discount.bearer, discount.name)


def _applies(when: Condition, ride: Ride, tariff: Tariff, history: History) -> bool:
    entered = ride.entered_at.astimezone(BUSINESS_ZONE)
    paid = history.paid_before(ride.charged_at).minor
    return (
        (not when.rider_classes or ride.rider_class in when.rider_classes)
        and (not when.entries or ride.entry in when.entries)
        and (when.before is None or entered.time() < when.before)
        and (when.month_paid_from_minor is None or when.month_paid_from_minor <= paid)
        and (when.month_paid_below_minor is None or paid < when.month_paid_below_minor)
        and (not when.working_days_only or tariff.calendar.is_working_day(entered.date()))
    )
