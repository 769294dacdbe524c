"""Refusals of an enrolment come in the order of their enum."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from clearing.devices.rules import (
    EXPLANATIONS,
    DeviceState,
    EnrolmentRefusal,
    Invited,
    code_hash,
    is_signed,
    judge_enrolment,
)
from rulebook.messages.devices import DeviceEnrolment
from rulebook.messages.facts import SamFact, SamState

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
SAM, TERMINAL = bytes(9) + b"\x01", bytes.fromhex("991000000001")
INVITED = Invited("BUS-1", "bus-a", DeviceState.INVITED, code_hash("BUS-1", "code"), None, None, None)
FACT = SamFact(
    sam_serial=SAM,
    terminal_number=TERMINAL,
    issuer=bytes(8),
    key_version=1,
    device="BUS-1",
    operator="bus-a",
    state=SamState.BOUND,
)


def _enrolment(**changes: Any) -> DeviceEnrolment:
    draft = DeviceEnrolment(
        device="BUS-1", code="code", public_key=PUBLIC, sam_serial=SAM, terminal_number=TERMINAL, signature=b""
    ).model_copy(update=changes)
    return draft.model_copy(update={"signature": KEY.sign(draft.signed_bytes())})


ENROLLED = replace(INVITED, state=DeviceState.ENROLLED, public_key=PUBLIC, sam_serial=SAM, terminal_number=TERMINAL)


def _sam(**changes: Any) -> SamFact:
    return FACT.model_copy(update=changes)


@pytest.mark.parametrize(
    ("enrolment", "invited", "sam", "refusal"),
    [
        (_enrolment(), None, FACT, EnrolmentRefusal.DEVICE_NOT_INVITED),
        (_enrolment(code="other"), INVITED, FACT, EnrolmentRefusal.CODE_WRONG),
        (_enrolment().model_copy(update={"signature": bytes(64)}), INVITED, FACT, EnrolmentRefusal.SIGNATURE_WRONG),
        (_enrolment().model_copy(update={"public_key": b"short"}), INVITED, FACT, EnrolmentRefusal.SIGNATURE_WRONG),
        (_enrolment(), replace(ENROLLED, state=DeviceState.LOST), FACT, EnrolmentRefusal.DEVICE_LOST),
        (
            _enrolment(),
            replace(ENROLLED, public_key=bytes(32)),
            FACT,
            EnrolmentRefusal.ENROLLED_WITH_OTHER_CONTENT,
        ),
        (_enrolment(), INVITED, None, EnrolmentRefusal.SAM_UNKNOWN),
        (_enrolment(), INVITED, _sam(device="BUS-2"), EnrolmentRefusal.SAM_NOT_OF_DEVICE),
        (_enrolment(), INVITED, _sam(operator="bus-b"), EnrolmentRefusal.SAM_NOT_OF_DEVICE),
        (_enrolment(), INVITED, _sam(terminal_number=bytes(6)), EnrolmentRefusal.SAM_NOT_OF_DEVICE),
        (_enrolment(), INVITED, _sam(state=SamState.LOST), EnrolmentRefusal.SAM_NOT_OF_DEVICE),
        (_enrolment(), INVITED, FACT, None),
        (_enrolment(), ENROLLED, FACT, None),
    ],
)
def test_the_first_broken_rule_is_the_answer(
    enrolment: DeviceEnrolment, invited: Invited | None, sam: SamFact | None, refusal: EnrolmentRefusal | None
) -> None:
    assert judge_enrolment(enrolment, invited, sam) is refusal


def test_every_refusal_says_the_way_out() -> None:
    assert set(EXPLANATIONS) == set(EnrolmentRefusal)


def test_a_code_is_of_one_device_only() -> None:
    assert code_hash("BUS-1", "code") != code_hash("BUS-2", "code")


def test_a_signature_covers_every_byte() -> None:
    signature = KEY.sign(b"message")
    assert is_signed(PUBLIC, signature, b"message")
    assert not is_signed(PUBLIC, signature, b"Message")
