"""Parcel, version 1 (ours): a batch with what its device would have sent it to clearing with.

``CCP1`` ‖ Ed25519 signature over ``POST /batches`` LF batch (docs/doors.md, "HTTP") ‖ batch. Nobody on the way can change it,
and whoever hands it to clearing needs no right of their own. Files are named by the batch's content hash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rulebook.batch import MalformedBatch, unseal_rows
from terminals.uplink.durable import write_whole

MAGIC = b"CCP1"
SIGNATURE_LENGTH = 64
PATH = "/batches"
PARCEL, RECEIPT = ".parcel", ".receipt"


class MalformedParcel(ValueError):
    """The bytes are no parcel with a batch in it."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """``signature`` is that of the request; ``batch`` is never changed."""

    device: str
    number: int
    content_hash: bytes
    signature: bytes
    batch: bytes

    @property
    def name(self) -> str:
        """Of its file, without the suffix."""
        return self.content_hash.hex()

    def encode(self) -> bytes:
        return MAGIC + self.signature + self.batch

    @classmethod
    def pack(cls, batch: bytes, sign: Callable[[bytes], bytes]) -> Parcel:
        """``sign`` is the device key's."""
        return _parcel(sign(f"POST {PATH}\n".encode() + batch), batch)

    @classmethod
    def decode(cls, raw: bytes) -> Parcel:
        """Raises ``MalformedParcel``; signatures are clearing's to check."""
        start = len(MAGIC) + SIGNATURE_LENGTH
        if raw[: len(MAGIC)] != MAGIC:
            raise MalformedParcel(f"{len(raw)} bytes that do not begin with {MAGIC.decode()}: no parcel of version 1")
        try:
            return _parcel(raw[len(MAGIC) : start], raw[start:])
        except MalformedBatch as error:
            raise MalformedParcel(str(error)) from error


def parcels(folder: Path) -> Iterator[Parcel]:
    """Those in ``folder`` that are whole, by the names of their files; a torn one was never told to be safe and comes again."""
    for path in sorted(folder.glob(f"*{PARCEL}")):
        try:
            parcel = Parcel.decode(path.read_bytes())
        except MalformedParcel:
            continue
        if parcel.name + PARCEL == path.name:
            yield parcel


def leave(path: Path, content: bytes) -> bool:
    """Have ``content`` there, durable; whether nothing was there. What is there and differs was torn on the way."""
    try:
        if path.read_bytes() != content:
            write_whole(path, content)
        return False
    except FileNotFoundError:
        write_whole(path, content)
        return True


def _parcel(signature: bytes, batch: bytes) -> Parcel:
    found = unseal_rows(batch)
    return Parcel(found.header.device, found.header.number, found.content_hash, signature, batch)
