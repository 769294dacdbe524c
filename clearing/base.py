"""The schema ``clearing``: what every table of this service is declared on."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ARRAY, ColumnElement, MetaData, Text, cast, func
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute

from backoffice.staff import Accounts, declare

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(schema="clearing", naming_convention=NAMING)


def among(column: InstrumentedAttribute[str], values: Iterable[str]) -> ColumnElement[bool]:
    """``column`` is one of ``values``, however many: IN sends each as an argument of its own, and PostgreSQL takes 32,767."""
    return column == func.any(cast(list(values), ARRAY(Text)))


staff_tables = declare(Base.metadata)
accounts = Accounts(staff_tables)
