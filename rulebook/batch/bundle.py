"""Batches one after the other, as they are: each says in its header how long it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rulebook.batch.batch import OFFSET, SIGNATURE_LENGTH, MalformedBatch, records_length

MOST_DEVICES = 256
"""Of which one bundle brings batches; ours. Clearing locks each device, a database has so many locks for everybody, and whoever
sends a bundle may be a stranger."""


def bundle(batches: Iterable[bytes]) -> bytes:
    return b"".join(batches)


def unbundle(raw: bytes) -> Iterator[bytes]:
    """Each one's bytes; what is in them is not looked at. Raises ``MalformedBatch`` where one does not begin or is cut off."""
    at = 0
    while at < len(raw):
        head = raw[at : at + OFFSET]
        end = at + OFFSET + records_length(head) + SIGNATURE_LENGTH
        if end > len(raw):
            raise MalformedBatch([f"the batch at byte {at} is cut off: {end - len(raw)} bytes are missing"])
        yield raw[at:end]
        at = end
