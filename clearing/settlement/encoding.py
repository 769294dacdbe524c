"""The result of a window as bytes and back. Canonical JSON in UTF-8: equal results are equal bytes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple
from datetime import date
from typing import Any

from clearing.ledger.chain import Link, canonical
from clearing.ledger.rules import Phase, Purpose, Transfer
from clearing.settlement.model import DecidedRecord, NumberedTransfer, Position, Remark, WindowResult
from clearing.verification.context import Settled, TransactionId
from clearing.verification.reasons import Reason, RemarkKind, Status
from clearing.verification.rules import Decision
from rulebook.money import Amount, Currency
from rulebook.record import Kind


def canonical_json(value: Any) -> bytes:
    """Keys sorted, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def encode(result: WindowResult) -> bytes:
    posted = {transfer.id for transfer in result.posted}
    return canonical_json(
        {
            "window": result.number,
            "decided": [_decided(row) for row in result.decided],
            "remarks": [[r.kind, r.subject, r.participant, r.amount_minor, r.detail] for r in result.remarks],
            "transfers": [
                [
                    numbered.link.number,
                    numbered.link.hash.hex(),
                    numbered.transfer.id in posted,
                    json.loads(canonical(numbered.transfer)),
                ]
                for numbered in result.transfers
            ],
            "positions": [list(astuple(position)) for position in result.positions],
            "settled": {
                str(id_): [known.fingerprint.hex(), known.evidence.name] for id_, known in result.settled.items()
            },
            "held": {str(id_): minor for id_, minor in result.held.items()},
            "next_sequence": {
                f"{issuer.hex()}:{serial.hex()}:{purse}": sequence
                for (issuer, serial, purse), sequence in result.next_sequence.items()
            },
        }
    )


def digest(encoded: bytes) -> bytes:
    """SHA-256: what a result is named by."""
    return hashlib.sha256(encoded).digest()


def decode(raw: bytes) -> WindowResult:
    """What ``encode`` was given."""
    plain = json.loads(raw)
    transfers = [(_numbered(number, link, fields), posted) for number, link, posted, fields in plain["transfers"]]
    return WindowResult(
        number=plain["window"],
        decided=tuple(map(_decided_back, plain["decided"])),
        remarks=tuple(Remark(RemarkKind(kind), *rest) for kind, *rest in plain["remarks"]),
        posted=tuple(sorted((n.transfer for n, posted in transfers if posted), key=lambda t: t.id)),
        transfers=tuple(numbered for numbered, _ in transfers),
        positions=tuple(Position(*fields) for fields in plain["positions"]),
        settled={
            TransactionId.parse(id_): Settled(bytes.fromhex(fingerprint), Kind[evidence])
            for id_, (fingerprint, evidence) in plain["settled"].items()
        },
        held={TransactionId.parse(id_): minor for id_, minor in plain["held"].items()},
        next_sequence={
            (bytes.fromhex(issuer), bytes.fromhex(serial), int(purse)): sequence
            for counter, sequence in plain["next_sequence"].items()
            for issuer, serial, purse in [counter.split(":")]
        },
    )


def _decided(row: DecidedRecord) -> list[Any]:
    decision = row.decision
    ends = [*decision.record, decision.status, decision.reason, decision.operator]
    return [*ends, str(row.transaction), row.event, row.kind, row.amount_minor]


def _decided_back(fields: list[Any]) -> DecidedRecord:
    device, sequence, status, reason, operator, transaction, event, kind, minor = fields
    decision = Decision((device, sequence), Status(status), Reason(reason), operator)
    return DecidedRecord(decision, TransactionId.parse(transaction), event, kind, minor)


def _numbered(number: int, link_hash: str, fields: dict[str, Any]) -> NumberedTransfer:
    transfer = Transfer(
        id=fields["id"],
        book=fields["book"],
        debit=fields["debit"],
        credit=fields["credit"],
        amount=Amount(fields["amount_minor"], Currency(fields["currency"])),
        purpose=Purpose(fields["purpose"]),
        business_day=date.fromisoformat(fields["business_day"]),
        phase=Phase(fields["phase"]),
        pending_id=fields["pending_id"],
        reference=fields["reference"],
    )
    return NumberedTransfer(transfer, Link(number, transfer.id, bytes.fromhex(link_hash)))
