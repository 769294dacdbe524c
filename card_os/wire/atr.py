"""The answer to reset (ISO/IEC 7816-3:2006 §8.2) as far as this system needs it: its historical bytes."""

from __future__ import annotations

CHIP_SERIAL_LENGTH = 8


class MalformedAtr(ValueError):
    """The bytes are no answer to reset, or hold no chip serial."""


def historical_bytes(atr: bytes) -> bytes:
    """What stands between the interface bytes and TCK: 0 to 15 bytes."""
    if len(atr) < 2 or atr[0] not in (0x3B, 0x3F):
        raise MalformedAtr(f"{atr.hex().upper() or 'nothing'} does not begin like an ATR (3B or 3F)")
    count, indicator, position = atr[1] & 0x0F, atr[1] >> 4, 2
    while indicator:
        interface_bytes = indicator.bit_count()
        continues = indicator & 0x8  # TDi is the last of its group
        position += interface_bytes
        if position > len(atr):
            raise MalformedAtr(f"{atr.hex().upper()} ends inside its interface bytes")
        indicator = atr[position - 1] >> 4 if continues else 0
    if position + count > len(atr):
        raise MalformedAtr(f"{atr.hex().upper()} promises {count} historical bytes and ends before them")
    return atr[position : position + count]


def chip_serial(atr: bytes) -> bytes:
    """The last 8 historical bytes (standards.md §5.5: the card factor). Raises ``MalformedAtr`` where there are fewer."""
    found = historical_bytes(atr)
    if len(found) < CHIP_SERIAL_LENGTH:
        raise MalformedAtr(f"{len(found)} historical bytes; a chip serial has {CHIP_SERIAL_LENGTH}")
    return found[-CHIP_SERIAL_LENGTH:]
