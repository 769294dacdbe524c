"""Columns say of a body what ``Record.decode`` says of its records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulebook.record import Event, Kind, MalformedRecord, Outcome, Record, Step, Verdict
from rulebook.record.columns import RECORD_DTYPE, columns_of, malformed, octets
from rulebook.record.record import LAYOUT, RECORD_LENGTH, TEXT_FIELDS, TRACE_STEPS

_MAXIMA = {"B": 0xFF, "H": 0xFFFF, "I": 0xFFFFFFFF}
_CHOICES: Mapping[str, st.SearchStrategy[Any]] = {
    "version": st.just(1),
    "kind": st.sampled_from(Kind),
    "event": st.sampled_from(Event),
    "outcome": st.sampled_from(Outcome),
    "mac2_verdict": st.sampled_from(Verdict),
    "trace": st.lists(
        st.builds(Step, st.integers(0, 0xFFFF), st.integers(-(2**31), 2**31 - 1)), max_size=TRACE_STEPS
    ).map(tuple),
}


def _values(name: str, code: str) -> st.SearchStrategy[Any]:
    if name in _CHOICES:
        return _CHOICES[name]
    if code in _MAXIMA:
        return st.integers(0, _MAXIMA[code])
    length = int(code[:-1])
    if name in TEXT_FIELDS:
        return st.text(st.characters(min_codepoint=1, max_codepoint=0x7F), max_size=length)
    return st.binary(min_size=length, max_size=length)


records = st.fixed_dictionaries({name: _values(name, code) for name, code in LAYOUT}).map(lambda v: Record(**v))


@given(st.lists(records, max_size=5))
def test_every_field_of_every_row_is_the_records(every: list[Record]) -> None:
    rows = columns_of(b"".join(record.encode() for record in every))
    assert len(rows) == len(every)
    assert not malformed(rows).any()
    for row, encoded in zip(rows, every, strict=True):
        record = Record.decode(row.tobytes())
        assert record.encode() == encoded.encode()
        for name, code in LAYOUT:
            assert _plain(name, code, row) == getattr(record, name)


def _plain(name: str, code: str, row: Any) -> Any:
    if code in _MAXIMA:
        return int(row[name])
    raw: bytes = row[name].tobytes()
    if name in TEXT_FIELDS:
        return raw.rstrip(b"\x00").decode("ascii")
    if name == "trace":
        steps = [
            Step(int.from_bytes(raw[i : i + 2]), int.from_bytes(raw[i + 2 : i + 6], signed=True))
            for i in range(0, len(raw), 6)
        ]
        while steps and steps[-1] == Step(0, 0):
            steps.pop()
        return tuple(steps)
    return b"" if name.startswith("capp_") and not any(raw) else raw


_FIELDS_THAT_CAN_BE_WRONG = ["version", "kind", "event", "outcome", "mac2_verdict", *sorted(TEXT_FIELDS)]


@given(record=records, name=st.sampled_from(_FIELDS_THAT_CAN_BE_WRONG), data=st.data())
def test_a_row_is_malformed_exactly_where_decode_refuses_it(record: Record, name: str, data: st.DataObject) -> None:
    raw = bytearray(record.encode())
    start, length = RECORD_DTYPE.fields[name][1], RECORD_DTYPE[name].itemsize  # type: ignore[index]
    raw[start : start + length] = data.draw(st.binary(min_size=length, max_size=length))
    try:
        Record.decode(bytes(raw))
        refused = False
    except MalformedRecord:
        refused = True
    assert malformed(columns_of(bytes(raw))).tolist() == [refused]


def test_a_body_of_another_length_is_refused() -> None:
    with pytest.raises(MalformedRecord, match="434 bytes"):
        columns_of(bytes(RECORD_LENGTH + 1))


def test_octets_are_the_fields_bytes() -> None:
    rows = columns_of((bytes(range(256)) + bytes(RECORD_LENGTH - 256)) * 2)
    assert octets(rows, "device").tolist() == [list(range(4, 16))] * 2
