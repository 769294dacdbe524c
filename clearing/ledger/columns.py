"""A set of transfers as columns, and the cheap look that tells whether it can be stored as it stands. Pure.

What the ledger accepts is defined by ``rules.decide_all``, one transfer after the other. A set is *plain* where that could
not refuse any of it in whatever order: simple transfers under ids of their own, between accounts that are there, which together
stay within what each limited account had before. Such a set needs no look at each transfer; every other one gets it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from clearing.ledger.accounts import Limit
from clearing.ledger.rules import NOTHING_MOVED, Counters, Phase, Purpose, Standing, Transfer, added
from rulebook.money import Amount, Currency

TRANSFERS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("book", pa.string(), nullable=False),
        pa.field("debit", pa.string(), nullable=False),
        pa.field("credit", pa.string(), nullable=False),
        pa.field("amount_minor", pa.int64(), nullable=False),  # fen
        pa.field("currency", pa.string(), nullable=False),
        pa.field("purpose", pa.string(), nullable=False),
        pa.field("business_day", pa.date32(), nullable=False),
        pa.field("phase", pa.string(), nullable=False),
        pa.field("pending_id", pa.string(), nullable=False),  # empty: settles none
        pa.field("reference", pa.string(), nullable=False),
        pa.field("expires_on", pa.date32()),
    ]
)
"""The fields of ``rules.Transfer`` by their names."""

Key = tuple[str, str]
"""Book and code of an account."""

_PURPOSES = frozenset(map(str, Purpose))
_TEXTS = ("id", "book", "debit", "credit", "purpose", "phase", "pending_id", "reference")
_DATES = ("business_day", "expires_on")
_LARGEST_SUM = 2**62
"""Sums of columns wrap around without a word at 2**63."""


def columns_of(transfers: Sequence[Transfer]) -> pa.Table:
    """One row for each, in their order."""
    columns: dict[str, Sequence[str | int | date | None]] = {
        name: [getattr(t, name) for t in transfers] for name in (*_TEXTS, *_DATES)
    }
    columns["amount_minor"] = [t.amount.minor for t in transfers]
    columns["currency"] = [t.amount.currency for t in transfers]
    return pa.table(columns, schema=TRANSFERS)


def transfers_of(table: pa.Table) -> list[Transfer]:
    """Raises ``ValueError`` for a purpose, phase or currency that does not exist."""
    return [_transfer(**row) for row in table.to_pylist()]


def _transfer(*, amount_minor: int, currency: str, purpose: str, phase: str, **others: Any) -> Transfer:
    return Transfer(
        amount=Amount(amount_minor, Currency(currency)),
        purpose=Purpose(purpose),
        phase=Phase(phase),
        **others,
    )


def checked(table: pa.Table) -> pa.Table:
    """``table`` with the columns of ``TRANSFERS`` in their order. Raises ``ValueError`` naming what is missing or empty."""
    if missing := [name for name in TRANSFERS.names if name not in table.column_names]:
        raise ValueError(f"columns {', '.join(missing)} are missing; transfers have {', '.join(TRANSFERS.names)}")
    if empty := [field.name for field in TRANSFERS if not field.nullable and table[field.name].null_count]:
        raise ValueError(f"columns {', '.join(empty)} have nulls; an absent text is empty")
    return table.select(TRANSFERS.names).cast(TRANSFERS)


def accounts_of(table: pa.Table) -> set[Key]:
    """Every account that a transfer of ``table`` names."""
    pairs = table.select(["book", "debit", "credit"]).group_by(["book", "debit", "credit"]).aggregate([]).to_pylist()
    return {(pair["book"], pair[side]) for pair in pairs for side in ("debit", "credit")}


def plain_changes(table: pa.Table, standings: Mapping[Key, Standing]) -> dict[Key, Counters] | None:
    """What the set adds to each account's counters, or None where it must be looked at one by one. ``standings``: the
    accounts it names, as far as they exist. That no id was used before is left to the database."""
    if not _is_simple(table):
        return None
    changes = _changes(table, standings)
    if changes is None or not all(_is_covered(standings[key], change) for key, change in changes.items()):
        return None
    return changes


def _is_simple(table: pa.Table) -> bool:
    amounts = table["amount_minor"]
    return bool(
        pc.all(pc.equal(table["phase"], Phase.SINGLE)).as_py()
        and table["expires_on"].null_count == len(table)
        and pc.all(pc.equal(table["pending_id"], "")).as_py()
        and pc.all(pc.not_equal(table["id"], "")).as_py()
        and pc.all(pc.not_equal(table["debit"], table["credit"])).as_py()
        and pc.min(amounts).as_py() > 0
        and pc.max(amounts).as_py() <= _LARGEST_SUM // len(table)
        and set(pc.unique(table["purpose"]).to_pylist()) <= _PURPOSES
        and pc.count_distinct(table["id"]).as_py() == len(table)
    )


def _changes(table: pa.Table, standings: Mapping[Key, Standing]) -> dict[Key, Counters] | None:
    """None where an account is missing or has another currency."""
    pairs = table.group_by(["book", "debit", "credit", "currency"]).aggregate([("amount_minor", "sum")])
    changes: dict[Key, Counters] = {}
    for pair in pairs.to_pylist():
        minor = pair["amount_minor_sum"]
        for side, change in (("debit", Counters(debits_posted=minor)), ("credit", Counters(credits_posted=minor))):
            key = (pair["book"], pair[side])
            standing = standings.get(key)
            if standing is None or standing.account.currency != pair["currency"]:
                return None
            changes[key] = added(changes.get(key, NOTHING_MOVED), change)
    return changes


def _is_covered(standing: Standing, change: Counters) -> bool:
    """Also if everything that goes against the limit came first."""
    against = {
        Limit.NONE: 0,
        Limit.DEBITS_MUST_NOT_EXCEED_CREDITS: change.debits_posted,
        Limit.CREDITS_MUST_NOT_EXCEED_DEBITS: change.credits_posted,
    }[standing.account.rule.limit]
    return standing.headroom_minor is None or against <= standing.headroom_minor
