"""The signed statement, form 1 (ours): Ed25519 signature, 64 bytes ‖ canonical JSON of a ``ParameterStatement``.

The signature covers ``DOMAIN`` and every byte after the signature, so that nothing else signed by the same key can be taken
for a statement. A document is for one device and names its parts by SHA-256: a part may come from anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, model_validator

from rulebook.messages.base import Hex, Message
from rulebook.messages.devices import ParameterKey

DOMAIN = b"citycard parameters 1\n"
SIGNATURE_LENGTH = 64
Digest = Annotated[Hex, Field(min_length=32, max_length=32)]


class MalformedStatement(ValueError):
    """The bytes are no signed statement."""


class TariffPart(Message):
    """``sha256`` of the tariff document's ``canonical_json``. ``effective_from`` is None of the tariff a city began with."""

    version: int
    sha256: Digest
    effective_from: AwareDatetime | None


class ListPart(Message):
    """``sha256`` of the whole deny list at ``version`` (``DenyChanges.encode`` after 0)."""

    version: int
    sha256: Digest


class ParameterStatement(Message):
    """``issued_at`` is clearing's own time when it answered: the device takes its clock's drift from it, and refuses
    what was issued before the statement it has. ``key`` is the number of the key that signed, ``next_key`` the one that
    will sign later. ``next_tariff`` is in force from its moment on, whether the device hears again before or not."""

    form: Literal[1] = 1
    device: str
    key: int
    next_key: ParameterKey | None
    issued_at: AwareDatetime
    valid_until: AwareDatetime
    tariff: TariffPart
    next_tariff: TariffPart | None
    deny_list: ListPart

    @model_validator(mode="after")
    def _follows_on(self) -> ParameterStatement:
        if self.next_key is not None and self.next_key.number != self.key + 1:
            raise ValueError(f"next_key is {self.next_key.number}; after {self.key} comes {self.key + 1}")
        if self.next_tariff is not None and self.next_tariff.effective_from is None:
            raise ValueError("next_tariff.effective_from is missing")
        return self

    @property
    def newest_key(self) -> int:
        """The number of the newest key that a device trusts by this statement."""
        return self.key if self.next_key is None else self.next_key.number

    def tariff_at(self, moment: datetime) -> TariffPart:
        """The tariff in force at ``moment``, as far as this statement knows."""
        coming = self.next_tariff
        if coming is not None and coming.effective_from is not None and moment >= coming.effective_from:
            return coming
        return self.tariff

    def parts(self) -> frozenset[bytes]:
        """The hashes of everything it names."""
        coming = [self.next_tariff.sha256] if self.next_tariff else []
        return frozenset([self.tariff.sha256, self.deny_list.sha256, *coming])


def canonical_json(document: Mapping[str, Any]) -> bytes:
    """One text for one document: keys sorted, no spaces, UTF-8."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def seal_statement(statement: ParameterStatement, sign: Callable[[bytes], bytes]) -> bytes:
    """``sign`` answers the 64 bytes of Ed25519 (RFC 8032) over its argument."""
    body = canonical_json(statement.model_dump(mode="json"))
    return sign(DOMAIN + body) + body


def signature_and_signed(document: bytes) -> tuple[bytes, bytes]:
    """The signature, and the bytes it has to be over. Raises ``MalformedStatement``."""
    if len(document) <= SIGNATURE_LENGTH:
        raise MalformedStatement(f"{len(document)} bytes; a signed statement has more than {SIGNATURE_LENGTH}")
    return document[:SIGNATURE_LENGTH], DOMAIN + document[SIGNATURE_LENGTH:]


def read_statement(document: bytes) -> ParameterStatement:
    """What the document says, its signature not looked at. Raises ``MalformedStatement``."""
    _, signed = signature_and_signed(document)
    try:
        return ParameterStatement.model_validate_json(signed[len(DOMAIN) :])
    except ValueError as error:
        raise MalformedStatement(f"no statement of form 1: {error}") from error
