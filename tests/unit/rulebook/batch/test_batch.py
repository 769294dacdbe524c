import struct
import tracemalloc
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from rulebook.batch import MalformedBatch, seal, unseal
from rulebook.batch.batch import SIGNATURE_LENGTH
from rulebook.record import Event, Kind, Outcome, Record
from rulebook.record.record import RECORD_LENGTH

KEY = Ed25519PrivateKey.from_private_bytes(b"TEST-DEVICE-KEY-FOR-BATCH-TESTS!")
HEADER_LENGTH = 42
INTENT = Record(
    kind=Kind.INTENT,
    event=Event.RIDE,
    device="BUS-A-0012",
    journal_sequence=7,
    issuer=bytes(8),
    serial=bytes(10),
    key_version=1,
    algorithm=0,
    transaction_type=9,
    amount_minor=100,
    balance_before_minor=5000,
    card_sequence=3,
    sam_terminal=bytes(6),
    date=bytes(4),
    time=bytes(3),
)
OUTCOME = replace(INTENT, kind=Kind.OUTCOME, outcome=Outcome.DONE, journal_sequence=8, refers_to=7)
REFUSED = replace(OUTCOME, outcome=Outcome.REFUSED, journal_sequence=9)


def sealed(*records: Record) -> bytes:
    return seal("BUS-A-0012", 5, records, KEY.sign)


def with_record(raw: bytes, row: int, record: Record) -> bytes:
    start = HEADER_LENGTH + row * RECORD_LENGTH
    return raw[:start] + record.encode() + raw[start + RECORD_LENGTH :]


def test_a_batch_reads_back_with_its_control_totals_and_its_signature_holds() -> None:
    raw = sealed(INTENT, OUTCOME, REFUSED)
    batch = unseal(raw)
    assert batch.records == (INTENT, OUTCOME, REFUSED)
    assert (batch.header.number, batch.header.first_sequence, batch.header.last_sequence) == (5, 7, 9)
    assert (batch.header.count, batch.header.amount_sum_minor) == (3, 100)
    KEY.public_key().verify(batch.signature, batch.signed)


def test_sealing_again_gives_the_same_bytes() -> None:
    assert sealed(INTENT, OUTCOME) == sealed(INTENT, OUTCOME)


def test_an_empty_batch_is_not_formed() -> None:
    with pytest.raises(ValueError, match="at least one record"):
        sealed()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda raw: with_record(raw, 1, replace(OUTCOME, device="BUS-B-0001")), "record 2: device is BUS-B-0001"),
        (lambda raw: with_record(raw, 1, replace(OUTCOME, journal_sequence=10)), "not journal sequences 7 to 8"),
        (lambda raw: with_record(raw, 1, replace(OUTCOME, amount_minor=200)), "the records add up to 200"),
        (lambda raw: raw[:HEADER_LENGTH] + b"\x09" + raw[HEADER_LENGTH + 1 :], "record 1: version is 9"),
        (lambda raw: raw[:-1], "bytes follow"),
        (lambda raw: b"XXXX" + raw[4:], "no batch of version 1"),
        (lambda raw: raw[:4] + b"\xff" + raw[5:], "device is not ASCII"),
        (lambda raw: b"", "0 bytes"),
    ],
    ids=["other device", "gap inside", "sum", "record version", "cut", "magic", "device name", "empty"],
)
def test_a_changed_batch_is_refused_with_the_fault(change, fault: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MalformedBatch, match=fault):
        unseal(change(sealed(INTENT, OUTCOME)))


def test_a_header_that_says_four_billion_records_is_refused_at_once() -> None:
    raw = bytearray(sealed(INTENT))
    raw[24:28] = b"\xff" * 4  # last sequence
    tracemalloc.start()
    with pytest.raises(MalformedBatch, match="7 to 4294967295 in order"):
        unseal(bytes(raw))
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_every_bad_record_is_listed() -> None:
    raw = bytearray(sealed(INTENT, OUTCOME))
    raw[HEADER_LENGTH] = 9
    raw[HEADER_LENGTH + RECORD_LENGTH + 1] = 0xEE
    with pytest.raises(MalformedBatch) as caught:
        unseal(bytes(raw))
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["record 1", "record 2"]


@given(
    st.binary(max_size=400).map(lambda tail: b"CCB1" + tail)
    | st.integers(0, HEADER_LENGTH + 2 * RECORD_LENGTH).flatmap(
        lambda at: st.integers(1, 255).map(
            lambda flip: (lambda raw: raw[:at] + bytes([raw[at] ^ flip]) + raw[at + 1 :])(sealed(INTENT, OUTCOME))
        )
    )
)
def test_rubbish_raises_only_malformed_batch(raw: bytes) -> None:
    try:
        batch = unseal(raw)
    except MalformedBatch:
        return
    assert batch.signed + batch.signature == raw


def test_the_header_has_the_length_these_tests_cut_at() -> None:
    assert len(sealed(INTENT)) == HEADER_LENGTH + RECORD_LENGTH + SIGNATURE_LENGTH
    assert struct.unpack_from(">H", sealed(INTENT), HEADER_LENGTH - 2) == (RECORD_LENGTH,)
