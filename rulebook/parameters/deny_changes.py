"""What changed on the deny list between two of its versions (form ours).

``CCD1`` ‖ after, version, count (8, 8, 4 bytes) ‖ for each card, in order of issuer and serial: issuer 8 ‖ serial 10 ‖
reported at, microseconds since 1970 UTC, 8 ‖ denied, 0 or 1. Big-endian. After 0 it is the whole list: who stands on it, and
nobody else.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from rulebook.messages.devices import DenyEntry

MAGIC = b"CCD1"
_HEADER = struct.Struct(">4sQQI")
_ROW = struct.Struct(">8s10sqB")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class MalformedChanges(ValueError):
    """The bytes are no changes of a deny list, or they do not follow on the list that is there."""


class DenyChange(NamedTuple):
    """How a card stands from now on. ``issuer`` 8 bytes, ``serial`` 10 (0x15[10..19])."""

    issuer: bytes
    serial: bytes
    reported_at: datetime
    denied: bool

    @property
    def card(self) -> tuple[bytes, bytes]:
        return self.issuer, self.serial


@dataclass(frozen=True, slots=True)
class DenyChanges:
    """``changes`` lead from version ``after`` to ``version``: one for each card, in order of issuer and serial."""

    after: int
    version: int
    changes: tuple[DenyChange, ...]

    @classmethod
    def between(cls, after: int, version: int, changes: Iterable[DenyChange]) -> DenyChanges:
        """``changes`` in the order in which they happened; of several of one card the last counts."""
        last = {change.card: change for change in changes}
        return cls(after, version, tuple(sorted(c for c in last.values() if c.denied or after)))

    def applied(self, later: DenyChanges) -> DenyChanges:
        """This whole list brought to ``later.version``. Raises ``MalformedChanges``."""
        if self.after != 0 or later.after not in (0, self.version):
            raise MalformedChanges(f"changes after {later.after} do not follow on the whole list of {self.version}")
        before = self.changes if later.after else ()
        return DenyChanges.between(0, later.version, (*before, *later.changes))

    def entries(self) -> tuple[DenyEntry, ...]:
        """Who is denied."""
        return tuple(DenyEntry(c.issuer, c.serial, c.reported_at) for c in self.changes if c.denied)

    def encode(self) -> bytes:
        rows = [_ROW.pack(c.issuer, c.serial, (c.reported_at - _EPOCH) // _MICROSECOND, c.denied) for c in self.changes]
        return _HEADER.pack(MAGIC, self.after, self.version, len(rows)) + b"".join(rows)

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.encode()).digest()

    @classmethod
    def decode(cls, raw: bytes) -> DenyChanges:
        """Raises ``MalformedChanges``."""
        if len(raw) < _HEADER.size or raw[:4] != MAGIC:
            raise MalformedChanges(f"{len(raw)} bytes that do not begin with {MAGIC.decode()} and a header")
        _, after, version, count = _HEADER.unpack_from(raw)
        if len(raw) != _HEADER.size + count * _ROW.size:
            raise MalformedChanges(f"{len(raw)} bytes are not a header and {count} changes")
        return cls(after, version, tuple(_changes(memoryview(raw)[_HEADER.size :])))


def framed(after: int, version: int, rows: bytes) -> bytes:
    """The form around ``rows``, which are as the form says and in its order. Raises ``MalformedChanges``."""
    count, rest = divmod(len(rows), _ROW.size)
    if rest:
        raise MalformedChanges(f"{len(rows)} bytes are no changes of {_ROW.size} bytes each")
    return _HEADER.pack(MAGIC, after, version, count) + rows


def _changes(rows: memoryview) -> Iterable[DenyChange]:
    for issuer, serial, reported, denied in _ROW.iter_unpack(rows):
        if denied > 1:
            raise MalformedChanges(f"denied is {denied}; it is 0 or 1")
        try:
            yield DenyChange(issuer, serial, _EPOCH + timedelta(microseconds=reported), bool(denied))
        except OverflowError as error:
            raise MalformedChanges(f"reported at {reported} microseconds is no moment") from error
