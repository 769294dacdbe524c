"""The day's relational work as an engine is told it: Ibis, written once, said in the engine's own SQL."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from clearing.day.booking import CLAIM, booked
from clearing.day.fares import SHARES
from clearing.day.judging import judged
from clearing.day.registers import DAYS, DENY, DEVICES, LOADS, REGISTERED_CARDS

ENTRIES = pa.schema(
    [
        ("row", pa.int32()),
        ("key", pa.int64()),
        ("card", pa.binary()),
        ("purse", pa.int16()),
        ("load", pa.bool_()),
        ("card_sequence", pa.int32()),
        ("device", pa.int32()),
        ("sequence", pa.int64()),
        ("intent_sequence", pa.int64()),
        ("kind", pa.int8()),
        ("event", pa.int8()),
        ("outcome", pa.int8()),
        ("verdict", pa.int8()),
        ("key_version", pa.int16()),
        ("rider", pa.int8()),
        ("amount", pa.int64()),
        ("at", pa.int64()),
        ("business_day", pa.int32()),
        ("sam_terminal", pa.int64()),
        ("list_version", pa.int64()),
        ("line", pa.int64()),
        ("origin", pa.int64()),
        ("destination", pa.int64()),
        ("pricing", pa.int8()),
        ("expected", pa.int64()),
        ("concession", pa.int64()),
        ("fare", pa.int64()),
        ("plain", pa.bool_()),
        ("ours", pa.bool_()),
        ("tac_right", pa.bool_()),
        ("away", pa.bool_()),
    ]
)
"""What an entry is judged and booked by; the rest of it stays where it was read."""

_GIVEN = {
    "entries": ENTRIES,
    "devices": DEVICES,
    "cards": REGISTERED_CARDS,
    "loads": LOADS,
    "deny": DENY,
    "days": DAYS,
    "shares": SHARES,
}
_ENDS = ("row", "reason", "operated_by", "settled", "held")
_CLAIMS = ibis.schema(dict(CLAIM))


@dataclass(frozen=True, slots=True)
class Question:
    """``schema``: what the answer is to be; engines widen sums and nullability as they like."""

    query: str
    schema: pa.Schema

    @classmethod
    def of(cls, expression: ir.Table, dialect: str) -> Question:
        return cls(str(ibis.to_sql(expression, dialect=dialect)), expression.schema().to_pyarrow())


@dataclass(frozen=True, slots=True)
class Plan:
    """``judged`` becomes a table of that name; then each of ``questions`` is asked."""

    judged: Question
    questions: dict[str, Question]


@cache
def plain_plan(dialect: str) -> Plan:
    """Judges and books ``entries``; the other tables are the registers, ``days`` and ``shares``."""
    tables = {name: ibis.table(_schema(given), name=name) for name, given in _GIVEN.items()}
    ended = judged(tables)
    ended = ended.select(*_ENDS, *(name for name, _ in CLAIM if name not in _ENDS))
    known = ibis.table(ended.schema(), name="judged")
    answers = {"ends": known.select(*_ENDS)} | booked(known, tables["shares"])
    return Plan(Question.of(ended, dialect), {name: Question.of(answer, dialect) for name, answer in answers.items()})


@cache
def odd_plan(dialect: str) -> dict[str, Question]:
    """Books ``claims`` that were judged one by one."""
    claims, shares = ibis.table(_CLAIMS, name="claims"), ibis.table(_schema(SHARES), name="shares")
    return {name: Question.of(answer, dialect) for name, answer in booked(claims, shares).items()}


def _schema(schema: pa.Schema) -> ibis.Schema:
    widths = [field.with_type(pa.binary()) if pa.types.is_fixed_size_binary(field.type) else field for field in schema]
    return ibis.Schema.from_pyarrow(pa.schema(widths))
