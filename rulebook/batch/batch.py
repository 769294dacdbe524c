"""Batch, version 1 (our own form): header ‖ records of fixed length ‖ Ed25519 signature over header and records.

The id of a batch is (device, number); content is named by the SHA-256 of everything before the signature.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rulebook.record.record import RECORD_LENGTH, Kind, MalformedRecord, Outcome, Record

MAGIC = b"CCB1"
SIGNATURE_LENGTH = 64
_HEADER = struct.Struct(">4s12sIIIIQH")


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
    head = _HEADER.pack(
        MAGIC,
        device.encode("ascii"),
        number,
        records[0].journal_sequence,
        records[-1].journal_sequence,
        len(records),
        amount_sum(records),
        RECORD_LENGTH,
    )
    signed = head + b"".join(record.encode() for record in records)
    return signed + sign(signed)


def unseal(raw: bytes) -> Batch:
    """Read a batch whole or raise ``MalformedBatch`` with every fault. The signature is not checked here."""
    if len(raw) < _HEADER.size + SIGNATURE_LENGTH or raw[:4] != MAGIC:
        raise MalformedBatch([f"{len(raw)} bytes that do not begin with {MAGIC.decode()}: no batch of version 1"])
    _, device, number, first, last, count, amounts, length = _HEADER.unpack_from(raw)
    body = raw[_HEADER.size : -SIGNATURE_LENGTH]
    if length != RECORD_LENGTH or len(body) != count * RECORD_LENGTH:
        raise MalformedBatch([f"header says {count} records of {length} bytes; {len(body)} bytes follow"])
    faults: list[str] = []
    records: list[Record] = []
    for row, start in enumerate(range(0, len(body), RECORD_LENGTH), 1):
        try:
            records.append(Record.decode(body[start : start + RECORD_LENGTH]))
        except MalformedRecord as error:
            faults.append(f"record {row}: {error}")
    try:
        name = device.rstrip(b"\x00").decode("ascii")
    except UnicodeDecodeError:
        raise MalformedBatch([*faults, "device is not ASCII"]) from None
    header = BatchHeader(name, number, first, last, count, amounts)
    if not faults:
        faults = _header_faults(header, records)
    if faults:
        raise MalformedBatch(faults)
    return Batch(header, tuple(records), raw[:-SIGNATURE_LENGTH], raw[-SIGNATURE_LENGTH:])


def _header_faults(header: BatchHeader, records: Sequence[Record]) -> list[str]:
    if not records:
        return ["a batch has at least one record"]
    faults = [
        f"record {row}: device is {r.device}, the batch's is {header.device}"
        for row, r in enumerate(records, 1)
        if r.device != header.device
    ]
    expected = range(header.first_sequence, header.last_sequence + 1)  # never as a list: a header may say four billion
    if len(expected) != len(records) or any(r.journal_sequence != n for r, n in zip(records, expected, strict=True)):
        faults.append(f"records are not journal sequences {header.first_sequence} to {header.last_sequence} in order")
    if amount_sum(records) != header.amount_sum_minor:
        faults.append(f"amount sum is {header.amount_sum_minor}; the records add up to {amount_sum(records)}")
    return faults
