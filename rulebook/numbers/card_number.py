"""Serials of cards and SAMs. A T-Union application serial (file 15, bytes 10..19) is 20 BCD digits with a leading zero;
without it, it is the 19-digit PAN that begins 310 (standards.md §4.2, §7). No source puts a Luhn digit in it."""

from __future__ import annotations

SERIAL_LENGTH = 10
# Ours (docs/doors.md): the demonstration's issuer 0199 has no registered PAN range.
DEMONSTRATION_PREFIX = "03109910"
TERMINAL_PREFIX = "9910"
_SEQUENCE_DIGITS = 12


def application_serial(sequence: int, prefix: str = DEMONSTRATION_PREFIX) -> bytes:
    """``prefix`` and twelve digits as 10 BCD bytes."""
    return bytes.fromhex(prefix + _digits(sequence, _SEQUENCE_DIGITS))


def sam_serial(sequence: int) -> bytes:
    """10 BCD bytes: ``9910``, zeroes, the number. The form is ours."""
    return bytes.fromhex(TERMINAL_PREFIX + _digits(sequence, 16))


def terminal_number(sequence: int) -> bytes:
    """A PSAM's terminal number, 6 BCD bytes: ``9910`` and eight digits."""
    return bytes.fromhex(TERMINAL_PREFIX + _digits(sequence, 8))


def pan(serial: bytes) -> str:
    """The 19 digits printed on the card. Raises ``ValueError`` where ``serial`` is no T-Union serial."""
    digits = serial.hex()
    if len(serial) != SERIAL_LENGTH or not digits.isdigit() or not digits.startswith("0310"):
        raise ValueError(f"serial {digits} is not 20 BCD digits beginning 0310")
    return digits[1:]


def masked_pan(serial: bytes) -> str:
    """For screens: the range and the last four digits."""
    digits = pan(serial)
    return f"{digits[:6]}…{digits[-4:]}"


def _digits(sequence: int, count: int) -> str:
    if not 0 <= sequence < 10**count:
        raise ValueError(f"sequence is {sequence}; {count} digits hold 0 to {10**count - 1}")
    return f"{sequence:0{count}d}"
