"""Date and time of records as numbers: the same moments as ``verification.context.moment``."""

from __future__ import annotations

from datetime import UTC, datetime, time

from clearing.day import kernel
from rulebook.calendar import BUSINESS_ZONE

_OFFSET = int(BUSINESS_ZONE.utcoffset(None).total_seconds())


def local_second(stamp: bytes) -> int:
    """Of YYYYMMDDhhmmss in BCD, seconds since 1970 by the local clock; ``NO_TIME`` where it is no time."""
    return kernel.local_second(int.from_bytes(stamp))


def second_of_day(clock: time) -> int:
    return clock.hour * 3600 + clock.minute * 60 + clock.second


def first_second(moment: datetime) -> int:
    """The first whole local second that is not before ``moment``."""
    utc = moment.astimezone(UTC)
    return int(utc.timestamp() // 1) + (utc.microsecond > 0) + _OFFSET


def datetime_of(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds - _OFFSET, BUSINESS_ZONE)
