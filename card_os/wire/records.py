"""BCD and padded text as card files carry them (standards.md §4, §5.2)."""

from __future__ import annotations


def to_bcd(digits: str, length: int, *, pad: str = "") -> bytes:
    """``digits`` in ``length`` bytes. With ``pad`` ("F") shorter numbers are filled on the right; without, they must fill it.

    Raises ``ValueError``.
    """
    fits = len(digits) <= 2 * length if pad else len(digits) == 2 * length
    if not fits or digits.strip("0123456789"):
        # Neither this nor the text below is shown: they may be a person's.
        raise ValueError(f"{len(digits)} characters given; {2 * length} decimal digits are needed")
    return bytes.fromhex(digits.ljust(2 * length, pad or "0"))


def from_bcd(raw: bytes, *, pad: str = "") -> str:
    """The digits of ``raw``, without the ``pad`` on the right. Foreign cards may hold hex letters: they stay visible."""
    digits = raw.hex().upper()
    return digits.rstrip(pad) if pad else digits


def to_text(text: str, length: int) -> bytes:
    """GB 18030 (ASCII within it), padded with 00 on the right."""
    raw = text.encode("gb18030")
    if len(raw) > length or "\x00" in text:
        raise ValueError(f"the text has {len(raw)} bytes in GB 18030, or U+0000; it must fit {length} bytes")
    return raw.ljust(length, b"\x00")


def from_text(raw: bytes) -> str:
    """The text before the padding; bytes that are no GB 18030 (foreign cards) show as U+FFFD."""
    return raw.rstrip(b"\x00\xff").decode("gb18030", errors="replace")
