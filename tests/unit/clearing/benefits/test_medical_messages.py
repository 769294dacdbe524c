"""The wire form of medical messages: exact amounts, local times, nothing unknown."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rulebook.messages.base import Message
from rulebook.messages.medical import CancelData, FeeDetail, FeeLineExtension, ItemClass, parse, to_wire
from rulebook.messages.medical_values import LocalTime, Rate, Yuan
from rulebook.money import Amount


class Sample(Message):
    amount: Yuan
    rate: Rate
    at: LocalTime


moments = st.integers(0, 4_000_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))


@given(st.integers(-(10**14), 10**14).map(Amount), st.integers(0, 10_000).map(lambda n: Fraction(n, 10_000)), moments)
def test_what_is_written_is_read_back(amount: Amount, rate: Fraction, at: datetime) -> None:
    sample = Sample(amount=amount, rate=rate, at=at)
    assert parse(Sample, to_wire(sample)) == sample


def test_the_wire_form_is_the_national_one() -> None:
    sample = Sample(amount=Amount(123_400), rate=Fraction(1, 10), at=datetime(2026, 9, 15, 16, tzinfo=UTC))
    assert json.loads(to_wire(sample)) == {"amount": "1234.00", "rate": "0.1", "at": "2026-09-16 00:00:00"}


@pytest.mark.parametrize("amount", ["0.1", '"0.10"', "0.10"])
def test_numbers_of_the_wire_are_read_exactly(amount: str) -> None:
    body = f'{{"amount": {amount}, "rate": 0.855, "at": "2026-09-15 10:00:00"}}'
    sample = parse(Sample, body)
    assert (sample.amount, sample.rate) == (Amount(10), Fraction(171, 200))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"amount": 0.1}, "decimal string"),
        ({"amount": True}, "decimal string"),
        ({"amount": "1.005"}, "finer than a fen"),
        ({"amount": "ten"}, "no decimal number"),
        ({"amount": "1/0"}, "no decimal number"),
        ({"amount": "1e999999999"}, "14 digits before"),
        ({"amount": "NaN"}, "digits before"),
        ({"rate": "1.1"}, "outside 0 to 1"),
        ({"rate": "1e"}, "no decimal number"),
        ({"at": "2026-09-15T10:00:00"}, "yyyy-MM-dd"),
        ({"at": datetime(2026, 9, 15, tzinfo=UTC).replace(tzinfo=None)}, "time zone"),
        ({"more": 1}, "Extra inputs"),
    ],
)
def test_what_is_not_of_the_form_is_refused(changes: dict[str, Any], message: str) -> None:
    right = {"amount": "1.00", "rate": "0.5", "at": "2026-09-15 10:00:00"}
    with pytest.raises(ValidationError, match=message):
        Sample.model_validate(right | changes)


def fee_line(price: str, count: str, amount: str) -> FeeDetail:
    line = {
        "feedetl_sn": "1",
        "mdtrt_id": "V",
        "psn_no": "p",
        "chrg_bchno": "1",
        "fee_ocur_time": "2026-09-15 10:00:00",
        "med_list_codg": "x",
        "medins_list_codg": "x",
        "det_item_fee_sumamt": amount,
        "cnt": count,
        "pric": price,
        "expContent": FeeLineExtension(chrgitm_lv=ItemClass.A),
    }
    return FeeDetail.model_validate(line)


def test_a_negative_fee_line_is_refused() -> None:
    with pytest.raises(ValidationError, match="negative"):
        fee_line("1.00", "1", "-1.00")


@pytest.mark.parametrize(
    ("price", "count", "amount"), [("12.35", "2.5", "30.88"), ("0.01", "0.4999", "0.00"), ("0", "7", "0.00")]
)
def test_a_fee_line_is_price_times_count_rounded_half_up(price: str, count: str, amount: str) -> None:
    assert str(fee_line(price, count, amount).det_item_fee_sumamt) == amount


@pytest.mark.parametrize("amount", ["30.87", "30.89", "3088.00"])
def test_a_fee_line_that_cannot_be_worked_out_is_refused(amount: str) -> None:
    with pytest.raises(ValidationError, match=r"fee line 1: .* 12.35 × 2.5 = 30.88; correct one"):
        fee_line("12.35", "2.5", amount)


@pytest.mark.parametrize("bad", ["", "V\x00", "V 1", "诊1", "V\n", "V" * 31])
def test_an_id_is_short_printable_ascii(bad: str) -> None:
    with pytest.raises(ValidationError, match="setl_id"):
        CancelData(setl_id=bad, mdtrt_id="V1", psn_no="p1")


def test_the_persons_token_of_the_feed_fits() -> None:
    assert CancelData(setl_id="S1", mdtrt_id="V1", psn_no="ab" * 32).psn_no == "ab" * 32
