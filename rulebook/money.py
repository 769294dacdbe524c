"""Money: integer minor units with a currency. No float and no division: ``split`` sums back, ``share`` names its rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from fractions import Fraction


@unique
class Currency(StrEnum):
    CNY = "CNY"


@unique
class Rounding(StrEnum):
    """How ``Amount.share`` rounds an exact part to the minor unit."""

    DOWN = "down"  # towards zero
    UP = "up"  # away from zero
    HALF_UP = "half-up"  # ties away from zero
    HALF_EVEN = "half-even"


class CurrencyMismatch(TypeError):
    """Two currencies do not add or compare."""


@dataclass(frozen=True, slots=True)
class Amount:
    """``minor`` units (fen for CNY), positive or negative."""

    minor: int
    currency: Currency = Currency.CNY

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError(f"an amount is an integer of minor units, not {type(self.minor).__name__}")

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.minor - self._same(other), self.currency)

    def __neg__(self) -> Amount:
        return Amount(-self.minor, self.currency)

    def __mul__(self, count: int) -> Amount:
        return Amount(self.minor * count, self.currency)

    def __lt__(self, other: Amount) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Amount) -> bool:
        return self.minor <= self._same(other)

    def __bool__(self) -> bool:
        return self.minor != 0

    def _same(self, other: Amount) -> int:
        if self.currency is not other.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} do not mix")
        return other.minor

    def share(self, rate: Fraction, rounding: Rounding) -> Amount:
        """``rate`` of this amount, rounded as named. The other part is always the rest: ``amount - amount.share(…)``."""
        if not isinstance(rate, Fraction):
            raise TypeError("a rate is an exact Fraction")
        exact = self.minor * rate
        whole, rest = divmod(abs(exact.numerator), exact.denominator)
        twice = 2 * rest
        up = {
            Rounding.DOWN: False,
            Rounding.UP: rest > 0,
            Rounding.HALF_UP: twice >= exact.denominator,
            Rounding.HALF_EVEN: twice > exact.denominator or (twice == exact.denominator and whole % 2 == 1),
        }[rounding]
        magnitude = whole + up
        return Amount(magnitude if exact >= 0 else -magnitude, self.currency)

    def split(self, weights: Sequence[int]) -> tuple[Amount, ...]:
        """Parts in proportion to ``weights`` (none negative, sum above zero) that add up to this amount again.
        Left-over units go one each to the largest remainders, the earlier weight first on a tie."""
        total = sum(weights)
        if total <= 0 or min(weights) < 0:
            raise ValueError("weights must not be negative and must not all be zero")
        sign = -1 if self.minor < 0 else 1
        floors = [divmod(abs(self.minor) * weight, total) for weight in weights]
        left_over = abs(self.minor) - sum(whole for whole, _ in floors)
        by_remainder = sorted(range(len(weights)), key=lambda index: -floors[index][1])
        favoured = set(by_remainder[:left_over])
        return tuple(
            Amount(sign * (whole + (index in favoured)), self.currency) for index, (whole, _) in enumerate(floors)
        )

    def __str__(self) -> str:
        sign = "-" if self.minor < 0 else ""
        yuan, fen = divmod(abs(self.minor), 100)
        return f"{sign}{yuan}.{fen:02d}"


ZERO = Amount(0)


def yuan(text: str) -> Amount:
    """``"2.50"`` as an amount. Raises ``ValueError`` for anything finer than a fen."""
    fen = Fraction(text) * 100
    if fen.denominator != 1:
        raise ValueError(f"{text} yuan is finer than a fen")
    return Amount(fen.numerator)
