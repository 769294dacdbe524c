"""What commands over clearing's database share: where it is, and a session that cannot write."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from sqlalchemy import NullPool, make_url
from sqlalchemy.exc import DBAPIError

from backoffice.database import Database, role_passwords, role_url
from backoffice.embedded import embedded_postgres

T = TypeVar("T")
URL_VARIABLE = "CITYCARD_DATABASE_URL"
DEMONSTRATION = "citycard_demonstration"
"""What ``citycard simulate`` calls its database in the data folder."""

DataFolder = Annotated[
    Path,
    typer.Option(
        envvar="CITYCARD_DATA_FOLDER", help=f"Of the demonstration; its database where {URL_VARIABLE} is not set."
    ),
]


def reading(data_folder: Path, work: Callable[[Database], Awaitable[T]]) -> T:
    """``work`` with a database to read from. Raises ``typer.BadParameter`` where there is none."""

    async def connected(url: str) -> T:
        database = Database(make_url(url), poolclass=NullPool)
        try:
            return await work(database)
        except (DBAPIError, OSError) as error:
            why = str(getattr(error, "orig", None) or error)
            raise typer.BadParameter(
                f"the database cannot be read: {why}; see {URL_VARIABLE} and --data-folder"
            ) from None
        finally:
            await database.close()

    if url := os.environ.get(URL_VARIABLE, ""):
        return asyncio.run(connected(url))
    if not (data_folder / "postgres").exists():
        raise typer.BadParameter(f"{data_folder} holds no database; set {URL_VARIABLE} or --data-folder")
    with embedded_postgres(data_folder / "postgres") as administrator:
        reader = role_url(administrator, "reader", role_passwords(data_folder), DEMONSTRATION)
        return asyncio.run(connected(reader.render_as_string(hide_password=False)))
