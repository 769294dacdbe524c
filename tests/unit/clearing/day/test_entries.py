"""Moments, keys and pairs are what the objects say."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.day.entries import day_number, paired
from clearing.day.kernel import business_day
from clearing.day.keys import bucket_of, keys_of
from clearing.day.moments import datetime_of, first_second, local_second, second_of_day
from clearing.day.schema import BUCKETS, ENTRY, NO_TIME
from clearing.verification.context import bcd_moment
from rulebook.calendar import BUSINESS_ZONE, calendar_named
from rulebook.record import Outcome
from rulebook.record.columns import columns_of

_BOUNDS = (datetime(1900, 1, 1), datetime(2199, 12, 31))  # noqa: DTZ001 - Hypothesis wants them without a zone
_NEAR = st.datetimes(*_BOUNDS).map(lambda at: bytes.fromhex(f"{at:%Y%m%d%H%M%S}"))
_DAMAGED = st.tuples(_NEAR, st.integers(0, 6), st.integers(0, 255)).map(
    lambda drawn: drawn[0][: drawn[1]] + bytes([drawn[2]]) + drawn[0][drawn[1] + 1 :]
)

_FIRST_AND_LAST = st.sampled_from(["00010101000000", "00011231235959", "00020101000000", "99991231235959"]).map(
    bytes.fromhex
)


@given(
    st.lists(st.one_of(_NEAR, _DAMAGED, _FIRST_AND_LAST, st.binary(min_size=7, max_size=7)), min_size=1, max_size=20)
)
def test_a_stamp_is_the_moment_that_an_object_reads(stamps: list[bytes]) -> None:
    calendar = calendar_named("china")
    for stamp in stamps:
        seconds, moment = local_second(stamp), bcd_moment(stamp)
        assert (seconds == NO_TIME) == (moment is None)
        if moment is not None:
            assert datetime_of(seconds) == moment
            day = business_day(seconds, second_of_day(calendar.cut_off))
            assert day == day_number(calendar.business_day(moment))


@given(st.datetimes(*_BOUNDS))
def test_the_first_second_is_not_before_the_moment(at: datetime) -> None:
    moment = at.replace(tzinfo=BUSINESS_ZONE)
    second = datetime_of(first_second(moment))
    assert timedelta(0) <= second - moment < timedelta(seconds=1)


def test_days_count_from_1970() -> None:
    assert day_number(date(1970, 1, 2)) == 1


@given(
    st.lists(st.tuples(st.binary(min_size=18, max_size=18), st.integers(0, 255), st.booleans(), st.integers(0, 65_535)))
)
def test_a_key_orders_a_counters_transactions_and_names_its_bucket(ids: list[Any]) -> None:
    cards = np.frombuffer(b"".join(id_[0] for id_ in ids), ENTRY["card"])
    purse, load, sequence = (
        np.array([id_[n] for id_ in ids], dtype=kind) for n, kind in ((1, "i8"), (2, "?"), (3, "i8"))
    )
    key = keys_of(cards, purse, load, sequence)
    first = keys_of(cards, purse, load, np.zeros(len(ids), dtype=np.int64))
    assert (key - first == sequence).all()
    assert ((bucket_of(key) >= 0) & (bucket_of(key) < BUCKETS)).all()
    assert (bucket_of(key) == bucket_of(keys_of(cards, purse * 0, load & False, sequence * 0))).all()


@pytest.mark.parametrize(
    ("change", "entries", "intents"),
    [
        ({}, [1], [1]),
        ({"refers_to": 9}, [0, 1], [0, 0]),
        ({"refers_to": 0}, [0, 1], [0, 0]),
        ({"card_sequence": 3}, [0, 1], [0, 0]),
        ({"amount_minor": 3}, [0, 1], [0, 0]),
        ({"outcome": Outcome.UNKNOWN}, [1], [1]),
    ],
)
def test_an_outcome_takes_its_intent_along(town: Any, change: Any, entries: list[int], intents: list[int]) -> None:
    intent = town.intent(1, 0)
    town.outcome(intent, **{"outcome": Outcome.DONE, **change})
    rows = columns_of(b"".join(record.encode() for record in town.records))
    which, sequence = paired(rows, np.zeros(len(rows), dtype=np.int32))
    assert which.tolist() == entries
    assert sequence.tolist() == intents


def test_a_second_outcome_of_one_intent_stands_alone(town: Any) -> None:
    intent = town.intent(1, 0)
    town.outcome(intent, Outcome.UNKNOWN)
    town.outcome(intent, Outcome.DONE)
    rows = columns_of(b"".join(record.encode() for record in town.records))
    which, sequence = paired(rows, np.zeros(len(rows), dtype=np.int32))
    assert which.tolist() == [1, 2]
    assert sequence.tolist() == [1, 0]
