"""Staff accounts, their sign-in and the audit trail: the tables each service keeps a copy of in its own schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    DateTime,
    Identity,
    Integer,
    MetaData,
    Table,
    Text,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

FAILURES_BEFORE_LOCK = 5
LOCK_TIME = timedelta(minutes=15)
_HASHER = PasswordHasher()


@dataclass(frozen=True, slots=True)
class StaffTables:
    """``staff`` and ``audit_trail`` in one service's schema."""

    staff: Table
    audit_trail: Table


def declare(metadata: MetaData) -> StaffTables:
    """Put the two tables on a service's ``metadata``."""
    staff = Table(
        "staff",
        metadata,
        Column("name", Text, primary_key=True),
        Column("password_hash", Text, nullable=False),
        Column("roles", ARRAY(Text), nullable=False),
        Column("failures", Integer, nullable=False, server_default="0"),
        Column("locked_until", DateTime(timezone=True)),
    )
    audit_trail = Table(
        "audit_trail",
        metadata,
        Column("number", BigInteger, Identity(always=True), primary_key=True),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("actor", Text, nullable=False),
        Column("act", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("detail", JSONB, nullable=False),
    )
    return StaffTables(staff, audit_trail)


@dataclass(frozen=True, slots=True)
class Staff:
    """Somebody signed in."""

    name: str
    roles: frozenset[str]

    @property
    def is_guest(self) -> bool:
        """Of a participant, which every role names (``operator:<id>``): to be shown what is the participant's own."""
        return bool(self.roles) and all(":" in role for role in self.roles)


@dataclass(frozen=True, slots=True)
class DemonstrationAccount:
    """With a visible password. A real deployment has none of them and signs in by OpenID Connect."""

    password: str = field(repr=False)
    roles: tuple[str, ...]


class Accounts:
    """Sign-in against one service's tables."""

    def __init__(self, tables: StaffTables) -> None:
        self._staff = tables.staff
        self._audit = tables.audit_trail

    async def seed(self, session: AsyncSession, name: str, password: str, roles: Sequence[str]) -> None:
        """Add an account unless there is one of that name."""
        if await session.scalar(select(self._staff.c.name).where(self._staff.c.name == name)) is None:
            await session.execute(
                insert(self._staff).values(name=name, password_hash=_HASHER.hash(password), roles=list(roles))
            )

    async def sign_in(self, session: AsyncSession, name: str, password: str, now: datetime) -> Staff | None:
        """The account, or None for a wrong name, a wrong password or a locked account; five failures lock it for a
        quarter of an hour (GB/T 22239-2019 level 3: limit attempts). Every try is in the audit trail, without the name
        where there is none such: it may be a password in the wrong field."""
        row = (await session.execute(select(self._staff).where(self._staff.c.name == name).with_for_update())).first()
        if row is None:
            _HASHER.hash(password)  # an unknown name must not be told from a wrong password by the time it takes
            await self.record(session, now=now, actor="unknown", act="sign-in refused", subject="unknown")
            return None
        locked = row.locked_until is not None and row.locked_until > now
        accepted = _matches(row.password_hash, password) and not locked
        await self.record(session, now=now, actor=name, act="sign-in" if accepted else "sign-in refused", subject=name)
        if not locked:  # a try at a locked account neither opens it nor locks it for longer
            await self._count(session, name, 0 if accepted else row.failures + 1, now)
        return Staff(row.name, frozenset(row.roles)) if accepted else None

    async def _count(self, session: AsyncSession, name: str, failures: int, now: datetime) -> None:
        locks = failures >= FAILURES_BEFORE_LOCK
        change = update(self._staff).where(self._staff.c.name == name)
        await session.execute(
            change.values(failures=0 if locks else failures, locked_until=now + LOCK_TIME if locks else None)
        )

    async def find(self, session: AsyncSession, name: str) -> Staff | None:
        row = (await session.execute(select(self._staff).where(self._staff.c.name == name))).first()
        return Staff(row.name, frozenset(row.roles)) if row else None

    async def record(
        self, session: AsyncSession, *, now: datetime, actor: str, act: str, subject: str, **detail: Any
    ) -> None:
        """One line of the audit trail: who did or saw what, when. Never a secret or a clear personal datum."""
        await session.execute(insert(self._audit).values(at=now, actor=actor, act=act, subject=subject, detail=detail))

    async def trail(self, session: AsyncSession, limit: int = 200) -> Sequence[Any]:
        """The newest lines first."""
        return (await session.execute(select(self._audit).order_by(self._audit.c.number.desc()).limit(limit))).all()


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except VerifyMismatchError:
        return False
