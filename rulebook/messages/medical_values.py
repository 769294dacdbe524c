"""How medical messages write amounts, rates and times (rulebook.messages.medical): exactly, as decimal strings."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator

from rulebook.calendar.calendar import BUSINESS_ZONE
from rulebook.money import ZERO, Amount

LOCAL_FORMAT = "%Y-%m-%d %H:%M:%S"
_WHOLE_DIGITS, _PLACES = 14, 10  # numeric 16,2 for amounts; rates and counts have more places


def _exact(value: Any) -> Fraction:
    """A decimal number from JSON (string or exact number); the limits keep a short text from becoming a huge number."""
    if isinstance(value, bool) or not isinstance(value, str | Decimal | int):
        raise ValueError('must be a decimal string, e.g. "12.34"')
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise ValueError(f'{value!r} is no decimal number; write e.g. "12.34"') from error
    if not number.is_finite() or number.adjusted() >= _WHOLE_DIGITS or -int(number.as_tuple().exponent) > _PLACES:
        raise ValueError(f"has more than {_WHOLE_DIGITS} digits before or {_PLACES} after the point")
    return Fraction(number)


def _to_amount(value: Any) -> Amount:
    if isinstance(value, Amount):
        return value
    fen = _exact(value) * 100
    if fen.denominator != 1:
        raise ValueError(f"{value} is finer than a fen; send two decimal places")
    return Amount(fen.numerator)


def _to_rate(value: Any) -> Fraction:
    rate = value if isinstance(value, Fraction) else _exact(value)
    if not 0 <= rate <= 1:
        raise ValueError(f"{value} is outside 0 to 1")
    return rate


def _to_local_time(value: Any) -> datetime:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("must say its time zone")
        return value.astimezone(UTC).replace(microsecond=0)
    try:
        return datetime.strptime(value, LOCAL_FORMAT).replace(tzinfo=BUSINESS_ZONE).astimezone(UTC)
    except (TypeError, ValueError) as error:
        raise ValueError("must be local time as yyyy-MM-dd HH:mm:ss") from error


def _not_negative(amount: Amount) -> Amount:
    if amount < ZERO:
        raise ValueError(f"{amount} is negative; take a line back by cancelling it")
    return amount


def _rate_text(rate: Fraction) -> str:
    return str(Decimal(rate.numerator) / Decimal(rate.denominator))


Yuan = Annotated[Amount, PlainValidator(_to_amount), PlainSerializer(str, return_type=str)]
Charge = Annotated[Yuan, AfterValidator(_not_negative)]
Rate = Annotated[Fraction, PlainValidator(_to_rate), PlainSerializer(_rate_text, return_type=str)]
LocalTime = Annotated[
    datetime,
    PlainValidator(_to_local_time),
    PlainSerializer(lambda value: value.astimezone(BUSINESS_ZONE).strftime(LOCAL_FORMAT), return_type=str),
]
# Printable ASCII: an id is compared, stored and printed, and must look the same everywhere.
Id = Annotated[str, Field(max_length=30, pattern=r"^[!-~]+$")]
# psn_no has 30 places nationally; ours is the feed's person token, 64 hexadecimal digits.
Person = Annotated[str, Field(max_length=64, pattern=r"^[!-~]+$")]
Code = Annotated[str, Field(max_length=50, pattern=r"^[!-~]+$")]
