"""What carries out the day's relational work. Tables go in and come out as Arrow; in what order rows come out is open."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol, TypeAlias

import pyarrow as pa

from clearing.day.plans import Question, odd_plan, plain_plan
from clearing.day.proof import Keys
from clearing.day.schema import Columns, Flags

Tables: TypeAlias = Mapping[str, pa.Table]
Answers: TypeAlias = dict[str, pa.Table]


class Session(Protocol):
    """One piece of work; what it was given and what it keeps is gone when it ends."""

    def give(self, name: str, rows: pa.Table) -> None: ...

    def keep(self, name: str, query: str) -> None:
        """The answer as a table, for several questions."""
        ...

    def ask(self, query: str) -> pa.Table: ...


class Engine(Protocol):
    """``dialect``: Ibis' name of its SQL."""

    dialect: str

    def session(self) -> AbstractContextManager[Session]: ...

    def macs_right(self, entries: Columns, keys: Keys) -> Flags:
        """``proof.macs_right``, where the engine has its processors."""
        ...


def judge_and_book(engine: Engine, tables: Tables) -> Answers:
    """Of plain transactions: ``ends``, and what ``booking.booked`` answers. ``tables``: those of ``plans.plain_plan``."""
    plan = plain_plan(engine.dialect)
    with engine.session() as session:
        for name, rows in tables.items():
            session.give(name, rows)
        session.keep("judged", plan.judged.query)
        return _answers(session, plan.questions)


def book(engine: Engine, claims: pa.Table, shares: pa.Table) -> Answers:
    """The same for claims that were judged one by one."""
    with engine.session() as session:
        session.give("claims", claims)
        session.give("shares", shares)
        return _answers(session, odd_plan(engine.dialect))


def _answers(session: Session, questions: Mapping[str, Question]) -> Answers:
    return {name: session.ask(question.query).cast(question.schema) for name, question in questions.items()}
