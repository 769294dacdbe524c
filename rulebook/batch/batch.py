"""Batch, version 1 (our own form): header ‖ records of fixed length ‖ Ed25519 signature over header and records.

The id of a batch is (device, number); content is named by the SHA-256 of everything before the signature.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rulebook.record.columns import RECORD_DTYPE, Rows, columns_of, malformed
from rulebook.record.record import RECORD_LENGTH, Kind, MalformedRecord, Outcome, Record

MAGIC = b"CCB1"
SIGNATURE_LENGTH = 64
_HEADER = struct.Struct(">4s12sIIIIQH")
OFFSET = _HEADER.size
"""Where a batch's records begin."""


class MalformedBatch(ValueError):
    """The bytes are no batch; ``faults`` lists everything that is wrong with it."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """``amount_sum_minor`` is the fen of all outcomes that are done; sequences are those of the device's journal."""

    device: str
    number: int
    first_sequence: int
    last_sequence: int
    count: int
    amount_sum_minor: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch read back. ``signed`` is what ``signature`` (Ed25519, RFC 8032) covers."""

    header: BatchHeader
    records: tuple[Record, ...]
    signed: bytes
    signature: bytes

    @property
    def content_hash(self) -> bytes:
        return hashlib.sha256(self.signed).digest()


def amount_sum(records: Sequence[Record]) -> int:
    """Fen of all outcomes that are done: the control total of a batch."""
    return sum(r.amount_minor for r in records if r.kind is Kind.OUTCOME and r.outcome is Outcome.DONE)


def seal(device: str, number: int, records: Sequence[Record], sign: Callable[[bytes], bytes]) -> bytes:
    """The bytes to upload. ``records`` are in journal order, at least one; ``sign`` is the device key's."""
    if not records:
        raise ValueError("a batch has at least one record")
    header = BatchHeader(
        device=device,
        number=number,
        first_sequence=records[0].journal_sequence,
        last_sequence=records[-1].journal_sequence,
        count=len(records),
        amount_sum_minor=amount_sum(records),
    )
    signed = _head(header) + b"".join(record.encode() for record in records)
    return signed + sign(signed)


def seal_rows(number: int, rows: Rows, sign: Callable[[bytes], bytes]) -> bytes:
    """As ``seal``, with the records as columns: of one device, in journal order, at least one."""
    if not len(rows):
        raise ValueError("a batch has at least one record")
    header = BatchHeader(
        device=rows["device"][0].tobytes().rstrip(b"\x00").decode("ascii"),
        number=number,
        first_sequence=int(rows["journal_sequence"][0]),
        last_sequence=int(rows["journal_sequence"][-1]),
        count=len(rows),
        amount_sum_minor=_amount_sum(rows),
    )
    signed = _head(header) + rows.tobytes()
    return signed + sign(signed)


def _head(header: BatchHeader) -> bytes:
    return _HEADER.pack(
        MAGIC,
        header.device.encode("ascii"),
        header.number,
        header.first_sequence,
        header.last_sequence,
        header.count,
        header.amount_sum_minor,
        RECORD_LENGTH,
    )


@dataclass(frozen=True, slots=True)
class BatchRows:
    """A batch as columns: the same as ``Batch`` without an object for each record. ``rows`` lie in ``raw`` from ``OFFSET``."""

    header: BatchHeader
    rows: Rows
    signed: memoryview
    signature: bytes
    content_hash: bytes


def unseal(raw: bytes) -> Batch:
    """Read a batch whole or raise ``MalformedBatch`` with every fault. The signature is not checked here."""
    batch = unseal_rows(raw)
    body = raw[OFFSET:-SIGNATURE_LENGTH]
    records = tuple(Record.decode(body[at : at + RECORD_LENGTH]) for at in range(0, len(body), RECORD_LENGTH))
    return Batch(batch.header, records, bytes(batch.signed), batch.signature)


def records_length(head: bytes) -> int:
    """Bytes of the records behind ``head``, a batch's first ``OFFSET`` bytes. Raises ``MalformedBatch``."""
    if len(head) != OFFSET or head[:4] != MAGIC:
        raise MalformedBatch([f"{len(head)} bytes that do not begin with {MAGIC.decode()}: no batch of version 1"])
    count, length = _HEADER.unpack(head)[5], _HEADER.unpack(head)[7]
    return int(count * length)


def unseal_rows(raw: bytes) -> BatchRows:
    """As ``unseal``, with the records as columns."""
    if len(raw) < OFFSET + SIGNATURE_LENGTH or raw[:4] != MAGIC:
        raise MalformedBatch([f"{len(raw)} bytes that do not begin with {MAGIC.decode()}: no batch of version 1"])
    _, device, number, first, last, count, amounts, length = _HEADER.unpack_from(raw)
    signed = memoryview(raw)[:-SIGNATURE_LENGTH]
    body = signed[OFFSET:]
    if length != RECORD_LENGTH or len(body) != count * RECORD_LENGTH:
        raise MalformedBatch([f"header says {count} records of {length} bytes; {len(body)} bytes follow"])
    rows = columns_of(body)
    faults = [f"record {row + 1}: {_what_is_wrong(rows, row)}" for row in np.flatnonzero(malformed(rows)).tolist()]
    try:
        name = device.rstrip(b"\x00").decode("ascii")
    except UnicodeDecodeError:
        raise MalformedBatch([*faults, "device is not ASCII"]) from None
    header = BatchHeader(name, number, first, last, count, amounts)
    if not faults:
        faults = _header_faults(header, rows)
    if faults:
        raise MalformedBatch(faults)
    return BatchRows(header, rows, signed, raw[-SIGNATURE_LENGTH:], hashlib.sha256(signed).digest())


def _what_is_wrong(rows: Rows, row: int) -> str:
    try:
        Record.decode(rows[row].tobytes())
    except MalformedRecord as error:
        return str(error)
    raise AssertionError("columns and record do not agree on what is malformed")


def _header_faults(header: BatchHeader, rows: Rows) -> list[str]:
    if not len(rows):
        return ["a batch has at least one record"]
    names = rows["device"]
    faults = [
        f"record {row + 1}: device is {names[row].tobytes().rstrip(bytes(1)).decode('ascii')},"
        f" the batch's is {header.device}"
        for row in np.flatnonzero(names != _device(header.device)).tolist()
    ]
    expected = header.last_sequence - header.first_sequence + 1
    in_order = rows["journal_sequence"] == header.first_sequence + np.arange(len(rows), dtype=np.int64)
    if expected != len(rows) or not in_order.all():
        faults.append(f"records are not journal sequences {header.first_sequence} to {header.last_sequence} in order")
    amounts = _amount_sum(rows)
    if amounts != header.amount_sum_minor:
        faults.append(f"amount sum is {header.amount_sum_minor}; the records add up to {amounts}")
    return faults


def _amount_sum(rows: Rows) -> int:
    """``amount_sum`` of columns."""
    done = (rows["kind"] == Kind.OUTCOME) & (rows["outcome"] == Outcome.DONE)
    return int(rows["amount_minor"][done].sum(dtype=np.uint64))


def _device(name: str) -> np.void:
    return np.void(name.encode("ascii").ljust(RECORD_DTYPE["device"].itemsize, b"\x00"))
