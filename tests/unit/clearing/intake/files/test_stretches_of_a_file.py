"""A file's records as batches of each device, in journal order, without gaps."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.intake.files.batches import NO_NUMBER, as_batches, of_others
from clearing.intake.files.faults import FileFaults
from rulebook.batch import unseal
from rulebook.record import Event, Kind, Outcome, Record
from rulebook.record.columns import Rows, columns_of


def _record(device: str, sequence: int, amount: int = 100) -> Record:
    return Record(
        kind=Kind.OUTCOME,
        event=Event.RIDE,
        outcome=Outcome.DONE,
        device=device,
        journal_sequence=sequence,
        issuer=bytes(8),
        serial=bytes(10),
        key_version=1,
        algorithm=0,
        transaction_type=9,
        amount_minor=amount,
        balance_before_minor=5000,
        card_sequence=7,
        sam_terminal=bytes(6),
        date=bytes(4),
        time=bytes(3),
    )


def _rows(*records: Record) -> Rows:
    return columns_of(b"".join(record.encode() for record in records))


@given(st.lists(st.tuples(st.sampled_from(["BUS-1", "BUS-10", "BUS-2", "B" * 12]), st.integers(1, 12)), min_size=1))
def test_batches_hold_each_record_once_in_stretches_without_gap(ids: list[tuple[str, int]]) -> None:
    batches = as_batches(_rows(*(_record(*id_) for id_ in ids)))
    records = [record for batch in batches for record in unseal(batch.image).records]
    assert [(r.device, r.journal_sequence) for r in records] == sorted(set(ids), key=lambda i: (i[0].encode(), i[1]))
    for batch in batches:
        header = batch.header
        assert (header.number, header.amount_sum_minor) == (NO_NUMBER, 100 * header.count)
    ends = [(batch.header.device, batch.header.last_sequence + 1) for batch in batches]
    starts = [(batch.header.device, batch.header.first_sequence) for batch in batches]
    assert not set(ends) & set(starts)


def test_a_record_that_is_there_twice_with_other_content_is_named() -> None:
    rows = _rows(_record("BUS-2", 1), _record("BUS-1", 4), _record("BUS-1", 4, 101), replace(_record("BUS-3", 0)))
    with pytest.raises(FileFaults) as refused:
        as_batches(rows)
    assert [str(fault) for fault in refused.value.faults] == [
        "row 3, journal_sequence: record 4 of BUS-1 is in row 2 with other content",
        "row 4, journal_sequence: is 0; a journal counts from 1",
    ]


def test_a_file_brings_records_of_the_operators_own_devices_only() -> None:
    batches = as_batches(_rows(_record("BUS-A", 1), _record("BUS-A", 3), _record("BUS-B", 1), _record("BUS-X", 1)))
    faults = of_others(batches, {"BUS-A": "bus-a", "BUS-B": "bus-b"}, "bus-a")
    assert [fault.problem.split(";")[0] for fault in faults] == [
        "BUS-B is no device of bus-a",
        "BUS-X is no device of bus-a",
    ]
