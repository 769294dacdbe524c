"""A statement has one text; every bit of it, and of its signature, counts."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from rulebook.messages.devices import ParameterKey
from rulebook.parameters import (
    ListPart,
    MalformedStatement,
    ParameterStatement,
    TariffPart,
    assembled,
    canonical_json,
    read_statement,
    seal_statement,
    signature_and_signed,
)
from rulebook.parameters.deny_changes import DenyChanges

KEY = Ed25519PrivateKey.from_private_bytes(b"TEST-PARAMETER-KEY-0000000000001")
NOON = datetime(2026, 9, 15, 4, tzinfo=UTC)
LATER = NOON + timedelta(days=1)


def statement(**changes: Any) -> ParameterStatement:
    said = ParameterStatement(
        device="BUS-A-0012",
        key=1,
        next_key=None,
        issued_at=NOON,
        valid_until=LATER,
        tariff=TariffPart(version=1, sha256=bytes(32), effective_from=None),
        next_tariff=TariffPart(version=2, sha256=bytes([2]) * 32, effective_from=LATER),
        deny_list=ListPart(version=7, sha256=bytes([7]) * 32),
    )
    return said.model_copy(update=changes)


DOCUMENT = seal_statement(statement(), KEY.sign)


def verify(document: bytes) -> None:
    signature, signed = signature_and_signed(document)
    KEY.public_key().verify(signature, signed)


def test_what_was_sealed_is_read_back() -> None:
    verify(DOCUMENT)
    assert read_statement(DOCUMENT) == statement()
    assert seal_statement(statement(), KEY.sign) == DOCUMENT


@given(st.integers(0, 8 * len(DOCUMENT) - 1))
def test_any_flipped_bit_is_no_longer_signed(bit: int) -> None:
    changed = bytearray(DOCUMENT)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InvalidSignature):
        verify(bytes(changed))


def test_a_signature_of_the_same_text_for_another_purpose_is_none() -> None:
    body = DOCUMENT[64:]
    with pytest.raises(InvalidSignature):
        verify(KEY.sign(body) + body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"no json",
        json.dumps({**json.loads(DOCUMENT[64:]), "form": 2}).encode(),
        json.dumps({**json.loads(DOCUMENT[64:]), "more": 1}).encode(),
        json.dumps({**json.loads(DOCUMENT[64:]), "issued_at": "2026-09-15T12:00:00"}).encode(),
        json.dumps({**json.loads(DOCUMENT[64:]), "next_key": {"number": 3, "public": "00" * 32}}).encode(),
        json.dumps({**json.loads(DOCUMENT[64:]), "next_tariff": json.loads(DOCUMENT[64:])["tariff"]}).encode(),
    ],
    ids=[
        "empty",
        "no field",
        "no json",
        "form 2",
        "more",
        "no zone",
        "a key left out",
        "a next tariff without a moment",
    ],
)
def test_what_is_no_statement_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedStatement):
        read_statement(bytes(64) + body)


@pytest.mark.parametrize(
    ("moment", "version"),
    [(NOON, 1), (LATER - timedelta(microseconds=1), 1), (LATER, 2), (LATER + timedelta(days=400), 2)],
)
def test_the_next_tariff_is_in_force_from_its_moment_on(moment: datetime, version: int) -> None:
    assert statement().tariff_at(moment).version == version


def test_a_trusted_key_is_the_newest_that_is_named() -> None:
    assert statement().newest_key == 1
    assert statement(next_key=ParameterKey(number=2, public=bytes(32))).newest_key == 2


def test_equal_documents_have_one_text() -> None:
    assert canonical_json({"b": "票", "a": 1}) == canonical_json({"a": 1, "b": "票"}) == '{"a":1,"b":"票"}'.encode()


def test_a_list_of_another_version_is_not_taken_for_the_named_one() -> None:
    tariff, listed = canonical_json({}), DenyChanges(0, 6, ()).encode()
    parts = {hashlib.sha256(part).digest(): part for part in (tariff, listed)}
    named = statement(
        tariff=TariffPart(version=1, sha256=hashlib.sha256(tariff).digest(), effective_from=None),
        deny_list=ListPart(version=7, sha256=hashlib.sha256(listed).digest()),
    )
    with pytest.raises(ValueError, match="deny list 6 stands where 7 is named"):
        assembled(named, parts, NOON)
