"""What each database role may do to what is written for good, and what role reader sees of persons and passwords."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from sqlalchemy import URL, NullPool, text
from sqlalchemy.exc import DBAPIError

from backoffice.database import SERVICES, Database, role_passwords

# Tables that only grow (docs/doors.md, migrations): nobody's own service can rewrite its past.
GROWING = {
    "issuing": ("audit_trail", "key_log", "stock_move", "outbox", "person", "register_file"),
    "clearing": (
        "audit_trail",
        "ledger_transfer",
        "ledger_link",
        "batch",
        "conflict",
        "load_record",
        "operators_file",
        "record_exception",
        "cleared_file",
        "counter_file",
        "case_step",
        "device_step",
        "deny_change",
        "exchange_message",
        "settlement_leg",
        "payment",
        "bank_allocation",
        "medical_settlement",
    ),
}

_A_COLUMN = """SELECT column_name FROM information_schema.columns
WHERE table_schema = :s AND table_name = :t AND is_identity = 'NO' LIMIT 1"""


@pytest.mark.parametrize("change", ["DELETE FROM {}", "TRUNCATE {}", "UPDATE {} SET {} = {}", "DROP TABLE {}"])
@pytest.mark.parametrize(("schema", "table"), [(schema, table) for schema in SERVICES for table in GROWING[schema]])
async def test_a_service_cannot_rewrite_what_only_grows(
    role_urls: dict[str, URL], schema: str, table: str, change: str
) -> None:
    name = f"{schema}.{table}"
    async with Database(role_urls[schema], poolclass=NullPool).reading() as session:
        column = await session.scalar(
            text(_A_COLUMN),
            {"s": schema, "t": table},
        )
    assert column is not None, name
    statement = change.format(name, f'"{column}"', f'"{column}"')
    with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
        async with Database(role_urls[schema], poolclass=NullPool).transaction() as session:
            await session.execute(text(statement))


@pytest.mark.parametrize("schema", SERVICES)
async def test_a_service_cannot_give_itself_a_role_or_a_password(role_urls: dict[str, URL], schema: str) -> None:
    for column, value in (("roles", "'{approver}'"), ("password_hash", "'x'")):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with Database(role_urls[schema], poolclass=NullPool).transaction() as session:
                await session.execute(text(f"UPDATE {schema}.staff SET {column} = {value}"))


@pytest.mark.parametrize("schema", SERVICES)
async def test_reader_reads_but_no_password_hash(role_urls: dict[str, URL], schema: str) -> None:
    async with Database(role_urls["reader"], poolclass=NullPool).reading() as session:
        await session.execute(text(f"SELECT name, roles FROM {schema}.staff"))
        await session.execute(text(f"SELECT * FROM {schema}.audit_trail"))
        with pytest.raises(DBAPIError, match="permission denied"):
            await session.execute(text(f"SELECT password_hash FROM {schema}.staff"))


@pytest.mark.parametrize("schema", SERVICES)
async def test_reader_writes_nowhere(role_urls: dict[str, URL], schema: str) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        async with Database(role_urls["reader"], poolclass=NullPool).transaction() as session:
            await session.execute(text(f"DELETE FROM {schema}.audit_trail"))


def test_the_roles_passwords_are_their_owners_only(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    passwords = role_passwords(folder)
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(set(passwords.values())) == len(passwords) == 4
    assert role_passwords(folder) == passwords
