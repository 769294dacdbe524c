"""What carries out the day's relational work. Tables go in and come out as Arrow; in what order rows come out is open."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol, TypeAlias

import pyarrow as pa

from clearing.day.plans import Question, booking, judging
from clearing.day.proof import Keys
from clearing.day.schema import Columns, Flags

Tables: TypeAlias = Mapping[str, pa.Table]
Answers: TypeAlias = dict[str, pa.Table]


class Session(Protocol):
    """One piece of work; what it was given is gone when it ends."""

    def give(self, name: str, rows: pa.Table) -> None: ...

    def ask(self, query: str) -> pa.Table: ...


class Engine(Protocol):
    """``dialect``: Ibis' name of its SQL."""

    dialect: str

    def session(self) -> AbstractContextManager[Session]: ...

    def macs_right(self, entries: Columns, keys: Keys) -> Flags:
        """``proof.macs_right``, where the engine has its processors."""
        ...


def judge(engine: Engine, tables: Tables) -> pa.Table:
    """``judging.ENDS`` of the plain ones of ``entries``. ``tables``: those of ``plans.judging``."""
    return _answers(engine, tables, {"ends": judging(engine.dialect)})["ends"]


def book(engine: Engine, claims: pa.Table, shares: pa.Table) -> Answers:
    """What ``booking.booked`` answers. ``claims``: ``booking.CLAIM`` but for ``NAMED``."""
    return _answers(engine, {"claims": claims, "shares": shares}, booking(engine.dialect))


def _answers(engine: Engine, tables: Tables, questions: Mapping[str, Question]) -> Answers:
    with engine.session() as session:
        for name, rows in tables.items():
            session.give(name, rows)
        return {name: session.ask(question.query).cast(question.schema) for name, question in questions.items()}
