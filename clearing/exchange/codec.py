"""Exchange messages as XML and back: whole, or refused with every fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from clearing.exchange.messages import (
    KINDS,
    VERSION,
    AccountingResult,
    Acknowledgement,
    DisputeResult,
    Message,
    MessageKind,
    Package,
)
from clearing.exchange.reading import read_accounting, read_dispute, read_package
from clearing.exchange.xml import Element, MalformedMessage, begun, parse, put, token, written
from rulebook.calendar import BUSINESS_ZONE
from rulebook.money import Amount

_REQUEST = 5
# Message class, message type and content type, as published.
_FORMS: Mapping[MessageKind, tuple[int, int, int]] = {
    MessageKind.PACKAGE: (_REQUEST, 7, 1),
    MessageKind.ACCOUNTING: (_REQUEST, 5, 1),
    MessageKind.DISPUTE: (_REQUEST, 7, 2),
}
_READERS: Mapping[MessageKind, Callable[[Element, list[str]], Message]] = {
    MessageKind.PACKAGE: read_package,
    MessageKind.ACCOUNTING: read_accounting,
    MessageKind.DISPUTE: read_dispute,
}
_FIRST = {
    "ClearTargetDate": MessageKind.PACKAGE,
    "ServiceProviderId": MessageKind.ACCOUNTING,
    "ClearingOperatorId": MessageKind.DISPUTE,
}
"""By the first element of the body, in which the three differ."""


def decode(content: bytes) -> Message:
    """Raises ``MalformedMessage``."""
    root = parse(content)
    body = root[1]
    kind = _FIRST[body[0].tag.rpartition("}")[2]]
    said = (
        int(token(root, "Header/MessageClass")),
        int(token(root, "Header/MessageType")),
        int(body.attrib["ContentType"]),
    )
    if said != _FORMS[kind]:
        detail = f"MessageClass, MessageType and ContentType are {said}; a message with this body has {_FORMS[kind]}"
        raise MalformedMessage(Acknowledgement.HEADER_ERROR, [detail])
    faults: list[str] = []
    message = _READERS[kind](root, faults)
    if faults:
        raise MalformedMessage(Acknowledgement.CONTENT_ERROR, faults)
    return message


def encode(message: Message) -> bytes:
    """Equal messages give equal bytes."""
    root = begun("Message")
    message_class, message_type, content_type = _FORMS[KINDS[type(message)]]
    header = put(root, "Header")
    put(header, "Version", VERSION)
    put(header, "MessageClass", message_class)
    put(header, "MessageType", message_type)
    put(header, "SenderId", _hex(message.sender))
    put(header, "ReceiverId", _hex(message.receiver))
    put(header, "MessageId", message.number)
    body = put(root, "Body", ContentType=str(content_type))
    match message:
        case Package():
            _write_package(body, message)
        case AccountingResult():
            _write_accounting(body, message)
        case DisputeResult():
            _write_dispute(body, message)
    return written(root)


def _write_package(body: Element, package: Package) -> None:
    put(body, "ClearTargetDate", package.cleared_on.isoformat())
    put(body, "ServiceProviderId", _hex(package.sender))
    put(body, "IssuerId", _hex(package.issuer))
    put(body, "MessageId", package.number)
    put(body, "Count", len(package.transactions))
    put(body, "Amount", package.amount)
    for each in package.transactions:
        transaction = put(body, "Transaction")
        put(transaction, "TransId", each.number)
        put(transaction, "Time", _hex(each.stamp))
        put(transaction, "Fee", Amount(each.amount_minor))
        service = put(transaction, "Service")
        put(service, "ServiceType", int(each.event))
        put(service, "Description", each.line)
        put(service, "Detail", each.place)
        card = put(transaction, "ICCard")
        put(card, "IssuerId", _hex(each.issuer))
        put(card, "CardId", _hex(each.serial))
        put(card, "Purse", each.purse)
        put(card, "TransNo", f"{each.sequence:04X}")
        put(card, "PreBalance", Amount(each.balance_before_minor))
        validation = put(transaction, "Validation")
        put(validation, "TAC", _hex(each.tac))
        put(validation, "TransType", f"{each.transaction_type:02X}")
        put(validation, "TerminalNo", _hex(each.sam_terminal))
        put(validation, "TerminalTransNo", f"{each.sam_sequence:08X}")
        put(validation, "KeyVersion", f"{each.key_version:02X}")
        put(validation, "Algorithm", f"{each.algorithm:02X}")


def _write_accounting(body: Element, result: AccountingResult) -> None:
    put(body, "ServiceProviderId", _hex(result.receiver))
    put(body, "IssuerId", _hex(result.issuer))
    put(body, "MessageId", result.number)
    put(body, "ProcessTime", _time(result.processed_at))
    put(body, "Count", result.count)
    put(body, "Amount", result.confirmed)
    put(body, "DisputedCount", len(result.disputed))
    for number, code in sorted(result.disputed.items()):
        disputed = put(body, "DisputedRecord")
        put(disputed, "TransId", number)
        put(disputed, "Result", int(code))


def _write_dispute(body: Element, result: DisputeResult) -> None:
    put(body, "ClearingOperatorId", _hex(result.sender))
    put(body, "ServiceProviderId", _hex(result.receiver))
    put(body, "ProcessTime", _time(result.processed_at))
    put(body, "Count", len(result.rulings))
    put(body, "Amount", result.paid)
    put(body, "FileId", result.number)
    for package in sorted({ruling.package for ruling in result.rulings}):
        rulings = [ruling for ruling in result.rulings if ruling.package == package]
        of_package = put(body, "MessageList")
        put(of_package, "MessageId", package)
        put(of_package, "Count", len(rulings))
        put(of_package, "Amount", Amount(sum(ruling.amount_minor for ruling in rulings)))
        for ruling in rulings:
            transaction = put(of_package, "Transaction")
            put(transaction, "TransId", ruling.transaction)
            put(transaction, "Fee", Amount(ruling.amount_minor))
            put(transaction, "Result", int(ruling.verdict))


def _hex(value: bytes) -> str:
    return value.hex().upper()


def _time(moment: datetime) -> str:
    return moment.astimezone(BUSINESS_ZONE).isoformat(timespec="seconds")
