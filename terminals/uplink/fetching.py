"""Bringing together the parts that a statement names: what is there already is not fetched again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from rulebook.parameters import DenyChanges, ListPart, MalformedChanges, ParameterStatement, TariffPart
from terminals.uplink.trust import ParametersRefused, Refusal
from terminals.uplink.uplink import Uplink


def fetched(
    statement: ParameterStatement,
    there: Mapping[bytes, bytes],
    source: Uplink | Mapping[bytes, bytes],
    had: ListPart | None,
) -> dict[bytes, bytes]:
    """Every part of ``statement`` by its SHA-256, out of what is ``there`` and ``source``. ``had`` names the deny list among
    ``there``. Raises ``ParametersRefused`` and what ``source`` raises."""
    if not isinstance(source, Uplink):
        return _brought(statement, {**there, **source}, frozenset(source))
    parts = {sha256: there[sha256] for sha256 in statement.parts() & there.keys()}
    for tariff in (statement.tariff, statement.next_tariff):
        if tariff is not None and tariff.sha256 not in parts:
            parts[tariff.sha256] = _tariff(tariff, source)
    if statement.deny_list.sha256 not in parts:
        parts[statement.deny_list.sha256] = _deny_list(statement.deny_list, there, source, had)
    return parts


def _brought(
    statement: ParameterStatement, there: Mapping[bytes, bytes], brought: frozenset[bytes]
) -> dict[bytes, bytes]:
    named = statement.parts()
    if stray := brought - named:
        raise ParametersRefused(Refusal.PART_WRONG, f"{len(stray)} of the parts are named by no part of the statement")
    if missing := named - there.keys():
        raise ParametersRefused(Refusal.PART_WRONG, f"{len(missing)} parts that the statement names are missing")
    return {sha256: there[sha256] for sha256 in named}


def _tariff(part: TariffPart, uplink: Uplink) -> bytes:
    document = uplink.tariff(part.version)
    if hashlib.sha256(document).digest() != part.sha256:
        raise ParametersRefused(Refusal.PART_WRONG, f"tariff {part.version} is not what the statement names")
    return document


def _deny_list(part: ListPart, there: Mapping[bytes, bytes], uplink: Uplink, had: ListPart | None) -> bytes:
    """By the changes since the list the device has; whole where it has none, or where they do not lead there."""
    if had is not None and had.sha256 in there:
        with_changes = _advanced(there[had.sha256], uplink.deny_changes(had.version, part.version))
        if hashlib.sha256(with_changes).digest() == part.sha256:
            return with_changes
    whole = uplink.deny_changes(0, part.version)
    if hashlib.sha256(whole).digest() != part.sha256:
        raise ParametersRefused(Refusal.PART_WRONG, f"deny list {part.version} is not what the statement names")
    return whole


def _advanced(whole: bytes, changes: bytes) -> bytes:
    try:
        return DenyChanges.decode(whole).applied(DenyChanges.decode(changes)).encode()
    except MalformedChanges:
        return b""
