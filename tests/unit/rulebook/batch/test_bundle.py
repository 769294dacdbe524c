"""Batches one after the other come apart as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulebook.batch import MalformedBatch, bundle, seal, unbundle
from rulebook.record import Event, Kind, Record


def _batch(count: int) -> bytes:
    record = Record(
        kind=Kind.INTENT,
        event=Event.RIDE,
        device="BUS-1",
        journal_sequence=1,
        issuer=bytes(8),
        serial=bytes(10),
        key_version=1,
        algorithm=0,
        transaction_type=9,
        amount_minor=100,
        balance_before_minor=5000,
        card_sequence=7,
        sam_terminal=bytes(6),
        date=bytes(4),
        time=bytes(3),
    )
    return seal("BUS-1", 1, [record] * count, lambda _: bytes(range(64)))


BATCHES = {count: _batch(count) for count in (1, 2, 5)}


@given(st.lists(st.sampled_from(list(BATCHES.values())), max_size=5))
def test_a_bundle_comes_apart_as_it_was(batches: list[bytes]) -> None:
    assert list(unbundle(bundle(batches))) == batches


@pytest.mark.parametrize("end", [-1, -500, 20, 3], ids=["signature", "record", "header", "magic"])
def test_a_bundle_that_is_cut_off_says_so(end: int) -> None:
    raw = BATCHES[1] + BATCHES[2]
    cut = raw[:end] if end < 0 else raw[: len(BATCHES[1]) + end]
    with pytest.raises(MalformedBatch):
        list(unbundle(cut))


@pytest.mark.parametrize("raw", [b"x", bytes(42), b"CCB1" + b"\xff" * 38, BATCHES[1] + b"rubbish"])
def test_rubbish_is_no_bundle(raw: bytes) -> None:
    with pytest.raises(MalformedBatch):
        list(unbundle(raw))
