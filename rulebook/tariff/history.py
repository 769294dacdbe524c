"""What the card carries from earlier rides: the paid total of the month.

On the card it is the transfer data of file 1A record 1, bytes 115..119: year-month BCD 2 (YYMM) ‖ fen paid, 3 bytes
(docs/doors.md; layout ours). The card's profile reads the bytes; here they are four digits and a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from rulebook.calendar import BUSINESS_ZONE
from rulebook.money import ZERO, Amount

UNWRITTEN = "0000"
_LARGEST = 0xFFFFFF


class HistoryUnreadable(ValueError):
    """The card's month and total make no sense."""


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
    def from_card(cls, month: str, paid_minor: int, *, at: datetime) -> History:
        """``month`` is YYMM, "0000" on a card that has paid nothing yet. Raises ``HistoryUnreadable``."""
        if month == UNWRITTEN:
            return cls.none(at)
        try:
            return cls(date(2000 + int(month[:2]), int(month[2:]), 1), Amount(paid_minor))
        except ValueError as error:
            raise HistoryUnreadable(f"year-month {month!r} on the card is no YYMM") from error

    def paid_before(self, at: datetime) -> Amount:
        """The total that chooses the tier for a ride charged at ``at``: totals end with their month."""
        return self.paid if self.month == _month_of(at) else ZERO

    def after(self, counted: Amount, *, at: datetime) -> History:
        """With ``counted`` more, charged at ``at``."""
        return History(_month_of(at), self.paid_before(at) + counted)

    @property
    def card_month(self) -> str:
        """YYMM for the card."""
        return f"{self.month:%y%m}"

    @property
    def card_paid_minor(self) -> int:
        """Fen for the card's three bytes. A total too large for them stays at the largest value; all tiers lie below."""
        return min(self.paid.minor, _LARGEST)


def _month_of(at: datetime) -> date:
    return at.astimezone(BUSINESS_ZONE).date().replace(day=1)
