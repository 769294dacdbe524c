"""What is sent is what arrives; what is not a message is refused whole, with every fault."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.exchange.codec import decode, encode
from clearing.exchange.messages import (
    AccountingResult,
    Acknowledgement,
    ClaimedTransaction,
    DisputeCode,
    DisputeResult,
    Message,
    Package,
    Ruling,
    Verdict,
)
from clearing.exchange.xml import MalformedMessage
from rulebook.calendar import BUSINESS_ZONE
from rulebook.money import Amount
from rulebook.record import Event

DATA = Path(__file__).parents[3] / "data" / "exchange"
CENTRES = st.binary(min_size=8, max_size=8)
FEN = st.integers(0, 0xFFFFFFFF)
NUMBERS = st.integers(1, 2**63 - 1)
PRINTABLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)).map(  # noqa: DTZ001 (the zone comes next)
    lambda moment: moment.replace(microsecond=0, tzinfo=BUSINESS_ZONE)
)


def _transactions(issuer: bytes) -> st.SearchStrategy[ClaimedTransaction]:
    return st.builds(
        ClaimedTransaction,
        number=st.just(0),
        event=st.sampled_from([Event.RIDE, Event.ENTRY, Event.EXIT]),
        line=st.text(PRINTABLE, max_size=8),
        place=st.text(PRINTABLE, max_size=12),
        issuer=st.just(issuer),
        serial=st.binary(min_size=10, max_size=10),
        purse=st.integers(0, 255),
        sequence=st.integers(0, 0xFFFF),
        balance_before_minor=FEN,
        amount_minor=FEN,
        key_version=st.integers(0, 255),
        algorithm=st.integers(0, 255),
        transaction_type=st.integers(0, 255),
        sam_terminal=st.binary(min_size=6, max_size=6),
        sam_sequence=FEN,
        stamp=st.binary(min_size=7, max_size=7),
        tac=st.binary(min_size=4, max_size=4),
    )


@st.composite
def packages(draw: st.DrawFn) -> Package:
    issuer = draw(CENTRES)
    drafts = draw(st.lists(_transactions(issuer), min_size=1, max_size=4))
    numbered = tuple(replace(each, number=place) for place, each in enumerate(drafts, start=1))
    return Package(draw(CENTRES), draw(CENTRES), draw(NUMBERS), draw(st.dates(date(2020, 1, 1))), issuer, numbered)


@st.composite
def accounting_results(draw: st.DrawFn) -> AccountingResult:
    disputed = draw(st.dictionaries(st.integers(1, 50), st.sampled_from(DisputeCode), max_size=5))
    return AccountingResult(
        draw(CENTRES), draw(CENTRES), draw(NUMBERS), draw(CENTRES), draw(MOMENTS), 50, Amount(draw(FEN)), disputed
    )


@st.composite
def dispute_results(draw: st.DrawFn) -> DisputeResult:
    keys = draw(st.sets(st.tuples(st.integers(1, 4), st.integers(1, 9)), max_size=6))
    rulings = tuple(Ruling(*key, draw(st.sampled_from(Verdict)), draw(FEN)) for key in sorted(keys))
    return DisputeResult(draw(CENTRES), draw(CENTRES), draw(NUMBERS), draw(MOMENTS), rulings)


@settings(max_examples=120, deadline=None)
@given(st.one_of(packages(), accounting_results(), dispute_results()))
def test_what_is_sent_is_what_arrives(message: Message) -> None:
    content = encode(message)
    assert decode(content) == message
    assert encode(decode(content)) == content


PACKAGE = Package(
    sender=bytes.fromhex("01992000FFFFFFFF"),
    receiver=bytes.fromhex("01991000FFFFFFFF"),
    number=7,
    cleared_on=date(2026, 9, 15),
    issuer=bytes.fromhex("01991000FFFFFFFF"),
    transactions=tuple(
        ClaimedTransaction(
            number=number,
            event=Event.RIDE,
            line="N1",
            place="N1-01",
            issuer=bytes.fromhex("01991000FFFFFFFF"),
            serial=bytes.fromhex(f"03109910{number:012d}"),
            purse=2,
            sequence=number + 8,
            balance_before_minor=5000,
            amount_minor=amount,
            key_version=1,
            algorithm=0,
            transaction_type=6,
            sam_terminal=bytes.fromhex("992000000001"),
            sam_sequence=number,
            stamp=bytes.fromhex("20260915081500"),
            tac=bytes.fromhex("0A1B2C3D"),
        )
        # 1.10, 0.07 and 19.99 yuan are what binary fractions get wrong.
        for number, amount in enumerate((110, 7, 1999), start=1)
    ),
)
ACCOUNTING = AccountingResult(
    PACKAGE.receiver,
    PACKAGE.sender,
    7,
    PACKAGE.issuer,
    datetime(2026, 9, 16, 9, 30, tzinfo=BUSINESS_ZONE),
    3,
    Amount(2109),
    {2: DisputeCode.USER_STATE_CHANGED},
)
DISPUTE = DisputeResult(
    PACKAGE.receiver,
    PACKAGE.sender,
    1,
    datetime(2026, 9, 17, 9, 30, tzinfo=BUSINESS_ZONE),
    (Ruling(7, 2, Verdict.PAY, 7),),
)


@pytest.mark.parametrize(("name", "message"), [("package", PACKAGE), ("accounting", ACCOUNTING), ("dispute", DISPUTE)])
def test_the_form_stays(name: str, message: Message) -> None:
    golden = (DATA / f"{name}-1.xml").read_bytes()
    assert encode(message) == golden
    assert decode(golden) == message


TRANSACTION = re.compile(rb"\s*<Transaction>.*?</Transaction>", re.DOTALL)
SCHEMA, CONTENT = Acknowledgement.SCHEMA_ERROR, Acknowledgement.CONTENT_ERROR
DAMAGES = {
    "not XML": (b"</Message>", b"", SCHEMA, "not XML"),
    "another version": (b">00010000<", b">00020000<", Acknowledgement.VERSION_ERROR, "00020000"),
    "a kind that its body is not": (b"<MessageType>7<", b"<MessageType>5<", Acknowledgement.HEADER_ERROR, "(5, 5, 1)"),
    "a TAC too short": (b">0A1B2C3D<", b">0A1B2C<", SCHEMA, "0A1B2C"),
    "an amount with three decimals": (b"<Fee>1.10<", b"<Fee>1.100<", SCHEMA, "1.100"),
    "a wrong count": (b"<Count>3<", b"<Count>4<", CONTENT, "Count is 4"),
    "a wrong sum": (b"<Amount>21.16<", b"<Amount>21.17<", CONTENT, "Amount is 21.17"),
    "a gap in its numbers": (b"<TransId>3<", b"<TransId>4<", CONTENT, "TransId is 4"),
    "a card of another issuer": (
        b"<ICCard>\n        <IssuerId>0199100",
        b"<ICCard>\n        <IssuerId>0199300",
        CONTENT,
        "Transaction 1: IssuerId",
    ),
    "somebody else's number": (
        b"<MessageId>7</MessageId>\n    <Count",
        b"<MessageId>8</MessageId>\n    <Count",
        CONTENT,
        "8",
    ),
    "more than a purse holds": (b"<Fee>19.99<", b"<Fee>42949672.96<", CONTENT, "Transaction 3: Fee"),
    "a load": (b"<ServiceType>1<", b"<ServiceType>4<", CONTENT, "ServiceType is 4"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_package_is_refused(damage: str) -> None:
    right, wrong, code, said = DAMAGES[damage]
    content = encode(PACKAGE).replace(right, wrong, 1)
    assert content != encode(PACKAGE)
    with pytest.raises(MalformedMessage) as refused:
        decode(content)
    assert refused.value.code is code
    assert said in str(refused.value)


def test_every_fault_is_named() -> None:
    content = encode(PACKAGE)
    for right, wrong in (
        (b"<Count>3<", b"<Count>4<"),
        (b"<Amount>21.16<", b"<Amount>0.01<"),
        (b"<TransId>2<", b"<TransId>9<"),
    ):
        content = content.replace(right, wrong)
    with pytest.raises(MalformedMessage) as refused:
        decode(content)
    assert [fault.split(" is")[0] for fault in refused.value.faults] == ["Count", "Amount", "Transaction 2: TransId"]


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (b"<Result>3<", b"<Result>99<", "TransId 2: Result is 99"),
        (b"<DisputedCount>1<", b"<DisputedCount>2<", "DisputedCount is 2"),
        (b"T09:30:00", b"T24:00:00", "ProcessTime"),
        (b"2026-09-16T09:30:00", b"0001-01-01T00:00:00", "ProcessTime"),
    ],
)
def test_a_damaged_answer_is_refused(right: bytes, wrong: bytes, said: str) -> None:
    with pytest.raises(MalformedMessage, match=said):
        decode(encode(ACCOUNTING).replace(right, wrong))


def test_a_transaction_disputed_twice_is_refused() -> None:
    row = re.search(rb"\s*<DisputedRecord>.*</DisputedRecord>", encode(ACCOUNTING), re.DOTALL)
    assert row is not None
    twice = encode(ACCOUNTING).replace(row[0], 2 * row[0]).replace(b"<DisputedCount>1<", b"<DisputedCount>2<")
    with pytest.raises(MalformedMessage, match="more than once"):
        decode(twice)


def test_entities_are_not_expanded() -> None:
    content = encode(PACKAGE)
    head, rest = content.split(b"?>", 1)
    hostile = (
        head + b'?><!DOCTYPE Message [<!ENTITY e SYSTEM "file:///etc/hostname">]>' + rest.replace(b">N1<", b">&e;<")
    )
    with pytest.raises(MalformedMessage):
        decode(hostile)


def test_a_package_of_nothing_is_refused() -> None:
    with pytest.raises(MalformedMessage, match="Transaction"):
        decode(TRANSACTION.sub(b"", encode(PACKAGE)))
