"""camt in and pain out: exact, whole or refused whole."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.participants.banking import BankAccount
from clearing.reconciliation.camt import read_message
from clearing.reconciliation.model import BankReport, MessageKind
from clearing.reconciliation.money import NotAnAmount, parse, render
from clearing.reconciliation.paging import Page, joined, missing
from clearing.reconciliation.pain import Payment, PaymentOrder, write
from clearing.reconciliation.xml import MalformedMessage, read, text
from rulebook.money import Amount
from simulator.city.bank import Booking, DemonstrationBank, Form

DATA = Path(__file__).parents[3] / "data" / "bank"
OURS = BankAccount(number="0200000109000000017", bank_code="102100099996", name="市民卡公司备付金专户")
THEIRS = BankAccount(number="9558800200000000011", bank_code="102100099996", name="公交甲公司")
DAY = date(2026, 9, 16)


def reports(content: bytes) -> list[BankReport]:
    return [joined([page]) for page in read_message(content)]


def bank(opening: int = 100_000) -> DemonstrationBank:
    made = DemonstrationBank({"transit": (OURS, opening)})
    made.credit("transit", 12_345, payer=THEIRS, remittance="C1-x-fund", day=DAY)
    return made


@given(st.integers(0, 10**17))
def test_precision_is_not_lost_in_floats(minor: int) -> None:
    """Regression of others: 90071992547409.93 through a float is another amount."""
    assert parse(render(Amount(minor)), "CNY") == Amount(minor)


def test_an_amount_beyond_a_floats_precision_is_exact() -> None:
    assert parse("90071992547409.93", "CNY").minor == 9_007_199_254_740_993
    assert float("90071992547409.93") * 100 != 9_007_199_254_740_993


@pytest.mark.parametrize("written", ["12.345", "", ".", "1e3", "1,00", "-1.00", "１２", "NaN", "92233720368547758.08"])
def test_what_is_no_amount_of_fen_is_refused(written: str) -> None:
    with pytest.raises(NotAnAmount):
        parse(written, "CNY")


@pytest.mark.parametrize(
    ("written", "minor"),
    [("12", 1200), ("12.3", 1230), (".5", 50), ("7.", 700), ("0.0100", 1), ("92233720368547758.07", 2**63 - 1)],
)
def test_each_form_of_a_decimal_is_read(written: str, minor: int) -> None:
    assert parse(written, "CNY").minor == minor


def test_another_currency_is_refused() -> None:
    with pytest.raises(NotAnAmount, match="EUR"):
        parse("1.00", "EUR")


@pytest.mark.parametrize("form", [Form.CAMT_053_02, Form.CAMT_053_08])
def test_both_versions_of_a_statement_say_the_same(form: Form) -> None:
    (found,) = reports(bank().statement("transit", DAY, form=form))
    assert (found.kind, found.account, found.closed_on) == (MessageKind.STATEMENT, OURS.number, DAY)
    assert (found.opening_minor, found.closing_minor, found.moved) == (100_000, 112_345, Amount(12_345))
    (entry,) = found.entries
    (detail,) = entry.details
    assert (entry.amount_minor, entry.booked_on) == (12_345, DAY)
    assert (detail.account, detail.name, detail.remittance) == (THEIRS.number, THEIRS.name, "C1-x-fund")


def test_both_versions_have_one_digest() -> None:
    every = [reports(bank().statement("transit", DAY, form=form))[0] for form in (Form.CAMT_053_02, Form.CAMT_053_08)]
    assert every[0].digest() == every[1].digest()


def test_an_advice_has_no_balances() -> None:
    (found,) = reports(bank().advice("transit", DAY))
    assert found.kind is MessageKind.ADVICE
    assert (found.opening_minor, found.closing_minor) == (None, None)
    assert [entry.amount_minor for entry in found.entries] == [12_345]


def _faults(content: bytes) -> tuple[str, ...]:
    with pytest.raises(MalformedMessage) as caught:
        reports(content)
    return caught.value.faults


def test_every_fault_of_a_message_is_told_at_once() -> None:
    faults = _faults((DATA / "camt053.v8.xml").read_bytes())
    assert len(faults) == 4
    assert all("currency" in fault for fault in faults)


def test_a_foreign_advice_is_refused_whole() -> None:
    assert len(_faults((DATA / "camt054.v8.xml").read_bytes())) == 4


def test_details_that_do_not_add_up_to_the_entry_are_a_fault() -> None:
    made = DemonstrationBank({"transit": (OURS, 0)})
    made.book("transit", Booking(300, DAY, "", (("E1", 100, THEIRS, ""), ("E2", 201, THEIRS, ""))))
    assert "add up to 301 fen, the entry is 300" in _faults(made.statement("transit", DAY))[0]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ((b"<Cd>CLBD</Cd>", b"<Cd>ITBD</Cd>"), "0 balances CLBD"),
        ((b'<Amt Ccy="CNY">123.45<', b'<Amt Ccy="CNY">123.456<'), "finer than a fen"),
        ((b"CRDT", b"PLUS"), "PLUS"),
        ((b"<?xml", b"<!DOCTYPE d [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><?xml"), "not XML"),
        ((b"camt.053.001.08", b"camt.053.001.11"), "namespace"),
    ],
    ids=["no closing balance", "finer than a fen", "against the schema", "doctype before", "unknown version"],
)
def test_a_spoilt_message_is_refused(change: tuple[bytes, bytes], fault: str) -> None:
    content = bank().statement("transit", DAY)
    spoilt = content.replace(*change)
    assert spoilt != content
    assert any(fault in each for each in _faults(spoilt))


def test_a_doctype_is_refused_and_its_entity_not_read() -> None:
    content = bank().statement("transit", DAY)
    head, rest = content.split(b"\n", 1)
    assert _faults(head + b"<!DOCTYPE Document [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>" + rest)


@given(st.binary(max_size=200))
def test_rubbish_is_refused_as_such(content: bytes) -> None:
    assert _faults(content)


def test_one_reference_on_two_entries_is_a_fault() -> None:
    made = bank()
    made.credit("transit", 1, payer=THEIRS, remittance="", day=DAY)
    content = made.statement("transit", DAY)
    assert "on more than one entry" in _faults(content.replace(b"B000002", b"B000001"))[0]


def order(*amounts: int) -> PaymentOrder:
    payments = [
        Payment(id=f"P1-abc-1-{number}", participant="bus-a", amount=Amount(minor), account=THEIRS)
        for number, minor in enumerate(amounts, 1)
    ]
    made_at = datetime.fromisoformat("2026-09-15T23:30:00+08:00")
    return PaymentOrder(id="P1-abc-1", debtor=OURS, execute_on=DAY, made_at=made_at, payments=payments)


def test_a_payment_file_holds_a_chinese_account_without_iban() -> None:
    name, root = read(write(order(1205, 9_007_199_254_740_993)), ["pain.001.001.09"])
    assert name == "pain.001.001.09"
    assert text(root, "CstmrCdtTrfInitn/GrpHdr/NbOfTxs") == "2"
    assert text(root, "CstmrCdtTrfInitn/GrpHdr/CtrlSum") == "90071992547421.98"
    assert text(root, "CstmrCdtTrfInitn/PmtInf/DbtrAcct/Id/Othr/Id") == OURS.number
    assert text(root, "CstmrCdtTrfInitn/PmtInf/DbtrAgt/FinInstnId/ClrSysMmbId/MmbId") == OURS.bank_code
    assert root.find(".//{*}IBAN") is None


def test_an_identification_that_does_not_fit_is_told() -> None:
    with pytest.raises(MalformedMessage, match="35"):
        write(
            PaymentOrder(id="P" * 36, debtor=OURS, execute_on=DAY, made_at=order().made_at, payments=order(1).payments)
        )


def test_the_bank_counts_what_a_payment_file_says_of_itself() -> None:
    """The sample says two transactions and holds five."""
    with pytest.raises(ValueError, match="2 transactions, it holds 5"):
        DemonstrationBank({}).take((DATA / "pain.001.001.09.xml").read_bytes(), DAY)


def test_a_repeat_in_another_envelope_has_the_same_digest() -> None:
    first, again = (reports(bank().statement("transit", DAY, message_id=name))[0] for name in ("M1", "M2"))
    assert isinstance(first, BankReport)
    assert first.digest() == again.digest()


def _paged(content: bytes, number: int, last: bool, *, form: Form = Form.CAMT_053_08) -> bytes:
    """As page ``number``; .08 says so in the statement, .02 in the message's header."""
    mark = f"<PgNb>{number}</PgNb><LastPgInd>{str(last).lower()}</LastPgInd>".encode()
    if form is Form.CAMT_053_02:
        return content.replace(b"</GrpHdr>", b"<MsgPgntn>" + mark + b"</MsgPgntn></GrpHdr>")
    return re.sub(rb"(<Stmt><Id>[^<]*</Id>)", rb"\1<StmtPgntn>" + mark + b"</StmtPgntn>", content)


def _without(content: bytes, *tags: bytes) -> bytes:
    """Without what is written as one of ``tags``, e.g. ``Ntry`` or the balance of a code."""
    for tag in tags:
        content = re.sub(
            rb"<Bal><Tp><CdOrPrtry><Cd>" + tag + rb".*?</Bal>|<" + tag + rb">.*?</" + tag + rb">", b"", content
        )
    return content


def in_pages(form: Form) -> list[Page]:
    """Opening balance and the first entry; the second entry; the third and the closing balance."""
    made = bank()
    made.credit("transit", 1, payer=THEIRS, remittance="two", day=DAY)
    made.credit("transit", 10, payer=THEIRS, remittance="three", day=DAY)
    whole = made.statement("transit", DAY, form=form)
    entries = re.findall(rb"<Ntry>.*?</Ntry>", whole)
    kept = [
        _without(whole, b"CLBD").replace(entries[1], b"").replace(entries[2], b""),
        _without(whole, b"OPBD").replace(entries[0], b"").replace(entries[2], b"").replace(b"CLBD", b"ITBD"),
        _without(whole, b"OPBD").replace(entries[0], b"").replace(entries[1], b""),
    ]
    return [page for n, each in enumerate(kept, 1) for page in read_message(_paged(each, n, n == 3, form=form))]


@pytest.mark.parametrize("form", [Form.CAMT_053_02, Form.CAMT_053_08])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)], ids=["in order", "last first"])
def test_pages_in_any_order_make_the_statement(form: Form, order: tuple[int, ...]) -> None:
    pages = in_pages(form)
    assert [(page.number, page.last) for page in pages] == [(1, False), (2, False), (3, True)]
    found = joined([pages[place] for place in order])
    assert (found.opening_minor, found.closing_minor, found.closed_on) == (100_000, 112_356, DAY)
    assert [entry.amount_minor for entry in found.entries] == [12_345, 1, 10]


@pytest.mark.parametrize(
    ("there", "left"),
    [((0,), "2 and on"), ((0, 1), "3 and on"), ((2,), "1, 2"), ((0, 2), "2"), ((1,), "1, 3 and on"), ((0, 1, 2), "")],
)
def test_pages_that_are_missing_are_named(there: tuple[int, ...], left: str) -> None:
    pages = in_pages(Form.CAMT_053_08)
    assert missing([pages[place] for place in there]) == left


def test_pages_that_do_not_fit_are_refused_with_every_fault() -> None:
    first, second, third = in_pages(Form.CAMT_053_08)
    wrong = replace(third, report=replace(third.report, opening_minor=1, entries=first.report.entries))
    with pytest.raises(MalformedMessage) as caught:
        joined([first, replace(second, last=True), wrong])
    assert [fault.partition(": ")[2] for fault in caught.value.faults] == [
        "page 2 is the last, and another follows",
        "bank reference B000001 is on more than one entry",
        "2 balances OPBD; a statement has exactly one",
    ]


def test_a_complete_statement_in_a_message_of_several_is_no_page() -> None:
    content = _paged(bank().statement("transit", DAY, form=Form.CAMT_053_02), 2, False, form=Form.CAMT_053_02)
    assert [page.whole for page in read_message(content)] == [True]


def test_pages_count_from_one() -> None:
    assert _faults(_paged(bank().statement("transit", DAY), 0, True))[0].endswith("page 0; pages count from 1")
