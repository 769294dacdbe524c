"""File contents: published T-Union samples, our own tables, and everything that must come back."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_os.profile import psam, transit
from card_os.profile.citizen import CITIZEN_CARD
from card_os.profile.codecs import Kind, Layout, MalformedFile, RecordSet
from card_os.profile.files import FileSpec, Structure
from card_os.profile.social_security import (
    SOCIAL_HOLDER,
    SOCIAL_ISSUER,
    SocialHolder,
    SocialIssuer,
    identification_code,
)

_PATH = Path(__file__).parents[3] / "data" / "card" / "tunion_records.json"
SAMPLES = json.loads(_PATH.read_text())

CARDS = (CITIZEN_CARD, psam.TRANSIT_SAM, psam.HOSPITAL_SAM)
FILES = [file for card in CARDS for application in (card.master_file, *card.applications) for file in application.files]
LAYOUTS = {id(file.codec): file.codec for file in FILES if isinstance(file.codec, Layout)}.values()


def test_public_application_sample():
    value = transit.PUBLIC_APPLICATION.decode(bytes.fromhex(SAMPLES["file_0015"]["sample"].ljust(60, "0")))
    expected = SAMPLES["file_0015"]["expected"]
    assert value.pan == expected["card_number"]
    assert (value.valid_from, value.valid_to) == (expected["issue"], expected["expiry"])
    assert value.city == "1000"
    assert value.serial_factor == bytes.fromhex("5170070104791381")


def test_management_sample():
    raw = bytes.fromhex(SAMPLES["file_0017"]["sample"])
    value = transit.MANAGEMENT.decode(raw.ljust(60, b"\x00"))
    expected = SAMPLES["file_0017"]["expected"]
    assert (value.province, value.city, value.card_class) == (expected["province"], expected["city"], expected["type"])
    assert value.interoperability == "0001"


def test_log_sample():
    sample = SAMPLES["record_0x18_transaction"]
    raw = bytes.fromhex(sample["sample_rx"])[:-2]
    value = transit.LOG_RECORD.decode(raw)
    expected = sample["expected"]
    assert value.sequence == expected["seq"]
    assert value.amount_minor == expected["amount_fen"]
    assert value.type == int(expected["type"], 16)
    assert value.terminal.hex() == expected["terminal"]
    assert value.date + value.time == "".join(filter(str.isdigit, expected["time"]))
    assert transit.LOG_RECORD.encode(value) == raw


def test_trip_sample_has_its_terminal_on_the_right():
    sample = SAMPLES["record_0x1E_travel"]
    raw = bytes.fromhex(sample["sample_rx"])[:-2]
    value = transit.TRIP_RECORD.decode(raw)
    expected = sample["expected"]
    assert value.type == transit.TripType.EXIT
    assert value.industry == transit.Industry.METRO
    assert (value.terminal_fill + value.terminal).hex() == expected["terminal"]
    assert value.terminal.hex() == SAMPLES["record_0x18_transaction"]["expected"]["terminal"]
    assert (value.amount_minor, value.balance_minor) == (expected["amount_fen"], expected["balance_fen"])
    assert value.time == "".join(filter(str.isdigit, expected["time"]))
    assert (value.city, value.institution.hex().upper()) == (expected["city"], expected["acquirer"])
    assert transit.TRIP_RECORD.encode(value) == raw


def values_of(layout: Layout) -> st.SearchStrategy:
    kinds = {
        Kind.RAW: lambda length: st.binary(min_size=length, max_size=length),
        Kind.NUMBER: lambda length: st.integers(0, (1 << 8 * length) - 1),
        Kind.DIGITS: lambda length: st.text("0123456789", min_size=2 * length, max_size=2 * length),
        Kind.DIGITS_F: lambda length: st.text("0123456789", max_size=2 * length),
        Kind.TEXT: lambda length: st.text("aZ9张三𠮷", max_size=length // 4),
    }
    return st.builds(layout.record, **{field.name: kinds[field.kind](field.length) for field in layout.fields})


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.record.__name__)
def test_every_value_comes_back(layout):
    @given(values_of(layout))
    def comes_back(value):
        raw = layout.encode(value)
        assert len(raw) == layout.length
        assert layout.decode(raw) == value

    comes_back()


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.record.__name__)
def test_foreign_bytes_are_read_or_refused_as_malformed(layout):
    @given(st.binary(min_size=layout.length, max_size=layout.length))
    def is_read(raw):
        assert isinstance(layout.decode(raw), layout.record)

    is_read()
    for wrong in (0, layout.length - 1, layout.length + 1):
        with pytest.raises(MalformedFile, match=f"{wrong} bytes"):
            layout.decode(bytes(wrong))


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.record.__name__)
def test_every_field_of_the_record_is_in_its_table(layout):
    assert {field.name for field in layout.fields} == {field.name for field in dataclasses.fields(layout.record)}


# Offsets of standards.md §4.5; "transfer data" is ours from docs/doors.md.
PROCESS_OFFSETS = [
    ("state", 14, 1),
    ("entry_city", 15, 2),
    ("exit_city", 17, 2),
    ("entry_institution", 19, 8),
    ("exit_institution", 27, 8),
    ("entry_station", 35, 8),
    ("exit_station", 43, 8),
    ("entry_device", 51, 8),
    ("exit_device", 59, 8),
    ("entry_time", 67, 7),
    ("exit_time", 74, 7),
    ("label_fare_minor", 81, 4),
    ("entry_line", 85, 1),
    ("exit_line", 86, 1),
    ("entry_amount_minor", 87, 4),
    ("entry_balance_minor", 91, 4),
    ("exit_amount_minor", 95, 4),
    ("last_time", 99, 7),
    ("last_terminal", 106, 4),
    ("daily_total_minor", 110, 3),
    ("daily_count", 113, 2),
    ("month", 115, 2),
    ("month_paid_minor", 117, 3),
    ("flags", 120, 2),
    ("closing_state", 122, 2),
    ("crc", 124, 4),
]


@pytest.mark.parametrize(("name", "offset", "length"), PROCESS_OFFSETS)
def test_transit_process_fields_stand_where_the_standard_has_them(name, offset, length):
    at = 0
    for field in transit.TRANSIT_PROCESS.fields:
        if field.name == name:
            assert (at, field.length) == (offset, length)
            return
        at += field.length
    pytest.fail(f"no field {name}")


def test_a_terminals_record_carries_the_crc_over_bytes_6_to_123():
    record = transit.sealed(transit.TransitProcess(state=1, entry_time="20260915080000"))
    assert int.from_bytes(record[124:], "big") == crc32(record[6:124]) == transit.checksum(record) != 0
    assert transit.TRANSIT_PROCESS.decode(record).crc == transit.checksum(record)


@pytest.mark.parametrize("byte", [6, 60, 123])
def test_a_changed_byte_shows_in_the_crc(byte):
    record = bytearray(transit.sealed(transit.TransitProcess()))
    record[byte] ^= 1
    assert transit.TRANSIT_PROCESS.decode(bytes(record)).crc != transit.checksum(bytes(record))


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.fid:04X}-{file.name}")
def test_file_and_codec_agree_on_the_size(file: FileSpec):
    if isinstance(file.codec, RecordSet):
        assert file.size >= file.codec.size
    elif file.structure is Structure.VARIABLE:
        assert file.size > file.codec.length
    else:
        assert file.size == file.codec.length


@pytest.mark.parametrize(
    ("fid", "size", "count"),
    [(0x15, 30, 0), (0x16, 55, 0), (0x17, 60, 0), (0x18, 23, 10), (0x1E, 48, 30)],
)
def test_transit_files_have_the_sizes_of_the_standard(fid, size, count):
    file = transit.TRANSIT.file(fid)
    assert (file.size, file.count) == (size, count)


def test_a_field_that_does_not_fit_is_named():
    value = transit.LogRecord(sequence=70000, amount_minor=1, type=9, terminal=bytes(6), date="20260915", time="080000")
    with pytest.raises(MalformedFile, match="sequence"):
        transit.LOG_RECORD.encode(value)
    with pytest.raises(MalformedFile, match="terminal has 5 bytes"):
        transit.LOG_RECORD.encode(dataclasses.replace(value, sequence=1, terminal=bytes(5)))
    with pytest.raises(MalformedFile, match="date"):
        transit.LOG_RECORD.encode(dataclasses.replace(value, sequence=1, date="2026-09-15"))


HOLDER = SocialHolder(
    social_number="11010519491231002X", name="张三", sex="1", nation="01", birthplace="110105", born="19491231"
)


def test_social_records_carry_tag_length_and_padding():
    records = SOCIAL_HOLDER.encode(HOLDER)
    assert [record[0] for record in records] == [0x08, 0x09, 0x4E, 0x0A, 0x0B, 0x0C, 0x0D]
    assert [len(record) for record in records[:2]] == [0x14, 0x20]  # Le of 00B2013414 and 00B2023420
    assert records[0] == b"\x08\x12" + b"11010519491231002X"
    assert SOCIAL_HOLDER.decode(records) == HOLDER


def test_a_card_of_version_one_has_no_name_extension():
    records = [record for record in SOCIAL_HOLDER.encode(HOLDER) if record[0] != 0x4E]
    assert SOCIAL_HOLDER.decode(records) == HOLDER


def test_missing_and_broken_records_are_refused():
    records = SOCIAL_HOLDER.encode(HOLDER)
    with pytest.raises(MalformedFile, match="social_number"):
        SOCIAL_HOLDER.decode(records[1:])
    with pytest.raises(MalformedFile, match="tag"):
        SOCIAL_HOLDER.decode([b"\x08\x12abc"])


def test_social_issuer_comes_back():
    value = SocialIssuer(
        identification_code=identification_code(region="110000", chip_serial=bytes.fromhex("8697159900BF7C7A")),
        card_class="3",
        version="3.00",
        organisation="1100001234",
        issued="20260101",
        valid_to="20361231",
        card_number="768225469",
    )
    records = SOCIAL_ISSUER.encode(value)
    assert len(records[0]) == 0x12
    assert len(records[6]) == 0x0B
    assert SOCIAL_ISSUER.decode(records) == value


def test_identification_code_as_on_the_published_sample():
    # standards.md §5.4: 639900 D156000005 00BF7C7A + check bytes, ATR history ending 00BF7C7A.
    code = identification_code(region="639900", chip_serial=bytes.fromhex("8697159900BF7C7A"))
    assert code[:12].hex().upper() == "639900D15600000500BF7C7A"
    assert code[12:] == b"\xff" * 4
