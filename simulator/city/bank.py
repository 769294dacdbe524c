"""The demonstration's bank: takes pain.001, answers camt.053 and camt.054. A simulator: no bank works like it.

It reads and writes the messages with its own few lines, so that clearing's are not judged by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum, unique
from xml.etree import ElementTree as ET

from clearing.participants.banking import BankAccount

_URN = "urn:iso:std:iso:20022:tech:xsd:"
_SIMULATOR = "SIMULATOR"  # in every message identification, so that nobody takes one for a bank's


@unique
class Form(StrEnum):
    CAMT_053_02 = "camt.053.001.02"
    CAMT_053_08 = "camt.053.001.08"
    CAMT_054_08 = "camt.054.001.08"


@dataclass(frozen=True, slots=True)
class Booking:
    """``amount_minor`` in fen, above zero came in. ``details``: (end-to-end id, fen, other side, remittance) of each
    transaction."""

    amount_minor: int
    day: date
    batch: str
    details: tuple[tuple[str, int, BankAccount, str], ...]


class DemonstrationBank:
    """``accounts``: by book, with what is on each at first (fen)."""

    def __init__(self, accounts: Mapping[str, tuple[BankAccount, int]]) -> None:
        self._accounts = dict(accounts)
        self._bookings: dict[str, list[tuple[str, Booking]]] = {book: [] for book in accounts}
        self._count = 0

    def book(self, book: str, booking: Booking) -> None:
        self._count += 1
        self._bookings[book].append((f"B{self._count:06d}", booking))

    def credit(self, book: str, minor: int, *, payer: BankAccount, remittance: str, day: date) -> None:
        """Somebody pays in."""
        self.book(book, Booking(minor, day, "", (("NOTPROVIDED", minor, payer, remittance),)))

    def take(self, payment_file: bytes, day: date, *, in_one_sum: bool = False) -> int:
        """Execute a pain.001.001.09; how many payments. Raises ``ValueError`` when it is not what it says of itself."""
        root = ET.fromstring(payment_file)  # noqa: S314 - a simulator reading its own side's file
        space = {"p": _URN + "pain.001.001.09"}
        payments = root.findall(".//p:CdtTrfTxInf", space)
        said = root.findtext(".//p:GrpHdr/p:NbOfTxs", "", space)
        if int(said) != len(payments):
            raise ValueError(f"the file says {said} transactions, it holds {len(payments)}")
        debtor = root.findtext(".//p:DbtrAcct/p:Id/p:Othr/p:Id", "", space)
        book = next(book for book, (account, _) in self._accounts.items() if account.number == debtor)
        details = tuple(_detail(payment, space) for payment in payments)
        batch = root.findtext(".//p:PmtInf/p:PmtInfId", "", space)
        if in_one_sum:
            self.book(book, Booking(-sum(minor for _, minor, _, _ in details), day, batch, ()))
        else:
            for detail in details:
                self.book(book, Booking(-detail[1], day, "", (detail,)))
        return len(payments)

    def balance(self, book: str, day: date) -> int:
        """At the end of ``day``."""
        return self._accounts[book][1] + sum(b.amount_minor for _, b in self._bookings[book] if b.day <= day)

    def statement(self, book: str, day: date, *, form: Form = Form.CAMT_053_08, message_id: str = "") -> bytes:
        """Everything of ``day`` between two balances."""
        document, report = self._report(form, book, day, message_id)
        opening = self.balance(book, date.fromordinal(day.toordinal() - 1))
        for code, minor in (("OPBD", opening), ("CLBD", self.balance(book, day))):
            balance = _add(report, "Bal")
            _add(_add(_add(balance, "Tp"), "CdOrPrtry"), "Cd", code)
            _amount(balance, minor)
            _add(_add(balance, "Dt"), "Dt", day.isoformat())
        self._entries(report, form, book, day)
        return _written(document)

    def advice(self, book: str, day: date, *, message_id: str = "") -> bytes:
        """The entries of ``day`` alone."""
        document, report = self._report(Form.CAMT_054_08, book, day, message_id)
        self._entries(report, Form.CAMT_054_08, book, day)
        return _written(document)

    def _report(self, form: Form, book: str, day: date, message_id: str) -> tuple[ET.Element, ET.Element]:
        statement = form is not Form.CAMT_054_08
        account = self._accounts[book][0]
        document = ET.Element("Document", {"xmlns": _URN + form})
        message = _add(document, "BkToCstmrStmt" if statement else "BkToCstmrDbtCdtNtfctn")
        moment = f"{day.isoformat()}T23:59:00+08:00"
        header = _add(message, "GrpHdr")
        _add(header, "MsgId", message_id or f"{_SIMULATOR}-{day:%Y%m%d}-{account.number[-4:]}")
        _add(header, "CreDtTm", moment)
        report = _add(message, "Stmt" if statement else "Ntfctn")
        _add(report, "Id", f"{_SIMULATOR}-{'S' if statement else 'A'}{day:%Y%m%d}-{account.number[-4:]}")
        _add(report, "CreDtTm", moment)
        _add(_add(_add(_add(report, "Acct"), "Id"), "Othr"), "Id", account.number)
        return document, report

    def _entries(self, report: ET.Element, form: Form, book: str, day: date) -> None:
        for reference, booking in self._bookings[book]:
            if booking.day == day:
                _entry(report, form, reference, booking)


def _entry(report: ET.Element, form: Form, reference: str, booking: Booking) -> None:
    entry = _add(report, "Ntry")
    _amount(entry, booking.amount_minor)
    status = _add(entry, "Sts", "BOOK" if form is Form.CAMT_053_02 else None)
    if form is not Form.CAMT_053_02:
        _add(status, "Cd", "BOOK")
    _add(_add(entry, "BookgDt"), "Dt", booking.day.isoformat())
    _add(entry, "AcctSvcrRef", reference)
    _add(_add(_add(entry, "BkTxCd"), "Prtry"), "Cd", _SIMULATOR)
    if not (booking.details or booking.batch):
        return
    details = _add(entry, "NtryDtls")
    if booking.batch:
        _add(_add(details, "Btch"), "PmtInfId", booking.batch)
    for end_to_end, minor, account, remittance in booking.details:
        _transaction(details, form, booking.amount_minor > 0, (end_to_end, minor, account, remittance))


def _transaction(parent: ET.Element, form: Form, credit: bool, detail: tuple[str, int, BankAccount, str]) -> None:
    end_to_end, minor, account, remittance = detail
    transaction = _add(parent, "TxDtls")
    _add(_add(transaction, "Refs"), "EndToEndId", end_to_end)
    if form is Form.CAMT_053_02:
        _add(_add(_add(transaction, "AmtDtls"), "TxAmt"), "Amt", _yuan(minor)).set("Ccy", "CNY")
    else:
        _amount(transaction, minor if credit else -minor)
    parties = _add(transaction, "RltdPties")
    side = "Dbtr" if credit else "Cdtr"
    party = _add(parties, side)
    _add(party if form is Form.CAMT_053_02 else _add(party, "Pty"), "Nm", account.name)
    _add(_add(_add(_add(parties, f"{side}Acct"), "Id"), "Othr"), "Id", account.number)
    if remittance:
        _add(_add(transaction, "RmtInf"), "Ustrd", remittance)


def _detail(payment: ET.Element, space: dict[str, str]) -> tuple[str, int, BankAccount, str]:
    account = BankAccount(
        number=payment.findtext("p:CdtrAcct/p:Id/p:Othr/p:Id", "", space),
        bank_code=payment.findtext("p:CdtrAgt/p:FinInstnId/p:ClrSysMmbId/p:MmbId", "", space),
        name=payment.findtext("p:Cdtr/p:Nm", "", space),
    )
    yuan, _, fen = payment.findtext("p:Amt/p:InstdAmt", "", space).partition(".")
    return payment.findtext("p:PmtId/p:EndToEndId", "", space), int(yuan) * 100 + int(fen), account, ""


def _amount(parent: ET.Element, minor: int) -> None:
    _add(parent, "Amt", _yuan(abs(minor))).set("Ccy", "CNY")
    _add(parent, "CdtDbtInd", "DBIT" if minor < 0 else "CRDT")


def _yuan(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


def _add(parent: ET.Element, tag: str, text: str | None = None) -> ET.Element:
    child = ET.SubElement(parent, tag)
    child.text = text
    return child


def _written(document: ET.Element) -> bytes:
    content: bytes = ET.tostring(document, encoding="UTF-8", xml_declaration=True)
    return content
