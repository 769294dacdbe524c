"""``citycard ledger``: is every link of the chain where it was, what stood on an account, and the books for others to check."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import NullPool, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.database import Database, role_passwords, role_url
from backoffice.embedded import embedded_postgres
from clearing.ledger import queries
from clearing.ledger.chain import GENESIS
from clearing.ledger.export import Program, journal
from clearing.ledger.service import account_faults, chain_faults
from rulebook.calendar import BUSINESS_ZONE

T = TypeVar("T")
URL_VARIABLE = "CITYCARD_DATABASE_URL"

app = typer.Typer(no_args_is_help=True, help="The ledger: verify its chain, balances at any time, export the books.")
DataFolder = Annotated[
    Path,
    typer.Option(envvar="CITYCARD_DATA_FOLDER", help=f"Of the demonstration, where {URL_VARIABLE} is not set."),
]
DEMONSTRATION = "citycard_demonstration"
"""What ``citycard simulate`` calls its database in the data folder."""
Book = Annotated[str, typer.Option(help="One book; all of them by default.")]


@app.command()
def verify(book: Book = "", data_folder: DataFolder = Path("var")) -> None:
    """Recompute counters and hash chain from the transfers; exit code 1 and the first broken link where they differ."""
    if faults := _run(data_folder, lambda session: _verified(session, book)):
        for fault in faults:
            typer.echo(fault, err=True)
        raise typer.Exit(1)


@app.command()
def balances(
    at: Annotated[
        datetime,
        typer.Argument(
            help="City time; what was recorded up to then.", formats=["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"]
        ),
    ],
    book: Book = "",
    data_folder: DataFolder = Path("var"),
) -> None:
    """What stood on every account at a time in the past, yuan."""
    moment = at.replace(tzinfo=BUSINESS_ZONE)
    for line in _run(data_folder, lambda session: _balances(session, book, moment)):
        typer.echo(line)


@app.command()
def export(
    program: Annotated[Program, typer.Option("--format", help="Whose journal.")],
    book: Annotated[str, typer.Option(help="Which book.")] = "transit",
    data_folder: DataFolder = Path("var"),
) -> None:
    """Print a book as a journal with its balances as assertions: `hledger -s check` and `bean-check` then check it."""
    for line in _run(data_folder, lambda session: _journal(session, program, book)):
        typer.echo(line)


async def _verified(session: AsyncSession, book: str) -> list[str]:
    faults = []
    with Progress(console=Console(stderr=True)) as progress:
        for name in await _books(session, book):
            count = await queries.link_count(session, name)
            task = progress.add_task(name, total=count)
            found = await account_faults(session, name)
            head, broken = await chain_faults(session, name, partial(progress.advance, task))
            faults += [f"{name}: {fault}" for fault in (*found, *broken)]
            if not found and not broken:
                said = f"{head.number} links, the last {head.hash.hex()}" if head != GENESIS else "no window closed yet"
                typer.echo(f"{name}: in order, {said}")
    return faults


async def _balances(session: AsyncSession, book: str, at: datetime) -> list[str]:
    return [
        f"{name}\t{standing.account.code}\t{standing.balance}"
        for name in await _books(session, book)
        for standing in await queries.standings_at(session, name, at)
    ]


async def _journal(session: AsyncSession, program: Program, book: str) -> list[str]:
    (name,) = await _books(session, book)
    return list(journal(program, await queries.standings(session, name), await queries.transfers(session, name)))


async def _books(session: AsyncSession, wanted: str) -> list[str]:
    known = await queries.books(session)
    if wanted and wanted not in known:
        raise typer.BadParameter(f"--book is {wanted!r}; there are {', '.join(known) or 'none yet'}")
    return [wanted] if wanted else known


def _run(data_folder: Path, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    async def reading(url: str) -> T:
        try:
            async with _session(url) as session:
                return await work(session)
        except (DBAPIError, OSError) as error:
            why = str(getattr(error, "orig", None) or error)
            raise typer.BadParameter(
                f"the ledger cannot be read: {why}; see {URL_VARIABLE} and --data-folder"
            ) from None

    if url := os.environ.get(URL_VARIABLE, ""):
        return asyncio.run(reading(url))
    if not (data_folder / "postgres").exists():
        raise typer.BadParameter(f"{data_folder} holds no database; set {URL_VARIABLE} or --data-folder")
    with embedded_postgres(data_folder / "postgres") as administrator:
        reader = role_url(administrator, "reader", role_passwords(data_folder), DEMONSTRATION)
        return asyncio.run(reading(reader.render_as_string(hide_password=False)))


@asynccontextmanager
async def _session(url: str) -> AsyncIterator[AsyncSession]:
    database = Database(make_url(url), poolclass=NullPool)
    try:
        async with database.reading() as session:
            yield session
    finally:
        await database.close()
