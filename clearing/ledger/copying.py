"""Transfers copied into their table: several times what INSERT reaches. SQLAlchemy has no COPY; asyncpg, below it, has."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
from asyncpg.exceptions import CharacterNotInRepertoireError, UniqueViolationError
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.ledger.tables import TransferRow

_NOT_OF_PLAIN = ["pending_id", "expires_on"]
"""NULL in the table where a transfer settles none and reserves nothing."""

# Quotes tell an empty text from a NULL, and no text can look like the end of the data.
_FORM = pc.WriteOptions(include_header=False, quoting_style="all_valid")


async def copy_plain(session: AsyncSession, table: pa.Table, now: datetime) -> bool:
    """Store transfers that settle none (columns of ``columns.TRANSFERS``), durable with the transaction. False, and nothing
    stored, where an id is there already or a text has a character that none of PostgreSQL holds."""
    # Everybody inserts in order of id: of two sets that share ids, one waits for the other and not both.
    rows = table.drop_columns(_NOT_OF_PLAIN).sort_by("id")
    rows = rows.append_column("recorded_at", pa.repeat(now.isoformat(), len(rows)))
    image = io.BytesIO()
    pc.write_csv(rows, image, _FORM)
    image.seek(0)
    try:
        async with session.begin_nested():
            # Asked for inside: the savepoint is set when somebody first wants the connection.
            connection: Any = await (await session.connection()).get_raw_connection()
            await connection.driver_connection.copy_to_table(
                TransferRow.__tablename__,
                schema_name=TransferRow.metadata.schema,
                columns=rows.column_names,
                source=image,
                format="csv",
            )
    except (UniqueViolationError, CharacterNotInRepertoireError):
        return False
    return True
