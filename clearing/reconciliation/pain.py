"""Payments for the bank: pain.001.001.09, one message for one book, held to its schema before it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from lxml import etree

from clearing.participants.banking import BankAccount
from clearing.reconciliation.money import render
from clearing.reconciliation.xml import NAMESPACE, Element, check
from rulebook.money import Amount

MESSAGE = "pain.001.001.09"
_CNAPS = "CNAPS"  # ExternalClearingSystemIdentification1Code: China National Advanced Payment System, 12 digits


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """``id``: end-to-end identification, ours, at most 35 characters; it comes back with the bank's entry."""

    id: str
    participant: str
    amount: Amount
    account: BankAccount


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentOrder:
    """``id`` (at most 35 characters) names message and payment block, so that a bank's entry for all of it is recognised."""

    id: str
    debtor: BankAccount
    execute_on: date
    made_at: datetime
    payments: Sequence[Payment]

    @property
    def total(self) -> Amount:
        return Amount(sum(payment.amount.minor for payment in self.payments))


def write(order: PaymentOrder) -> bytes:
    """The message. Raises ``clearing.reconciliation.xml.MalformedMessage`` where a value does not fit the standard."""
    root = etree.Element(_tag("Document"), nsmap={None: NAMESPACE + MESSAGE})
    message = _add(root, "CstmrCdtTrfInitn")
    header = _add(message, "GrpHdr")
    _add(header, "MsgId", order.id)
    _add(header, "CreDtTm", order.made_at.isoformat(timespec="seconds"))
    _totals(header, order)
    _add(_add(header, "InitgPty"), "Nm", order.debtor.name)
    block = _add(message, "PmtInf")
    _add(block, "PmtInfId", order.id)
    _add(block, "PmtMtd", "TRF")
    _totals(block, order)
    _add(_add(block, "ReqdExctnDt"), "Dt", order.execute_on.isoformat())
    _party(block, "Dbtr", order.debtor)
    for payment in order.payments:
        _transaction(block, payment)
    check(root, MESSAGE)
    written: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return written


def _totals(parent: Element, order: PaymentOrder) -> None:
    _add(parent, "NbOfTxs", str(len(order.payments)))
    _add(parent, "CtrlSum", render(order.total))


def _transaction(block: Element, payment: Payment) -> None:
    transaction = _add(block, "CdtTrfTxInf")
    _add(_add(transaction, "PmtId"), "EndToEndId", payment.id)
    _add(_add(transaction, "Amt"), "InstdAmt", render(payment.amount)).set("Ccy", payment.amount.currency)
    _agent(transaction, "CdtrAgt", payment.account)
    _add(_add(transaction, "Cdtr"), "Nm", payment.account.name)
    _account(transaction, "CdtrAcct", payment.account)
    _add(_add(transaction, "RmtInf"), "Ustrd", payment.id)


def _party(parent: Element, name: str, account: BankAccount) -> None:
    _add(_add(parent, name), "Nm", account.name)
    _account(parent, f"{name}Acct", account)
    _agent(parent, f"{name}Agt", account)


def _account(parent: Element, name: str, account: BankAccount) -> None:
    """No IBAN in China: the number as the bank's own."""
    other = _add(_add(_add(parent, name), "Id"), "Othr")
    _add(other, "Id", account.number)
    _add(_add(other, "SchmeNm"), "Cd", "BBAN")


def _agent(parent: Element, name: str, account: BankAccount) -> None:
    member = _add(_add(_add(parent, name), "FinInstnId"), "ClrSysMmbId")
    _add(_add(member, "ClrSysId"), "Cd", _CNAPS)
    _add(member, "MmbId", account.bank_code)


def _add(parent: Element, name: str, value: str | None = None) -> Element:
    child = etree.SubElement(parent, _tag(name))
    child.text = value
    return child


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}{MESSAGE}}}{name}"
