"""Our own form, CSV and Parquet: what is written is read back to the byte; what is wrong is named row by row."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.intake.files.faults import FileFaults
from clearing.intake.files.ours import FIELDS, csv_layout, read_parquet, write_csv, write_parquet
from clearing.intake.files.reading import read_operators_file
from rulebook.record import Event, Kind, Outcome, Record
from rulebook.record.columns import RECORD_DTYPE, Rows, columns_of
from rulebook.record.record import ENUM_FIELDS, LAYOUT, TEXT_FIELDS

RECORD = Record(
    kind=Kind.OUTCOME,
    event=Event.RIDE,
    outcome=Outcome.DONE,
    device="BUS-A-0001",
    journal_sequence=2,
    refers_to=1,
    issuer=bytes.fromhex("01991000FFFFFFFF"),
    serial=bytes.fromhex("03109910000000000001"),
    key_version=1,
    algorithm=0,
    transaction_type=9,
    amount_minor=100,
    balance_before_minor=5000,
    card_sequence=7,
    sam_terminal=bytes.fromhex("991000000001"),
    date=bytes.fromhex("20260915"),
    time=bytes.fromhex("080000"),
    tac=bytes.fromhex("0A0B0C0D"),
)


def _values(name: str, code: str) -> st.SearchStrategy[Any]:
    if name == "version":
        return st.just(1)
    if name in ENUM_FIELDS:
        return st.sampled_from(list(ENUM_FIELDS[name])).map(int)
    if name in TEXT_FIELDS:
        printable = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
        return st.text(printable, min_size=name == "device", max_size=int(code[:-1])).map(str.encode)
    if code.endswith("s"):
        size = int(code[:-1])
        return st.one_of(st.just(bytes(size)), st.binary(min_size=size, max_size=size))
    return st.integers(0, 256 ** RECORD_DTYPE[name].itemsize - 1)


@st.composite
def some_rows(draw: st.DrawFn) -> Rows:
    count = draw(st.integers(1, 2))
    rows = np.zeros(count, dtype=RECORD_DTYPE)
    for name, code in LAYOUT:
        for row in range(count):
            value = draw(_values(name, code))
            rows[name][row] = np.void(value.ljust(RECORD_DTYPE[name].itemsize, b"\0")) if code.endswith("s") else value
    return rows


@settings(max_examples=40)
@given(some_rows())
def test_csv_is_read_back_as_it_was(rows: Rows) -> None:
    with TemporaryDirectory() as folder:
        write_csv(rows, Path(folder, "f.csv"))
        assert read_operators_file(Path(folder, "f.csv"), csv_layout()).tobytes() == rows.tobytes()


@settings(max_examples=40)
@given(some_rows())
def test_parquet_is_read_back_as_it_was(rows: Rows) -> None:
    with TemporaryDirectory() as folder:
        write_parquet(rows, Path(folder, "f.parquet"))
        assert read_parquet(Path(folder, "f.parquet")).tobytes() == rows.tobytes()


def _csv(tmp_path: Path, *changes: dict[str, str]) -> Path:
    """A file of as many rows, each with some cells changed."""
    path = tmp_path / "f.csv"
    write_csv(columns_of(RECORD.encode()), path)
    header, row = path.read_text().splitlines()
    cells = dict(zip(FIELDS, row.split(","), strict=True))
    path.write_text("\n".join([header, *(",".join((cells | change).values()) for change in changes)]) + "\n")
    return path


def _faults(path: Path) -> list[tuple[int, str, str]]:
    with pytest.raises(FileFaults) as refused:
        read_operators_file(path, csv_layout())
    return [(fault.row, fault.column, fault.problem) for fault in refused.value.faults]


def test_every_bad_cell_is_named(tmp_path: Path) -> None:
    path = _csv(
        tmp_path,
        {},
        {"amount_minor": "4294967296", "kind": '"paid"', "device": '"BUS-A-0001-BIS"'},
        {"amount_minor": "1.5", "serial": "0310991000000000000", "tac": '"0A0B0C0G"'},
        {"journal_sequence": "", "issuer": "", "event": "", "purse": "-2"},
    )
    assert _faults(path) == [
        (2, "amount_minor", "is '4294967296'; it must be a number that makes 0 to 4294967295"),
        (2, "device", "is 'BUS-A-0001-BIS'; it must be at most 12 ASCII characters"),
        (2, "kind", "is 'paid'; it must be one of intent, outcome, finding"),
        (3, "amount_minor", "is '1.5'; it must be a number that makes 0 to 4294967295"),
        (3, "serial", "is '0310991000000000000'; it must be 20 hexadecimal digits"),
        (3, "tac", "is '0A0B0C0G'; it must be 8 hexadecimal digits"),
        (4, "event", "is empty; it must be one of ride, entry, exit, load"),
        (4, "issuer", "is empty; it must be 16 hexadecimal digits"),
        (4, "journal_sequence", "is empty; it must be a number that makes 0 to 4294967295"),
        (4, "purse", "is '-2'; it must be a number that makes 0 to 255"),
    ]


def test_an_empty_cell_takes_the_records_default(tmp_path: Path) -> None:
    path = _csv(tmp_path, {"purse": "", "tac": "", "line": '""', "version": "", "capp_before": ""})
    (row,) = read_operators_file(path, csv_layout())
    record = Record.decode(row.tobytes())
    assert (record.purse, record.tac, record.line, record.version) == (2, bytes(4), "", 1)


def test_a_row_with_too_many_or_few_cells_is_named_and_those_after_it_keep_their_number(tmp_path: Path) -> None:
    path = _csv(tmp_path, {}, {"time": "080000,1"}, {}, {"time": "8"}, {"trace": "0,0"}, {"time": "9"})
    found = _faults(path)
    assert [(row, column) for row, column, _ in found] == [(2, "row"), (4, "time"), (5, "row"), (6, "time")]
    assert found[0][2] == "has 35 cells; the header has 34"


def test_a_record_of_another_version_is_refused(tmp_path: Path) -> None:
    path = _csv(tmp_path, {}, {"version": "2"})
    assert _faults(path) == [(2, "record", "version is 2; this reader knows version 1")]


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"amount_minor\n1\n", b"\x00\xff\xfe", b"version,version\n1,1\n"],
    ids=["nothing", "blank", "columns missing", "rubbish", "twice"],
)
def test_what_is_no_such_csv_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(content)
    assert {row for row, _, _ in _faults(path)} == {0}


def test_each_column_that_is_missing_or_there_twice_is_named(tmp_path: Path) -> None:
    path = _csv(tmp_path, {})
    header, row = path.read_text().splitlines()
    header = header.replace('"device"', '"line"').replace('"tac"', '"mac"')
    path.write_text(f"{header}\n{row}\n")
    assert _faults(path) == [
        (0, "device", "is missing from the header; it must be there once"),
        (0, "line", "is 2 times in the header; it must be there once"),
        (0, "tac", "is missing from the header; it must be there once"),
    ]


@pytest.mark.parametrize(
    ("encoded", "problem"),
    [
        (lambda text: text.encode("utf-16"), "UTF-8"),
        (lambda text: text.replace('"line"', '"线路"').encode("gb18030"), "UTF-8"),
        (lambda text: text.encode("utf-8-sig"), ""),
        (lambda text: text.replace("\n", "\r\n").encode(), ""),
    ],
    ids=["UTF-16", "GB18030", "byte order mark", "CR LF"],
)
def test_encodings(tmp_path: Path, encoded: Any, problem: str) -> None:
    path = _csv(tmp_path, {})
    path.write_bytes(encoded(path.read_text()))
    if problem:
        ((row, column, said),) = _faults(path)
        assert (row, column) == (0, "file")
        assert problem in said
    else:
        assert len(read_operators_file(path, csv_layout())) == 1


def test_a_cell_of_megabytes_is_a_fault_of_its_row_and_needs_no_memory_for_all_the_others(tmp_path: Path) -> None:
    path = _csv(
        tmp_path, *[{}] * 2_000, {"line": "A" * 2_000_000}, {"device": '"BUS\x00A"'}, {"amount_minor": "1\x002"}
    )
    assert _faults(path) == [
        (2001, "line", "is longer than 512 characters; it must be at most 8 ASCII characters"),
        (2002, "device", "is 'BUS�A'; it must be at most 12 ASCII characters"),
        (2003, "amount_minor", "is '1�2'; it must be a number that makes 0 to 4294967295"),
    ]


def test_a_file_with_more_faults_than_are_named_is_not_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearing.intake.files.faults.LISTED", 5)
    for change in ({"tac": "no", "time": "no"}, {"tac": "no,no"}):
        with pytest.raises(FileFaults) as refused:
            read_operators_file(_csv(tmp_path, *[change] * 10), csv_layout())
        assert len(refused.value.faults) == 5


def test_a_csv_with_a_header_alone_has_no_record(tmp_path: Path) -> None:
    assert _faults(_csv(tmp_path)) == [(0, "file", "has no record")]


def _parquet(tmp_path: Path, change: Any) -> list[tuple[int, str, str]]:
    path = tmp_path / "f.parquet"
    write_parquet(columns_of(RECORD.encode() * 3), path)
    pq.write_table(change(pq.read_table(path)), path)
    with pytest.raises(FileFaults) as refused:
        read_parquet(path)
    return [(fault.row, fault.column, fault.problem) for fault in refused.value.faults]


def _set(table: pa.Table, name: str, values: list[Any], kind: pa.DataType | None = None) -> pa.Table:
    at = table.schema.get_field_index(name)
    return table.set_column(at, name, pa.array(values, kind or table.schema.field(name).type))


def test_parquet_of_other_columns_is_refused_with_each_of_them(tmp_path: Path) -> None:
    def change(table: pa.Table) -> pa.Table:
        changed = table.drop_columns(["serial", "tac"]).append_column("fare", pa.array([1, 2, 3]))
        return _set(changed, "amount_minor", [1.5, 2.0, 3.0], pa.float64())

    assert _parquet(tmp_path, change) == [
        (0, "amount_minor", "is of type double; it must be uint32"),
        (0, "fare", "is no column of this form"),
        (0, "serial", "is missing"),
    ]


def test_bad_rows_of_parquet_are_named(tmp_path: Path) -> None:
    def change(table: pa.Table) -> pa.Table:
        changed = _set(table, "kind", ["intent", "paid", "finding"])
        changed = _set(changed, "device", ["BUS-A-0001", "BUS-A-0001-TOO-LONG", "BÜS"])
        changed = _set(changed, "version", [1, 1, 7])
        return _set(changed, "card_sequence", [1, 2, None])

    assert _parquet(tmp_path, change) == [
        (2, "device", "is 'BUS-A-0001-TOO-LONG'; it must be at most 12 ASCII characters"),
        (2, "kind", "is 'paid'; it must be one of intent, outcome, finding"),
        (3, "card_sequence", "is null"),
        (3, "device", "is 'BÜS'; it must be at most 12 ASCII characters"),
    ]


def test_a_parquet_that_says_more_than_it_weighs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _parquet(tmp_path, _of_one_long_text)[0] == (
        1,
        "line",
        f"is '{'A' * 40}…'; it must be at most 8 ASCII characters",
    )
    monkeypatch.setattr("clearing.intake.files.ours.MOST_RECORDS", 2)
    assert _parquet(tmp_path, lambda table: table) == [(0, "file", "has 3 records; at most 2 are taken")]


def _of_one_long_text(table: pa.Table) -> pa.Table:
    """A million bytes, meant twenty thousand times."""
    count = 20_000
    first = table.take(np.zeros(count, dtype=np.int64))
    at = first.schema.get_field_index("line")
    line = pa.DictionaryArray.from_arrays(np.zeros(count, dtype=np.int32), ["A" * 900_000])
    return first.set_column(at, "line", line)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1"])
def test_what_is_no_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.parquet"
    path.write_bytes(content)
    with pytest.raises(FileFaults, match="is no Parquet"):
        read_parquet(path)
