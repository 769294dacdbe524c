"""The roles and what they may see, in a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import URL, NullPool, StaticPool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.database import SERVICES, Database
from backoffice.migration import upgrade
from clearing.base import accounts as clearing_accounts

NOW = datetime(2026, 9, 15, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(("role", "other"), [("issuing", "clearing"), ("clearing", "issuing")])
async def test_a_service_role_cannot_read_the_other_schema(role_urls: dict[str, URL], role: str, other: str) -> None:
    database = Database(role_urls[role], poolclass=NullPool)
    with pytest.raises(DBAPIError, match="permission denied for schema"):
        async with database.reading() as session:
            await session.execute(text(f"SELECT * FROM {other}.staff"))


@pytest.mark.parametrize("role", [*SERVICES, "owner", "reader"])
async def test_no_role_is_a_superuser(role_urls: dict[str, URL], role: str) -> None:
    database = Database(role_urls[role], poolclass=NullPool)
    async with database.reading() as session:
        assert await session.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")) is False


async def test_migrating_twice_changes_nothing(role_urls: dict[str, URL]) -> None:
    await upgrade(role_urls["owner"], "clearing")


async def test_a_read_session_cannot_write(role_urls: dict[str, URL]) -> None:
    database = Database(role_urls["clearing"], poolclass=NullPool)
    with pytest.raises(DBAPIError, match="read-only transaction"):
        async with database.reading() as session:
            await clearing_accounts.seed(session, "nobody", "secret", [])


async def test_a_kept_connection_that_read_can_write_and_reads_one_moment(role_urls: dict[str, URL]) -> None:
    database = Database(role_urls["clearing"], poolclass=StaticPool)
    isolation = text("SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')")
    seen = []
    for open_session in (database.transaction, database.reading) * 2:
        async with open_session() as session:
            seen.append(tuple((await session.execute(isolation)).one()))
    assert seen == [("read committed", "off"), ("repeatable read", "on")] * 2
    await database.close()


async def test_the_audit_trail_only_grows(clearing_session: AsyncSession) -> None:
    await clearing_accounts.record(clearing_session, now=NOW, actor="a", act="looked", subject="x")
    with pytest.raises(DBAPIError, match="permission denied"):
        await clearing_session.execute(text("DELETE FROM clearing.audit_trail"))


async def test_five_wrong_passwords_lock_the_account(clearing_session: AsyncSession) -> None:
    await clearing_accounts.seed(clearing_session, "wang", "right", ["settlement"])
    for _ in range(5):
        assert await clearing_accounts.sign_in(clearing_session, "wang", "wrong", NOW) is None
    assert await clearing_accounts.sign_in(clearing_session, "wang", "right", NOW) is None
    later = NOW.replace(hour=9)
    staff = await clearing_accounts.sign_in(clearing_session, "wang", "right", later)
    assert staff is not None
    assert staff.roles == {"settlement"}
