"""What the card carries from earlier rides: the paid total of the month.

Five bytes of file 1A record 1, offset 115 (docs/doors.md; layout ours): year-month BCD 2 (YYMM) ‖ fen paid, 3 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from rulebook.calendar import BUSINESS_ZONE
from rulebook.money import ZERO, Amount

LENGTH = 5
_LARGEST = 0xFFFFFF


class HistoryUnreadable(ValueError):
    """The five bytes are no month and total."""


@dataclass(frozen=True, slots=True)
class History:
    """``paid`` is what the card has paid in ``month`` (the first day of it) on lines that count towards month tiers."""

    month: date
    paid: Amount = ZERO

    @classmethod
    def none(cls, at: datetime) -> History:
        """Nothing paid yet in the month of ``at``."""
        return cls(_month_of(at))

    @classmethod
    def from_transfer_data(cls, raw: bytes, *, at: datetime) -> History:
        """As the card carries it; an unwritten card (all zero) has paid nothing. Raises ``HistoryUnreadable``."""
        if len(raw) != LENGTH:
            raise HistoryUnreadable(f"transfer data has {len(raw)} bytes; it must have {LENGTH}")
        if not any(raw):
            return cls.none(at)
        try:
            month = date(2000 + int(raw[:1].hex()), int(raw[1:2].hex()), 1)
        except ValueError as error:
            raise HistoryUnreadable(f"year-month {raw[:2].hex()} of the transfer data is no BCD YYMM") from error
        return cls(month, Amount(int.from_bytes(raw[2:], "big")))

    def paid_before(self, at: datetime) -> Amount:
        """The total that chooses the tier for a ride charged at ``at``: totals end with their month."""
        return self.paid if self.month == _month_of(at) else ZERO

    def after(self, counted: Amount, *, at: datetime) -> History:
        """With ``counted`` more, charged at ``at``."""
        return History(_month_of(at), self.paid_before(at) + counted)

    def transfer_data(self) -> bytes:
        """Five bytes for the card. A total too large for them stays at the largest value (every tier is below it)."""
        month = bytes.fromhex(f"{self.month:%y%m}")
        return month + min(self.paid.minor, _LARGEST).to_bytes(3, "big")


def _month_of(at: datetime) -> date:
    return at.astimezone(BUSINESS_ZONE).date().replace(day=1)
