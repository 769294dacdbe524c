"""Statement and parts in one file, for a device without a network (form ours): ``CCP1`` ‖ for each piece its length, 4 bytes
big-endian ‖ the piece. The first piece is the signed statement; the others are the parts it names, in any order."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from rulebook.messages.devices import Parameters
from rulebook.parameters.deny_changes import DenyChanges
from rulebook.parameters.statement import ParameterStatement

MAGIC = b"CCP1"
_LENGTH = struct.Struct(">I")


class MalformedPackage(ValueError):
    """The bytes are no package of parameters."""


@dataclass(frozen=True, slots=True)
class Package:
    """``parts`` by their SHA-256."""

    document: bytes
    parts: Mapping[bytes, bytes]


def pack(document: bytes, parts: Iterable[bytes]) -> bytes:
    return MAGIC + b"".join(_LENGTH.pack(len(piece)) + piece for piece in (document, *parts))


def unpack(raw: bytes) -> Package:
    """Raises ``MalformedPackage``. The signature is not looked at."""
    if raw[: len(MAGIC)] != MAGIC:
        raise MalformedPackage(f"a package of parameters begins with {MAGIC.decode()}")
    document, *parts = list(_pieces(raw)) or [b""]
    return Package(document, {hashlib.sha256(part).digest(): part for part in parts})


def _pieces(raw: bytes) -> Iterator[bytes]:
    at = len(MAGIC)
    while at < len(raw):
        begin = at + _LENGTH.size
        if begin > len(raw):
            raise MalformedPackage(f"the length at byte {at} is cut off")
        at = begin + _LENGTH.unpack_from(raw, at)[0]
        if at > len(raw):
            raise MalformedPackage(f"the piece at byte {begin} is cut off: {at - len(raw)} bytes are missing")
        yield raw[begin:at]


def assembled(statement: ParameterStatement, parts: Mapping[bytes, bytes], at: datetime) -> Parameters:
    """What a device works by at ``at``; ``parts`` by their hashes. Raises ``KeyError`` for a part that is not there and
    ``ValueError`` for one that is not what it should be."""
    tariff = statement.tariff_at(at)
    deny_list = DenyChanges.decode(parts[statement.deny_list.sha256])
    if (deny_list.after, deny_list.version) != (0, statement.deny_list.version):
        raise ValueError(f"deny list {deny_list.version} stands where {statement.deny_list.version} is named")
    return Parameters(
        tariff_version=tariff.version,
        tariff=json.loads(parts[tariff.sha256], parse_float=Decimal),
        list_version=deny_list.version,
        deny_list=deny_list.entries(),
    )
