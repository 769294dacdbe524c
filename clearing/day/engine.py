"""What carries out the day's relational work. Tables go in and come out as Arrow; in what order rows come out is open."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol, TypeAlias

import ibis.expr.types as ir
import pyarrow as pa

from clearing.day.booking import booked
from clearing.day.judging import Days, judged
from clearing.day.proof import Keys
from clearing.day.schema import Columns, Flags

Answers: TypeAlias = dict[str, pa.Table]

ENDS = ("row", "reason", "operated_by", "registered", "settled", "held")
REGISTERS = ("devices", "cards", "loads", "deny")


class Session(Protocol):
    """One piece of work; what it was given and what it keeps is gone when it ends."""

    def table(self, name: str, rows: pa.Table) -> ir.Table: ...

    def kept(self, name: str, expression: ir.Table) -> ir.Table:
        """Computed once for several questions."""
        ...

    def answer(self, expression: ir.Table) -> pa.Table: ...


class Engine(Protocol):
    def session(self) -> AbstractContextManager[Session]: ...

    def macs_right(self, entries: Columns, keys: Keys) -> Flags:
        """``proof.macs_right``, where the engine has its processors."""
        ...


def judge_and_book(engine: Engine, tables: dict[str, pa.Table], days: Days) -> Answers:
    """Of plain transactions: ``ends``, and what ``booking.booked`` answers. ``tables``: entries, shares and ``REGISTERS``."""
    with engine.session() as session:
        given = {name: session.table(name, rows) for name, rows in tables.items()}
        known = session.kept("judged", judged(given, days))
        answers = {"ends": session.answer(known.select(*ENDS))}
        return answers | {name: session.answer(sets) for name, sets in booked(known, given["shares"]).items()}


def book(engine: Engine, claims: pa.Table, shares: pa.Table) -> Answers:
    """The same for claims that were judged one by one."""
    with engine.session() as session:
        sets = booked(session.table("claims", claims), session.table("shares", shares))
        return {name: session.answer(expression) for name, expression in sets.items()}
