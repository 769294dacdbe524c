"""Amounts as bank messages write them. Exact from the text: no float, nothing rounded."""

from __future__ import annotations

import re

from rulebook.money import Amount, Currency

# xs:decimal (XML Schema Part 2 §3.2.3) without a sign: direction has a field of its own.
_DECIMAL = re.compile(r"(?P<whole>[0-9]*)(?:\.(?P<part>[0-9]*))?")


_LARGEST = 2**63 - 1  # fen; what a column of the database holds


class NotAnAmount(ValueError):
    """The text is no amount of whole fen."""


def parse(value: str, currency: str) -> Amount:
    """Raises ``NotAnAmount``."""
    if currency != Currency.CNY:
        raise NotAnAmount(f"currency is {currency!r}; the books are kept in {Currency.CNY}")
    found = _DECIMAL.fullmatch(value.strip())
    if found is None or not (found["whole"] or found["part"]):
        raise NotAnAmount(f"amount is {value!r}; a decimal like 12.34 is needed")
    part = (found["part"] or "").rstrip("0")
    if len(part) > 2:
        raise NotAnAmount(f"amount is {value!r}; it is finer than a fen")
    minor = int((found["whole"] or "0") + part.ljust(2, "0"))
    if minor > _LARGEST:
        raise NotAnAmount(f"amount is {value!r}; at most {render(Amount(_LARGEST))} can be booked")
    return Amount(minor)


def render(amount: Amount) -> str:
    """``"12.34"``."""
    return str(amount)
