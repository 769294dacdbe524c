from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulebook.money import ZERO, Amount, Currency, CurrencyMismatch, Rounding, yuan

amounts = st.integers(-(10**12), 10**12).map(Amount)
rates = st.fractions(min_value=0, max_value=1, max_denominator=1000)


@pytest.mark.parametrize(
    ("text", "fen"),
    [("2.50", 250), ("0.01", 1), ("-3", -300), ("287.20", 28720)],
)
def test_yuan_reads_exactly(text: str, fen: int) -> None:
    assert yuan(text) == Amount(fen)


def test_finer_than_a_fen_is_refused() -> None:
    with pytest.raises(ValueError, match="finer than a fen"):
        yuan("0.001")


@pytest.mark.parametrize("minor", [1.0, True, "1", None], ids=["float", "bool", "text", "none"])
def test_only_integers_are_amounts(minor: object) -> None:
    with pytest.raises(TypeError, match="integer of minor units"):
        Amount(minor)  # type: ignore[arg-type]


def test_two_currencies_do_not_mix() -> None:
    other = Amount(1)
    object.__setattr__(other, "currency", "HKD")
    with pytest.raises(CurrencyMismatch):
        Amount(1) + other
    with pytest.raises(CurrencyMismatch):
        assert Amount(1) < other


def test_a_float_rate_is_refused() -> None:
    with pytest.raises(TypeError, match="exact Fraction"):
        Amount(100).share(0.5, Rounding.DOWN)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("minor", "rounding", "expected"),
    [
        (5, Rounding.DOWN, 2),
        (5, Rounding.UP, 3),
        (5, Rounding.HALF_UP, 3),
        (5, Rounding.HALF_EVEN, 2),
        (7, Rounding.HALF_EVEN, 4),
        (-5, Rounding.DOWN, -2),
        (-5, Rounding.HALF_UP, -3),
        (4, Rounding.UP, 2),
    ],
)
def test_half_of_an_amount_rounds_as_named(minor: int, rounding: Rounding, expected: int) -> None:
    assert Amount(minor).share(Fraction(1, 2), rounding) == Amount(expected)


@given(amounts, rates, st.sampled_from(Rounding))
def test_a_share_is_within_one_fen_of_exact(amount: Amount, rate: Fraction, rounding: Rounding) -> None:
    assert abs(amount.share(rate, rounding).minor - amount.minor * rate) < 1


@given(amounts, st.lists(st.integers(0, 1000), min_size=1, max_size=12).filter(any))
def test_a_split_adds_up_again_and_is_fair_to_a_fen(amount: Amount, weights: list[int]) -> None:
    parts = amount.split(weights)
    assert sum(parts, ZERO) == amount
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part.minor - Fraction(amount.minor * weight, sum(weights))) < 1


@pytest.mark.parametrize("weights", [[], [0, 0], [2, -1]], ids=["none", "all zero", "negative"])
def test_a_split_without_weights_is_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError):
        Amount(10).split(weights)


@pytest.mark.parametrize(("minor", "text"), [(0, "0.00"), (5, "0.05"), (-250, "-2.50"), (28720, "287.20")])
def test_an_amount_shows_as_yuan(minor: int, text: str) -> None:
    assert str(Amount(minor, Currency.CNY)) == text
