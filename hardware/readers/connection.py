"""What a reader with a card in it looks like to everybody else."""

from __future__ import annotations

from typing import Protocol


class Connection(Protocol):
    """A card in a reader, or a SAM in its slot."""

    @property
    def atr(self) -> bytes:
        """Answer to reset (ISO/IEC 7816-3 §8), as last received."""

    def transmit(self, command: bytes) -> bytes:
        """One command APDU to the card, its answer with status word back. Raises ``card_os.wire.dialogue.CardGone``."""

    def reset(self) -> bytes:
        """Power the card down and up; the new ATR. Raises ``CardGone`` where no card is there."""
