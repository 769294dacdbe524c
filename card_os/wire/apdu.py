"""Command and response APDUs (ISO/IEC 7816-4:2013 §5.1, §5.2).

All numbers on the wire are big-endian. A command is parsed once, at the border; what is no APDU raises ``MalformedApdu``.
"""

from __future__ import annotations

from dataclasses import dataclass

from card_os.wire.status import StatusWord

SHORT_MAXIMUM = 256
EXTENDED_MAXIMUM = 65536


class MalformedApdu(ValueError):
    """The bytes are no APDU of ISO/IEC 7816-4; the card answers 6700."""


@dataclass(frozen=True, slots=True)
class CommandApdu:
    """One command.

    ``data`` is the command data field (0 to 65535 bytes, Nc = its length). ``ne`` is the number of answer bytes wanted:
    None when no Le field is sent, 256 or 65536 for "as many as there are" (Le = 00 or 0000).
    """

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    ne: int | None = None

    def __post_init__(self) -> None:
        for name in ("cla", "ins", "p1", "p2"):
            if not 0 <= getattr(self, name) <= 0xFF:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be one byte, 0 to 255")
        if len(self.data) >= EXTENDED_MAXIMUM:
            raise ValueError(f"data has {len(self.data)} bytes; an APDU carries at most 65535")
        if self.ne is not None and not 1 <= self.ne <= EXTENDED_MAXIMUM:
            raise ValueError(f"ne is {self.ne}; it must be None or 1 to 65536")

    @property
    def header(self) -> bytes:
        """CLA INS P1 P2, four bytes."""
        return bytes((self.cla, self.ins, self.p1, self.p2))

    def encode(self) -> bytes:
        """The command as sent: short form where it fits, extended form otherwise."""
        extended = len(self.data) >= SHORT_MAXIMUM or (self.ne or 0) > SHORT_MAXIMUM
        if not extended:
            lc = bytes((len(self.data),)) + self.data if self.data else b""
            le = b"" if self.ne is None else bytes((self.ne % SHORT_MAXIMUM,))
            return self.header + lc + le
        lc = len(self.data).to_bytes(2, "big") + self.data if self.data else b""
        le = b"" if self.ne is None else (self.ne % EXTENDED_MAXIMUM).to_bytes(2, "big")
        return self.header + b"\x00" + lc + le

    @classmethod
    def parse(cls, raw: bytes) -> CommandApdu:
        """Read one of the seven cases of ISO/IEC 7816-4 §5.1. Raises ``MalformedApdu``."""
        if len(raw) < 4:
            raise MalformedApdu(f"{len(raw)} bytes; a command has at least CLA INS P1 P2")
        cla, ins, p1, p2 = raw[:4]
        data, ne = _parse_body(raw[4:])
        return cls(cla, ins, p1, p2, data, ne)


def _parse_body(body: bytes) -> tuple[bytes, int | None]:
    if not body:
        return b"", None
    if len(body) == 1:
        return b"", body[0] or SHORT_MAXIMUM
    if body[0]:
        end = 1 + body[0]
        if len(body) == end:
            return body[1:], None
        if len(body) == end + 1:
            return body[1:end], body[end] or SHORT_MAXIMUM
    elif len(body) == 3:
        return b"", int.from_bytes(body[1:], "big") or EXTENDED_MAXIMUM
    elif len(body) > 3 and (nc := int.from_bytes(body[1:3], "big")):
        end = 3 + nc
        if len(body) == end:
            return body[3:], None
        if len(body) == end + 2:
            return body[3:end], int.from_bytes(body[end:], "big") or EXTENDED_MAXIMUM
    raise MalformedApdu(f"length fields do not fit {len(body)} bytes after the header")


@dataclass(frozen=True, slots=True)
class ResponseApdu:
    """One answer: ``data`` (0 to 65536 bytes) and the status word."""

    data: bytes
    sw: StatusWord

    def encode(self) -> bytes:
        return self.data + self.sw.to_bytes()

    @classmethod
    def parse(cls, raw: bytes) -> ResponseApdu:
        """Raises ``MalformedApdu`` when there is no status word."""
        if len(raw) < 2:
            raise MalformedApdu(f"{len(raw)} bytes; an answer ends with a two-byte status word")
        return cls(raw[:-2], StatusWord(int.from_bytes(raw[-2:], "big")))
