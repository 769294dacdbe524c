"""The result of a window as bytes and back. Canonical JSON in UTF-8: equal results are equal bytes."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import astuple
from functools import lru_cache
from typing import Any

from clearing.day.parquet import Written
from clearing.ledger.chain import Link, plain, read_back
from clearing.participants import carrying
from clearing.settlement.model import DecidedRecord, NumberedTransfer, Position, Remark, WindowResult
from clearing.verification.context import TransactionId
from clearing.verification.reasons import Reason, RemarkKind, Status
from clearing.verification.rules import Decision


def canonical_json(value: Any) -> bytes:
    """Keys sorted, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def encode(result: WindowResult) -> bytes:
    posted = {transfer.id for transfer in result.posted}
    return canonical_json(
        {
            "window": result.number,
            "counts": {status: count for status, count in result.counts.items() if count},
            "exceptions": [_decided(row) for row in result.exceptions],
            "remarks": [[r.kind, r.subject, r.participant, r.amount_minor, r.detail] for r in result.remarks],
            "transfers": [
                [
                    numbered.link.number,
                    numbered.link.hash.hex(),
                    numbered.transfer.id in posted,
                    plain(numbered.transfer),
                ]
                for numbered in result.transfers
            ],
            "positions": [list(astuple(position)) for position in result.positions],
            "held": {str(id_): minor for id_, minor in result.held.items()},
            "cleared": [list(astuple(written)) for written in result.cleared],
            "counters": [list(astuple(written)) for written in result.counters],
            "running": carrying.plain(result.running),
        }
    )


def digest(encoded: bytes) -> bytes:
    """SHA-256: what a manifest or a result is named by."""
    return hashlib.sha256(encoded).digest()


@lru_cache(maxsize=2)
def decode(raw: bytes) -> WindowResult:
    """What ``encode`` was given. The last ones are remembered: they never change, and every page asks for one."""
    given = json.loads(raw)
    transfers = [(_numbered(number, link, fields), posted) for number, link, posted, fields in given["transfers"]]
    return WindowResult(
        number=given["window"],
        counts=Counter({Status(status): count for status, count in given["counts"].items()}),
        exceptions=tuple(map(_decided_back, given["exceptions"])),
        remarks=tuple(Remark(RemarkKind(kind), *rest) for kind, *rest in given["remarks"]),
        posted=tuple(sorted((n.transfer for n, posted in transfers if posted), key=lambda t: t.id)),
        transfers=tuple(numbered for numbered, _ in transfers),
        positions=tuple(Position(*fields) for fields in given["positions"]),
        held={TransactionId.parse(id_): minor for id_, minor in given["held"].items()},
        cleared=tuple(Written(*fields) for fields in given["cleared"]),
        counters=tuple(Written(*fields) for fields in given["counters"]),
        running=carrying.read_back(given["running"]),
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
    transfer = read_back(fields)
    return NumberedTransfer(transfer, Link(number, transfer.id, bytes.fromhex(link_hash)))
