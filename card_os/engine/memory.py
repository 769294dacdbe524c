"""The card's non-volatile memory as a port."""

from __future__ import annotations

from typing import Protocol

from card_os.wire.dialogue import CardGone

MEMORY_SIZE = 16 * 1024


class PowerLost(CardGone):
    """Power went in the middle of a memory write: any leading part of the bytes may have been written."""


class Memory(Protocol):
    """Byte-addressed cells that keep their value without power. A write is NOT atomic: it may be cut after any byte."""

    @property
    def size(self) -> int:
        """Number of cells."""

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes."""

    def write(self, offset: int, data: bytes) -> None:
        """Raises ``PowerLost``."""
