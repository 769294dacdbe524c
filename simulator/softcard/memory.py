"""Card memory in process, that can be cut at any byte of any write."""

from __future__ import annotations

from card_os.engine.memory import MEMORY_SIZE, PowerLost


class CardMemory:
    """Cells of one card. ``cut_after(n)`` lets n more bytes be written; then power is gone until ``restore_power``."""

    def __init__(self, content: bytes = bytes(MEMORY_SIZE)) -> None:
        self._cells = bytearray(content)
        self._remaining: int | None = None
        self._powered = True
        self._spoils = False

    @property
    def size(self) -> int:
        return len(self._cells)

    @property
    def content(self) -> bytes:
        """What is in the cells now: a card's state to keep, copy or compare."""
        return bytes(self._cells)

    def cut_after(self, byte_count: int, *, spoil: bool = False) -> None:
        """Power goes after ``byte_count`` further written bytes; 0 cuts before the next byte. With ``spoil`` the cell that
        was to be written next holds neither its old nor its new value."""
        self._remaining, self._spoils = byte_count, spoil

    def restore_power(self) -> None:
        self._remaining, self._powered = None, True

    def read(self, offset: int, length: int) -> bytes:
        """Raises ``PowerLost`` while power is gone."""
        if not self._powered:
            raise PowerLost("the card has no power")
        return bytes(self._cells[offset : offset + length])

    def write(self, offset: int, data: bytes) -> None:
        """Raises ``PowerLost`` with as many bytes written as ``cut_after`` allowed."""
        if not self._powered:
            raise PowerLost("the card has no power")
        if offset + len(data) > len(self._cells):
            raise ValueError(f"write of {len(data)} bytes at {offset} ends after the memory")
        allowed = len(data) if self._remaining is None else min(self._remaining, len(data))
        self._cells[offset : offset + allowed] = data[:allowed]
        if self._remaining is not None:
            self._remaining -= allowed
            if allowed < len(data):
                if self._spoils:
                    self._cells[offset + allowed] = _neither(self._cells[offset + allowed], data[allowed])
                self._powered = False
                raise PowerLost(f"cut after {allowed} of {len(data)} bytes at {offset}")


def _neither(old: int, new: int) -> int:
    return next(value for value in (0x5A, 0x00, 0xFF) if value not in (old, new))
