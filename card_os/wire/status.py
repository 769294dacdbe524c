"""Status words: ISO/IEC 7816-4:2013 §5.6 and the PBOC purse words 93xx/94xx (shared/card/standards.md §1.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class StatusWord:
    """Two bytes, SW1 SW2. A value and not an enum: 63Cx, 61xx and 6Cxx carry a number."""

    value: int

    OK: ClassVar[StatusWord]

    def __post_init__(self) -> None:
        if not 0 <= self.value <= 0xFFFF:
            raise ValueError(f"status word {self.value} is not two bytes")

    @property
    def retries_left(self) -> int | None:
        """The counter of 63Cx; 0 for 6983 (blocked); None where the word says nothing about tries."""
        if self.value & 0xFFF0 == 0x63C0:
            return self.value & 0xF
        return 0 if self.value == 0x6983 else None

    @property
    def bytes_available(self) -> int | None:
        """How many bytes GET RESPONSE will give (61xx, 00 means 256); None for other words."""
        return (self.value & 0xFF or 256) if self.value >> 8 == 0x61 else None

    @property
    def right_length(self) -> int | None:
        """The Le to repeat the command with (6Cxx, 00 means 256); None for other words."""
        return (self.value & 0xFF or 256) if self.value >> 8 == 0x6C else None

    @property
    def meaning(self) -> str:
        if self.value & 0xFFF0 == 0x63C0:
            return f"verification failed, {self.value & 0xF} tries left"
        return MEANINGS.get(self.value) or MEANINGS.get(self.value & 0xFF00, "status word without a meaning here")

    def to_bytes(self) -> bytes:
        return self.value.to_bytes(2, "big")

    def __str__(self) -> str:
        return f"{self.value:04X}"


StatusWord.OK = StatusWord(0x9000)

MEANINGS: dict[int, str] = {
    0x9000: "done",
    0x6100: "more bytes to fetch with GET RESPONSE",
    0x6281: "part of the data may be damaged",
    0x6282: "end of file before Le bytes",
    0x6283: "selected file invalidated",
    0x6284: "file control information not as expected",
    0x6300: "authentication failed",
    0x6400: "no change of memory",
    0x6581: "memory failure",
    0x6700: "wrong length",
    0x6882: "secure messaging not supported",
    0x6900: "command not allowed",
    0x6901: "command not accepted in this state",
    0x6981: "command does not fit the file's structure",
    0x6982: "security status not satisfied",
    0x6983: "authentication method blocked",
    0x6984: "no challenge, or it has been used",
    0x6985: "conditions of use not satisfied",
    0x6986: "no current elementary file",
    0x6987: "secure messaging MAC missing",
    0x6988: "secure messaging MAC wrong",
    0x6A80: "wrong data field",
    0x6A81: "function not supported, or card blocked",
    0x6A82: "file not found",
    0x6A83: "record not found",
    0x6A84: "not enough room",
    0x6A86: "wrong P1 or P2",
    0x6A89: "file or key already there",
    0x6A88: "referenced data not found",
    0x6B00: "offset outside the file",
    0x6C00: "wrong Le",
    0x6D00: "instruction unknown",
    0x6E00: "class not supported",
    0x6F00: "no precise diagnosis",
    0x9301: "amount not sufficient",
    0x9302: "transaction MAC wrong",
    0x9303: "application locked for good",
    0x9401: "balance not sufficient",
    0x9402: "transaction counter at its maximum",
    0x9403: "key index not supported",
    0x9406: "transaction prove not available",
    0x9407: "record set locked",
    0x9408: "grey lock pending",
}
