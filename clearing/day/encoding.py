"""What a group of buckets found, as JSON and back: kept so that a run that was killed need not find it again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import date
from typing import Any

from clearing.day.parquet import Written
from clearing.day.posting import FareSet
from clearing.ledger import chain
from clearing.ledger.rules import Transfer
from clearing.settlement.model import DecidedRecord, Remark
from clearing.verification.context import TransactionId
from clearing.verification.reasons import RULES, Reason, RemarkKind, Status
from clearing.verification.rules import Decision


@dataclass(frozen=True, slots=True)
class Found:
    """``counts``: records by how they ended. ``held``: fen newly on "open taps", ``released``: what is there no more."""

    counts: Counter[Status]
    exceptions: tuple[DecidedRecord, ...]
    remarks: tuple[Remark, ...]
    sets: Mapping[FareSet, tuple[int, int]]
    single: tuple[Transfer, ...]
    held: Mapping[TransactionId, int]
    released: tuple[TransactionId, ...]
    cleared: tuple[Written, ...]
    counters: tuple[Written, ...]


def encode(found: Found) -> bytes:
    plain = {
        "counts": dict(found.counts),
        "exceptions": [_decided(row) for row in found.exceptions],
        "remarks": [astuple(remark) for remark in found.remarks],
        "sets": [[f"{s.business_day:%F}", s.operator, s.line, s.bearer, *sums] for s, sums in found.sets.items()],
        "single": [chain.plain(transfer) for transfer in found.single],
        "held": {str(id_): minor for id_, minor in found.held.items()},
        "released": [str(id_) for id_ in found.released],
        "cleared": [astuple(written) for written in found.cleared],
        "counters": [astuple(written) for written in found.counters],
    }
    return json.dumps(plain, sort_keys=True, ensure_ascii=False).encode()


def decode(raw: bytes) -> Found:
    """What ``encode`` was given."""
    plain = json.loads(raw)
    return Found(
        counts=Counter({Status(status): count for status, count in plain["counts"].items()}),
        exceptions=tuple(_decided_back(*fields) for fields in plain["exceptions"]),
        remarks=tuple(Remark(RemarkKind(kind), *rest) for kind, *rest in plain["remarks"]),
        sets={
            FareSet(date.fromisoformat(day), operator, line, bearer): (minor, count)
            for day, operator, line, bearer, minor, count in plain["sets"]
        },
        single=tuple(map(chain.read_back, plain["single"])),
        held={TransactionId.parse(id_): minor for id_, minor in plain["held"].items()},
        released=tuple(map(TransactionId.parse, plain["released"])),
        cleared=tuple(Written(*fields) for fields in plain["cleared"]),
        counters=tuple(Written(*fields) for fields in plain["counters"]),
    )


def _decided(row: DecidedRecord) -> list[Any]:
    decision = row.decision
    return [
        *decision.record,
        decision.reason,
        decision.operator,
        str(row.transaction),
        row.event,
        row.kind,
        row.amount_minor,
    ]


def _decided_back(
    device: str, sequence: int, reason: str, operator: str, transaction: str, event: str, kind: str, minor: int
) -> DecidedRecord:
    decision = Decision((device, sequence), RULES[Reason(reason)].status, Reason(reason), operator)
    return DecidedRecord(decision, TransactionId.parse(transaction), event, kind, minor)
