"""Date and time of records as numbers: the same moments as ``verification.context.moment``."""

from __future__ import annotations

from datetime import UTC, datetime, time

import numpy as np

from clearing.day.schema import NO_TIME, Flags, Numbers
from clearing.verification.context import FIRST_YEAR, LAST_YEAR
from rulebook.calendar import BUSINESS_ZONE

_DAY = 86_400
_OFFSET = int(BUSINESS_ZONE.utcoffset(None).total_seconds())


def local_seconds(stamps: Numbers) -> Numbers:
    """Of YYYYMMDDhhmmss in BCD (56 bits), seconds since 1970 by the local clock; ``NO_TIME`` where it is no time."""
    digits, valid = _decimal(stamps)
    date, clock = np.divmod(digits, 1_000_000)
    year, month_day = np.divmod(date, 10_000)
    month, day = np.divmod(month_day, 100)
    hour, minute, second = clock // 10_000, clock // 100 % 100, clock % 100
    valid &= (year >= FIRST_YEAR) & (year <= LAST_YEAR)
    valid &= (month >= 1) & (month <= 12) & (day >= 1) & (hour < 24) & (minute < 60) & (second < 60)
    first = (np.where(valid, (year - 1970) * 12 + month - 1, 0)).astype("datetime64[M]")
    start = first.astype("datetime64[D]").astype(np.int64)
    valid &= day <= (first + 1).astype("datetime64[D]").astype(np.int64) - start
    seconds = (start + day - 1) * _DAY + hour * 3600 + minute * 60 + second
    return np.where(valid, seconds, NO_TIME)


def business_days(at: Numbers, cut_off: time) -> Numbers:
    """Days since 1970 as ``Calendar.business_day`` counts them."""
    return np.floor_divide(at - (cut_off.hour * 3600 + cut_off.minute * 60 + cut_off.second), _DAY)


def first_second(moment: datetime) -> int:
    """The first whole local second that is not before ``moment``."""
    utc = moment.astimezone(UTC)
    return int(utc.timestamp() // 1) + (utc.microsecond > 0) + _OFFSET


def datetime_of(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds - _OFFSET, BUSINESS_ZONE)


def _decimal(bcd: Numbers) -> tuple[Numbers, Flags]:
    """The number that 14 half-bytes spell, and whether each is a digit."""
    number, valid = np.zeros(len(bcd), dtype=np.int64), np.ones(len(bcd), dtype=np.bool_)
    for place in range(13, -1, -1):
        digit = (bcd >> (4 * place)) & 0x0F
        valid &= digit <= 9
        number = number * 10 + digit
    return number, valid
