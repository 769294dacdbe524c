"""``citycard ledger``: is every link of the chain where it was, what stood on an account, and the books for others to check."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.database import Database
from clearing.command import DataFolder, reading
from clearing.ledger import queries
from clearing.ledger.chain import GENESIS
from clearing.ledger.export import Program, journal
from clearing.ledger.service import account_faults, chain_faults
from clearing.settlement.chained import window_faults
from rulebook.calendar import BUSINESS_ZONE

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="The ledger: verify its chain, balances at any time, export the books.")
Book = Annotated[str, typer.Option(help="One book; all of them by default.")]


@app.command()
def verify(book: Book = "", data_folder: DataFolder = Path("var")) -> None:
    """Recompute counters and hash chain from the transfers, and see that the chain ends where each window's agreed result says;
    exit code 1 and what differs where something does."""
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
            cut = await window_faults(session, name)
            faults += [f"{name}: {fault}" for fault in (*found, *broken, *cut)]
            if not (found or broken or cut):
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
    async def in_a_session(database: Database) -> T:
        async with database.reading() as session:
            return await work(session)

    return reading(data_folder, in_a_session)
