"""The transfers of a window in canonical order, numbered and hash-chained.

Canonical order is by id (Unicode code points): it does not depend on when anything arrived. A link's hash is
SHA-256(previous link's hash ‖ canonical form of the transfer); the first link of a book follows 32 zero bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from clearing.ledger.rules import Phase, Purpose, Transfer
from rulebook.money import Amount, Currency


@dataclass(frozen=True, slots=True)
class Link:
    """``number`` rises by one through all windows of a book, from 1; ``hash`` is 32 bytes."""

    number: int
    transfer_id: str
    hash: bytes


GENESIS = Link(0, "", bytes(32))
_JSON = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False
)  # made once: windows have 100,000s of transfers


def canonical(transfer: Transfer) -> bytes:
    """JSON of ``plain`` in UTF-8, keys sorted, no spaces."""
    return _JSON.encode(plain(transfer)).encode()


def plain(transfer: Transfer) -> dict[str, Any]:
    """The amount as minor units and currency; ``expires_on`` only where there is one, so that a transfer has the hash it had
    before the field was there."""
    fields: dict[str, Any] = {
        "amount_minor": transfer.amount.minor,
        "book": transfer.book,
        "business_day": transfer.business_day.isoformat(),
        "credit": transfer.credit,
        "currency": transfer.amount.currency,
        "debit": transfer.debit,
        "id": transfer.id,
        "pending_id": transfer.pending_id,
        "phase": transfer.phase,
        "purpose": transfer.purpose,
        "reference": transfer.reference,
    }
    if transfer.expires_on is not None:
        fields["expires_on"] = transfer.expires_on.isoformat()
    return fields


def read_back(fields: Mapping[str, Any]) -> Transfer:
    """The transfer whose ``plain`` form these ``fields`` are."""
    given = dict(fields)
    expires_on = given.pop("expires_on", None)
    return Transfer(
        amount=Amount(given.pop("amount_minor"), Currency(given.pop("currency"))),
        business_day=date.fromisoformat(given.pop("business_day")),
        purpose=Purpose(given.pop("purpose")),
        phase=Phase(given.pop("phase")),
        expires_on=None if expires_on is None else date.fromisoformat(expires_on),
        **given,
    )


def chain(transfers: Iterable[Transfer], previous: Link = GENESIS) -> list[Link]:
    """Links for ``transfers`` (any order, one book) after ``previous``, the last link of the book's earlier windows."""
    links: list[Link] = []
    for transfer in sorted(transfers, key=lambda t: t.id):
        digest = hashlib.sha256(previous.hash + canonical(transfer)).digest()
        previous = Link(previous.number + 1, transfer.id, digest)
        links.append(previous)
    return links
