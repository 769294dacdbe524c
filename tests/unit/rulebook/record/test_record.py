"""Record: the golden file of every version loads for ever; encode and decode are one another's inverse."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulebook.record import Event, Kind, MalformedRecord, Outcome, Record, Step, Verdict
from rulebook.record.record import RECORD_LENGTH, TRACE_STEPS, VERSION

GOLDEN = Path(__file__).parents[3] / "data" / "records" / "v1.bin"

# What tests/data/records/v1.bin was written from, on the day version 1 was fixed. Never change it: add a v2 beside it.
VERSION_1 = (
    Record(
        kind=Kind.INTENT,
        event=Event.EXIT,
        device="GATE-0101",
        journal_sequence=41,
        line="01",
        place="0101",
        trip="0007",
        shift="S3",
        issuer=bytes.fromhex("01991000FFFFFFFF"),
        serial=bytes.fromhex("03109910000000000017"),
        city=bytes.fromhex("1000"),
        card_class=2,
        key_version=1,
        algorithm=0,
        transaction_type=9,
        amount_minor=500,
        balance_before_minor=10000,
        card_sequence=6,
        sam_terminal=bytes.fromhex("991000000001"),
        sam_sequence=77,
        date=bytes.fromhex("20260915"),
        time=bytes.fromhex("083001"),
        capp_before=bytes(range(128)),
        capp_after=bytes(reversed(range(128))),
        tariff_version=1,
        list_version=3,
        software_version=1,
        trace=(Step(200, 1000), Step(221, -500)),
    ),
    Record(
        kind=Kind.OUTCOME,
        event=Event.EXIT,
        outcome=Outcome.DONE,
        device="GATE-0101",
        journal_sequence=42,
        refers_to=41,
        issuer=bytes.fromhex("01991000FFFFFFFF"),
        serial=bytes.fromhex("03109910000000000017"),
        key_version=1,
        algorithm=0,
        transaction_type=9,
        amount_minor=500,
        balance_before_minor=10000,
        card_sequence=6,
        sam_terminal=bytes.fromhex("991000000001"),
        date=bytes.fromhex("20260915"),
        time=bytes.fromhex("083001"),
        tac=bytes.fromhex("A1B2C3D4"),
        mac2_verdict=Verdict.RIGHT,
    ),
)


def texts(length: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=length)


def octets(length: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=length, max_size=length)


capp = st.just(b"") | octets(128).filter(any)
u8, u16, u32 = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
steps = st.builds(Step, st.integers(1, 0xFFFF), st.integers(-(2**31), 2**31 - 1))
records = st.builds(
    Record,
    kind=st.sampled_from(Kind),
    event=st.sampled_from(Event),
    outcome=st.sampled_from(Outcome),
    device=texts(12),
    journal_sequence=u32,
    refers_to=u32,
    line=texts(8),
    place=texts(12),
    trip=texts(8),
    shift=texts(8),
    issuer=octets(8),
    serial=octets(10),
    city=octets(2),
    card_class=u8,
    key_version=u8,
    algorithm=u8,
    purse=u8,
    transaction_type=u8,
    amount_minor=u32,
    balance_before_minor=u32,
    card_sequence=u16,
    sam_terminal=octets(6),
    sam_sequence=u32,
    date=octets(4),
    time=octets(3),
    tac=octets(4),
    mac2_verdict=st.sampled_from(Verdict),
    capp_before=capp,
    capp_after=capp,
    tariff_version=u32,
    list_version=u32,
    software_version=u32,
    trace=st.lists(steps, max_size=TRACE_STEPS).map(tuple),
)


def test_the_golden_file_of_version_1_loads() -> None:
    raw = GOLDEN.read_bytes()
    rows = [raw[start : start + RECORD_LENGTH] for start in range(0, len(raw), RECORD_LENGTH)]
    assert tuple(Record.decode(row) for row in rows) == VERSION_1
    assert [record.encode() for record in VERSION_1] == rows


@given(records)
def test_decode_is_the_inverse_of_encode(record: Record) -> None:
    raw = record.encode()
    assert len(raw) == RECORD_LENGTH
    assert Record.decode(raw) == record


@given(st.binary(max_size=2 * RECORD_LENGTH) | octets(RECORD_LENGTH - 1).map(lambda rest: bytes([VERSION]) + rest))
def test_rubbish_raises_only_malformed_record(raw: bytes) -> None:
    try:
        read = Record.decode(raw)
    except MalformedRecord:
        return
    assert read.encode() == raw


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("device", "GATE-0101-TOO-LONG", "at most 12 ASCII"),
        ("place", "苹果园", "ASCII"),
        ("place", "a\x00b", "ASCII"),
        ("serial", b"\x00" * 8, "must have 10"),
        ("capp_before", b"\x00" * 127, "empty or 128"),
        ("amount_minor", -1, "0 to 4294967295"),
        ("amount_minor", 2**32, "0 to 4294967295"),
        ("card_sequence", 65536, "0 to 65535"),
        ("version", 2, "knows version 1"),
        ("trace", (Step(1, 1),) * 9, "at most 8"),
    ],
)
def test_a_field_out_of_its_range_is_named(field: str, value: object, message: str) -> None:
    with pytest.raises(MalformedRecord, match=message) as caught:
        replace(VERSION_1[0], **{field: value})
    assert field in str(caught.value)


def test_a_later_version_is_refused_and_named() -> None:
    with pytest.raises(MalformedRecord, match="version is 2"):
        Record.decode(b"\x02" + VERSION_1[0].encode()[1:])


def test_the_purchase_is_named_by_card_and_sequence_not_by_the_terminal() -> None:
    intent, outcome = VERSION_1
    assert intent.purchase_id == outcome.purchase_id
    assert replace(intent, sam_terminal=bytes(6), sam_sequence=0).purchase_id == intent.purchase_id
    assert replace(intent, card_sequence=7).purchase_id != intent.purchase_id
