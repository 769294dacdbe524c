"""Transactions of any other shape: judged one by one by ``verification.rules.judge``, their ends put back as columns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clearing.day.entries import date_of, entries_of, rider_number
from clearing.day.fares import Fare
from clearing.day.model import CARDS, Day, DayInputs
from clearing.day.schema import Columns
from clearing.verification.context import CardId, Context, KnownCard, TransactionId
from clearing.verification.joining import Claim, RecordId, join, record_id
from clearing.verification.rules import Judged, judge
from rulebook.record import Record
from rulebook.record.columns import columns_of

Proof: TypeAlias = Callable[[Iterable[Claim]], Collection[Claim]]


@dataclass(frozen=True, slots=True)
class OddEnds:
    """``records``: the columns of ``ENTRY`` of every record, one row each. ``claims``: those of what settles or is held, taken
    from the row whose fields the TAC covers; ``fares``: at least theirs."""

    judged: tuple[Judged, ...]
    records: Columns
    claims: Columns
    fares: Mapping[int, Fare]


def judge_odd(
    ids: Iterable[RecordId],
    raw: Callable[[str, int], bytes],
    *,
    day: Day,
    cards: pa.Table,
    proof: Proof,
) -> OddEnds:
    """``ids`` name every record of the transactions."""
    rows = {id_: raw(*id_) for id_ in ids}
    transactions = join(map(Record.decode, rows.values()))
    ours = day.inputs.policy.our_issuers
    right = proof([claim for t in transactions if t.id.issuer in ours for claim in t.claims()])
    context = _context({t.id for t in transactions}, day.inputs, cards)
    judged = tuple(judge(transaction, right, context) for transaction in transactions)
    every = [record_id(record) for one in judged for record in one.transaction.records]
    claimed = [record_id(claim.inputs) for one in judged if (claim := one.settled or one.held)]
    records, claims = _columns(every, rows, day, priced=False), _columns(claimed, rows, day, priced=True)
    return OddEnds(judged, records, claims, day.reading.pricer.fares)


def _context(ids: Collection[TransactionId], inputs: DayInputs, cards: pa.Table) -> Context:
    return Context(
        business_day=inputs.business_day,
        policy=inputs.policy,
        devices=inputs.devices,
        sams=inputs.sams,
        cards=known_cards(cards, {id_.card for id_ in ids}),
        deny=inputs.deny,
        tariffs=inputs.tariffs,
        loads={id_: load for id_ in ids if (load := inputs.loads.get(id_)) is not None},
        settled=inputs.history.settled(ids),
        held={id_: minor for id_ in ids if (minor := inputs.held.get(id_)) is not None},
        decided={id_: released for id_ in ids if (released := inputs.decided.get(id_)) is not None},
    )


def known_cards(cards: pa.Table, wanted: Collection[CardId]) -> dict[CardId, KnownCard]:
    """Those of ``CARDS`` that are wanted."""
    names = pa.array(sorted({issuer + serial for issuer, serial in wanted}), pa.binary(18))
    found = cards.filter(pc.is_in(cards.column("card"), value_set=names)).select(CARDS.names)
    return {
        (card[:8], card[8:]): KnownCard(version, rider_class, date_of(valid_from), date_of(valid_to))
        for card, version, rider_class, valid_from, valid_to in zip(
            *(column.to_pylist() for column in found.columns), strict=True
        )
    }


def _columns(ids: list[RecordId], raw: Mapping[RecordId, bytes], day: Day, *, priced: bool) -> Columns:
    rows = columns_of(b"".join(raw[id_] for id_ in ids))
    numbers = np.array([day.device_numbers[device] for device, _ in ids], dtype=np.int32)
    return entries_of(rows, numbers, day.reading, priced=priced)


def claims_of(odd: OddEnds, day: Day, cards: pa.Table) -> Columns:
    """The columns of ``booking.CLAIM`` of odd claims, but for ``row``."""
    inputs = day.inputs
    judged = [one for one in odd.judged if one.settled or one.held]
    known = known_cards(cards, {one.transaction.id.card for one in judged})
    riders = [rider_number(c.rider_class) if (c := known.get(one.transaction.id.card)) else -1 for one in judged]
    posted = [load.posted if (load := inputs.loads.get(one.transaction.id)) else False for one in judged]
    names = [claim.inputs.device for one in judged if (claim := one.settled or one.held)]
    devices = [inputs.devices.get(name) for name in names]
    return odd.claims | {
        "operated_by": np.array([day.operator_numbers[d.operator] if d else -1 for d in devices], dtype=np.int32),
        "registered": np.array(riders, dtype=np.int8),
        "load_posted": np.array(posted, dtype=np.bool_),
        "settled": np.array([one.settled is not None for one in judged], dtype=np.bool_),
        "held": np.array([one.held is not None for one in judged], dtype=np.bool_),
        "held_before": np.array([inputs.held.get(one.transaction.id, -1) for one in judged], dtype=np.int64),
    }
