"""An operator's file as batches: for each device the stretches of its journal, in the form that a batch is kept in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearing.intake.files.faults import Fault, FileFaults
from rulebook.batch import BatchHeader, BatchRows, seal_rows, unseal_rows
from rulebook.batch.batch import SIGNATURE_LENGTH
from rulebook.record.columns import Flags, Rows, octets, picked
from rulebook.record.record import RECORD_LENGTH

NO_NUMBER = 0
"""Of a batch that no device formed; devices count from 1."""


@dataclass(frozen=True, slots=True)
class FileBatch:
    """``image`` has the form of a batch with number ``NO_NUMBER`` and a signature of zeros: nobody but the operator who
    handed the file in answers for it."""

    rows: BatchRows
    image: bytes

    @property
    def header(self) -> BatchHeader:
        return self.rows.header


def as_batches(rows: Rows) -> tuple[FileBatch, ...]:
    """In order of device and journal sequence; the records of one follow each other without a gap. The same record twice counts
    once. Raises ``FileFaults`` for a sequence of 0 and for a record that is there twice with other content."""
    order = _by_journal(rows)
    ordered = picked(rows, order)
    repeated = _repeated(ordered)
    faults = list(_differing(ordered, repeated, order)) + list(_unnumbered(rows))
    if faults:
        raise FileFaults(faults)
    once = picked(ordered, ~repeated)
    return tuple(_batch(stretch) for stretch in _stretches(once))


def of_others(batches: tuple[FileBatch, ...], operators: Mapping[str, str], operator: str) -> list[Fault]:
    """Devices that are not ``operator``'s by the register (``operators``: of each enrolled device)."""
    devices = sorted({batch.header.device for batch in batches})
    return [
        Fault(0, "device", f"{device} is no device of {operator}; hand in your own devices' records only")
        for device in devices
        if operators.get(device) != operator
    ]


def unlike(rows: Rows, earlier: Rows) -> list[int]:
    """Journal sequences of which two stretches of one device say different things."""
    first = max(int(rows["journal_sequence"][0]), int(earlier["journal_sequence"][0]))
    last = min(int(rows["journal_sequence"][-1]), int(earlier["journal_sequence"][-1]))
    both = [_between(stretch, first, last).view(f"V{RECORD_LENGTH}") for stretch in (rows, earlier)]
    return [first + row for row in np.flatnonzero(both[0] != both[1]).tolist()]


def _between(stretch: Rows, first: int, last: int) -> Rows:
    start = first - int(stretch["journal_sequence"][0])
    return stretch[start : start + max(last - first + 1, 0)]


def _by_journal(rows: Rows) -> NDArray[np.int64]:
    high, low = _device_numbers(rows)
    return np.lexsort((rows["journal_sequence"], low, high)).astype(np.int64)


def _device_numbers(rows: Rows) -> tuple[NDArray[Any], NDArray[Any]]:
    """The twelve bytes of the device as two numbers of the same order."""
    names = octets(rows, "device")
    return np.ascontiguousarray(names[:, :8]).view(">u8").ravel(), np.ascontiguousarray(names[:, 8:]).view(
        ">u4"
    ).ravel()


def _same_journal(rows: Rows) -> Flags:
    """Which rows are of the device of the row before."""
    high, low = _device_numbers(rows)
    same = np.zeros(len(rows), dtype=np.bool_)
    same[1:] = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
    return same


def _repeated(ordered: Rows) -> Flags:
    repeated = _same_journal(ordered)
    repeated[1:] &= ordered["journal_sequence"][1:] == ordered["journal_sequence"][:-1]
    return repeated


def _differing(ordered: Rows, repeated: Flags, order: NDArray[np.int64]) -> Iterator[Fault]:
    whole = ordered.view(f"V{RECORD_LENGTH}")
    for row in np.flatnonzero(repeated).tolist():
        if whole[row] != whole[row - 1]:
            record = ordered[row]
            device = record["device"].tobytes().rstrip(b"\x00").decode("ascii")
            before = int(order[row - 1]) + 1
            problem = f"record {record['journal_sequence']} of {device} is in row {before} with other content"
            yield Fault(int(order[row]) + 1, "journal_sequence", problem)


def _unnumbered(rows: Rows) -> Iterator[Fault]:
    for row in np.flatnonzero(rows["journal_sequence"] == 0).tolist():
        yield Fault(row + 1, "journal_sequence", "is 0; a journal counts from 1")


def _stretches(rows: Rows) -> Iterator[Rows]:
    sequence = rows["journal_sequence"].astype(np.int64)
    goes_on = _same_journal(rows)
    goes_on[1:] &= np.diff(sequence) == 1
    starts = np.flatnonzero(~goes_on)
    for first, end in zip(starts.tolist(), [*starts[1:].tolist(), len(rows)], strict=True):
        yield rows[first:end]


def _batch(rows: Rows) -> FileBatch:
    image = seal_rows(NO_NUMBER, rows, lambda _: bytes(SIGNATURE_LENGTH))
    return FileBatch(unseal_rows(image), image)
