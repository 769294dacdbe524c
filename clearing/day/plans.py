"""The day's relational work as an engine is told it: Ibis, written once, said in the engine's own SQL."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from clearing.day.booking import CLAIM, NAMED, booked
from clearing.day.fares import SHARES
from clearing.day.judging import judged
from clearing.day.registers import DAYS, DENY, DEVICES, LOADS, REGISTERED_CARDS

ENTRIES = pa.schema(
    [
        ("row", pa.int32()),
        ("card", pa.binary()),
        ("purse", pa.int16()),
        ("load", pa.bool_()),
        ("card_sequence", pa.int32()),
        ("device", pa.int32()),
        ("intent_sequence", pa.int64()),
        ("kind", pa.int8()),
        ("event", pa.int8()),
        ("outcome", pa.int8()),
        ("verdict", pa.int8()),
        ("key_version", pa.int16()),
        ("amount", pa.int64()),
        ("at", pa.int64()),
        ("business_day", pa.int32()),
        ("sam_terminal", pa.int64()),
        ("list_version", pa.int64()),
        ("plain", pa.bool_()),
        ("ours", pa.bool_()),
        ("tac_right", pa.bool_()),
        ("away", pa.bool_()),
    ]
)
"""What an entry is judged by; the rest of it stays where it was read."""

_GIVEN = {"entries": ENTRIES, "devices": DEVICES, "cards": REGISTERED_CARDS, "loads": LOADS, "deny": DENY, "days": DAYS}
_CLAIM = ibis.schema({name: CLAIM[name] for name in CLAIM.names or () if name not in NAMED})


@dataclass(frozen=True, slots=True)
class Question:
    """``schema``: what the answer is to be; engines widen sums and nullability as they like."""

    query: str
    schema: pa.Schema

    @classmethod
    def of(cls, expression: ir.Table, dialect: str) -> Question:
        return cls(str(ibis.to_sql(expression, dialect=dialect)), expression.schema().to_pyarrow())


@cache
def judging(dialect: str) -> Question:
    """How the plain ones of ``entries`` end; the other tables are the registers and ``days``."""
    return Question.of(judged({name: ibis.table(_schema(given), name=name) for name, given in _GIVEN.items()}), dialect)


@cache
def booking(dialect: str) -> dict[str, Question]:
    """What ``claims`` come to (``booking.booked``), by what each of their fares' ``shares`` bear."""
    claims, shares = ibis.table(_CLAIM, name="claims"), ibis.table(_schema(SHARES), name="shares")
    return {name: Question.of(answer, dialect) for name, answer in booked(claims, shares).items()}


def _schema(schema: pa.Schema) -> ibis.Schema:
    widths = [field.with_type(pa.binary()) if pa.types.is_fixed_size_binary(field.type) else field for field in schema]
    return ibis.Schema.from_pyarrow(pa.schema(widths))
