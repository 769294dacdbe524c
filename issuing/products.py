"""What this office issues. Product, purse limit and years of validity are ours, for the demonstration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True, slots=True)
class Product:
    """``purse_limit_minor`` is what card, desk and ledger all enforce (fen)."""

    code: str
    purse_limit_minor: int
    valid_years: int


def last_day(first: date, years: int) -> date:
    """The last day of a validity that begins on ``first``: the day before the anniversary (ours)."""
    month = date(first.year + years, first.month, 1)
    return month + timedelta(days=first.day - 2)


PRODUCTS: Mapping[str, Product] = {product.code: product for product in (Product("citizen", 100_000, 10),)}
