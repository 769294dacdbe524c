"""One tap pays one ride."""

from __future__ import annotations

from datetime import datetime

from hardware.readers.connection import Connection
from rulebook.record import Event
from terminals.dialogues.purchase import TapResult
from terminals.dialogues.purchase_point import PurchasePoint


class Validator(PurchasePoint):
    """A bus validator; ``terminal.place`` is the vehicle."""

    def tap(self, card: Connection, now: datetime) -> TapResult:
        """A card is held to the reader. Never raises for what the card does."""
        return self.run(Event.RIDE, card, now)
