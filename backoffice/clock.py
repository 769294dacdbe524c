"""Where a request's time comes from. Rules and services get it as an argument; only the edge reads this."""

from __future__ import annotations

from datetime import UTC, datetime

HEADER = "Citycard-Time"


class Clock:
    """The machine's time, or in a simulation the city's: the time its last request carried, and ``start``
    before the first."""

    def __init__(self, *, simulated: bool, start: datetime | None = None) -> None:
        self._simulated = simulated
        self._city = start if simulated else None

    def advance(self, header: str | None) -> None:
        """Take the city's time (ISO 8601 with offset) from a request. Ignored outside a simulation; never goes back."""
        if not self._simulated or header is None:
            return
        moment = datetime.fromisoformat(header)
        if moment.tzinfo is None:
            raise ValueError(f"{HEADER} is {header}; it needs a UTC offset")
        self._city = max(moment, self._city or moment)

    def now(self) -> datetime:
        """Aware, UTC in a real city; in a simulation as the city said it."""
        return self._city or datetime.now(UTC)
