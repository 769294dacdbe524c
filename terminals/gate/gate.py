"""Entry opens a trip with a purchase of amount 0, exit closes and pays it."""

from __future__ import annotations

from datetime import datetime

from hardware.readers.connection import Connection
from rulebook.record import Event
from terminals.dialogues.purchase import TapResult
from terminals.dialogues.purchase_point import PurchasePoint


class Gate(PurchasePoint):
    """A metro gate; ``terminal.place`` is the station code. The gate opens when ``TapResult.gate_open``."""

    def enter(self, card: Connection, now: datetime) -> TapResult:
        """A card is held to the outer reader. Never raises for what the card does."""
        return self.run(Event.ENTRY, card, now)

    def leave(self, card: Connection, now: datetime) -> TapResult:
        """A card is held to the inner reader."""
        return self.run(Event.EXIT, card, now)
