"""BER-TLV data objects (ISO/IEC 7816-4:2013 §5.2.2; ISO/IEC 8825-1).

Tags of one to three bytes and definite lengths up to 65535. Primitive values are bytes; constructed ones are parsed by
calling ``parse`` on the value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


class MalformedTlv(ValueError):
    """The bytes are no sequence of BER-TLV data objects."""


@dataclass(frozen=True, slots=True)
class Tlv:
    """One data object; ``tag`` as the number its bytes spell, e.g. 0x9F0C."""

    tag: int
    value: bytes

    def __post_init__(self) -> None:
        if self.tag <= 0 or _tag_length(self.tag_bytes) != len(self.tag_bytes):
            raise ValueError(f"tag {self.tag:X} is no BER tag of one to three bytes")
        if len(self.value) > 0xFFFF:
            raise ValueError(f"value has {len(self.value)} bytes; at most 65535")

    @property
    def tag_bytes(self) -> bytes:
        return self.tag.to_bytes((self.tag.bit_length() + 7) // 8, "big")

    @property
    def is_constructed(self) -> bool:
        return bool(self.tag_bytes[0] & 0x20)

    def encode(self) -> bytes:
        """Tag, shortest length form, value."""
        return self.tag_bytes + encode_length(len(self.value)) + self.value


def encode_length(length: int) -> bytes:
    """The shortest definite form: one byte to 127, 81xx to 255, 82xxxx to 65535."""
    if length < 0x80:
        return bytes((length,))
    if length <= 0xFF:
        return bytes((0x81, length))
    return b"\x82" + length.to_bytes(2, "big")


def encode_all(objects: Iterable[Tlv]) -> bytes:
    return b"".join(item.encode() for item in objects)


def parse(raw: bytes) -> tuple[Tlv, ...]:
    """Every data object of ``raw``; 00 bytes between them are skipped (§5.2.2.1). Raises ``MalformedTlv``."""
    return tuple(_objects(raw))


def find(raw: bytes, *path: int) -> bytes | None:
    """The value at ``path`` (outermost tag first), or None where it is absent. Raises ``MalformedTlv``."""
    value = raw
    for tag in path:
        match = next((item for item in _objects(value) if item.tag == tag), None)
        if match is None:
            return None
        value = match.value
    return value


def _objects(raw: bytes) -> Iterator[Tlv]:
    at = 0
    while at < len(raw):
        if raw[at] == 0:
            at += 1
            continue
        tag_end = at + _tag_length(raw[at : at + 4])
        length, start = _length(raw, tag_end)
        if start + length > len(raw):
            raise MalformedTlv(f"value of tag {raw[at:tag_end].hex().upper()} ends after the data")
        yield Tlv(int.from_bytes(raw[at:tag_end], "big"), raw[start : start + length])
        at = start + length


def _tag_length(raw: bytes) -> int:
    if raw[0] & 0x1F != 0x1F:
        return 1
    for position, byte in enumerate(raw[1:3], start=2):
        if not byte & 0x80:
            return position
    raise MalformedTlv(f"tag {raw[:3].hex().upper()} has no end within three bytes")


def _length(raw: bytes, at: int) -> tuple[int, int]:
    if at >= len(raw):
        raise MalformedTlv("length missing")
    first = raw[at]
    if first < 0x80:
        return first, at + 1
    size = first & 0x7F
    if size not in (1, 2) or at + 1 + size > len(raw):
        raise MalformedTlv(f"length {raw[at : at + 3].hex().upper()} is not a definite form up to two bytes")
    return int.from_bytes(raw[at + 1 : at + 1 + size], "big"), at + 1 + size
