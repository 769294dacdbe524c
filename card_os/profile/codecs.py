"""File contents as values: one table of fields encodes and decodes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, unique
from typing import Any, Generic, TypeVar

from card_os.wire.records import from_bcd, from_text, to_bcd, to_text

T = TypeVar("T")


class MalformedFile(ValueError):
    """Bytes that are no content of this file, or a value that does not fit it; names the field."""


@unique
class Kind(Enum):
    """How a field's bytes are read."""

    RAW = "bytes as they are"
    NUMBER = "unsigned integer, big-endian"
    DIGITS = "BCD, exactly filled"
    DIGITS_F = "BCD, padded with F on the right"
    TEXT = "GB 18030, padded with 00 on the right"


@dataclass(frozen=True, slots=True)
class Field:
    """One field: the attribute it becomes, its bytes, its kind."""

    name: str
    length: int
    kind: Kind

    def encode(self, value: Any) -> bytes:
        try:
            raw = _ENCODERS[self.kind](value, self.length)
        except (ValueError, OverflowError, AttributeError, TypeError) as problem:
            raise MalformedFile(f"{self.name}: {problem}") from problem
        if len(raw) != self.length:
            raise MalformedFile(f"{self.name} has {len(raw)} bytes; it must have {self.length}")
        return raw

    def decode(self, raw: bytes) -> Any:
        return _DECODERS[self.kind](raw)


_ENCODERS = {
    Kind.RAW: lambda value, _length: bytes(value),
    Kind.NUMBER: lambda value, length: int(value).to_bytes(length, "big"),
    Kind.DIGITS: to_bcd,
    Kind.DIGITS_F: lambda value, length: to_bcd(value, length, pad="F"),
    Kind.TEXT: to_text,
}
_DECODERS: dict[Kind, Any] = {
    Kind.RAW: bytes,
    Kind.NUMBER: lambda raw: int.from_bytes(raw, "big"),
    Kind.DIGITS: from_bcd,
    Kind.DIGITS_F: lambda raw: from_bcd(raw, pad="F"),
    Kind.TEXT: from_text,
}


@dataclass(frozen=True, slots=True)
class Layout(Generic[T]):
    """Fields one after another, without gaps. ``record`` is the frozen dataclass they make."""

    record: type[T]
    fields: tuple[Field, ...]

    @property
    def length(self) -> int:
        return sum(field.length for field in self.fields)

    def span(self, name: str) -> slice:
        """Where a field's bytes stand. Raises ``KeyError``."""
        at = 0
        for field in self.fields:
            if field.name == name:
                return slice(at, at + field.length)
            at += field.length
        raise KeyError(name)

    def encode(self, value: T) -> bytes:
        """Raises ``MalformedFile`` naming the field that does not fit."""
        return b"".join(field.encode(getattr(value, field.name)) for field in self.fields)

    def decode(self, raw: bytes) -> T:
        """Raises ``MalformedFile`` where the length is wrong."""
        if len(raw) != self.length:
            raise MalformedFile(f"{self.record.__name__}: {len(raw)} bytes; it must have {self.length}")
        values, at = {}, 0
        for field in self.fields:
            values[field.name] = field.decode(raw[at : at + field.length])
            at += field.length
        return self.record(**values)


@dataclass(frozen=True, slots=True)
class TaggedField:
    """One record ``tag1 ‖ length1 ‖ value`` (standards.md §5.2)."""

    tag: int
    field: Field


@dataclass(frozen=True, slots=True)
class RecordSet(Generic[T]):
    """A linear file whose records are one tagged field each, in this order."""

    record: type[T]
    fields: tuple[TaggedField, ...]

    @property
    def size(self) -> int:
        """Room the file needs: each record with one byte of its length."""
        return sum(1 + 2 + item.field.length for item in self.fields)

    def encode(self, value: T) -> tuple[bytes, ...]:
        """The records, number 1 first. Raises ``MalformedFile``."""
        return tuple(
            bytes((item.tag, item.field.length)) + item.field.encode(getattr(value, item.field.name))
            for item in self.fields
        )

    def decode(self, records: Iterable[bytes]) -> T:
        """From records in any order; unknown tags are left out, as newer cards carry more. Raises ``MalformedFile``."""
        known = {item.tag: item.field for item in self.fields}
        values = {}
        for raw in records:
            if len(raw) < 2 or len(raw) != 2 + raw[1]:
                raise MalformedFile(f"{self.record.__name__}: record {raw[:1].hex()} is no tag ‖ length ‖ value")
            if (field := known.get(raw[0])) is not None:
                values[field.name] = field.decode(raw[2:])
        try:
            return self.record(**values)
        except TypeError as problem:
            raise MalformedFile(f"{self.record.__name__}: {problem}") from problem
