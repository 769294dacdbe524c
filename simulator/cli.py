"""Play a day of a city, from a blank card to a settlement statement."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum, unique
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from clearing.demonstration import ACCOUNTS as CLEARING_ACCOUNTS
from issuing.demonstration import ACCOUNTS as ISSUING_ACCOUNTS
from simulator.city.offices import OfficeRefused
from simulator.city.progress import Progress
from simulator.city.readers import ReaderKind
from simulator.city.report import STATEMENT_WIDTH, show
from simulator.city.run import FolderTaken, Order, Played, played
from simulator.city.statements import write_statements
from simulator.services import ServiceFailed
from simulator.softcard.daemon import DaemonUnavailable, private_readers

app = typer.Typer(add_completion=False)


@unique
class VaultKind(StrEnum):
    SOFTWARE = "software"
    PKCS11 = "pkcs11"


@app.command()
def simulate(
    seed: Annotated[int, typer.Option(help="Another number, another city; the same number, the same statements.")] = 1,
    cards: Annotated[int, typer.Option(min=1, help="How many citizens get a card.")] = 300,
    taps: Annotated[int, typer.Option(min=1, help="How many taps at validators and gates.")] = 1200,
    readers: Annotated[
        ReaderKind | None,
        typer.Option(help="Virtual readers under a real pcscd, or none. By default pcscd where there is one."),
    ] = None,
    vault: Annotated[
        VaultKind, typer.Option(help="Visible test keys in memory, or in two SoftHSM tokens.")
    ] = VaultKind.SOFTWARE,
    out: Annotated[Path | None, typer.Option(help="Also write every statement into this folder.")] = None,
    days: Annotated[
        int, typer.Option(min=1, help="How many days, each with that many taps and a window of its own.")
    ] = 1,
    rough: Annotated[
        bool,
        typer.Option(help="Torn cards, lost answers, terminals without network, a clearing killed while it closes."),
    ] = False,
    leave: Annotated[bool, typer.Option("--exit", help="Stop after the statement.")] = False,
) -> None:
    """Play days of a city: issue, load, ride, visit, clear, settle."""
    console = Console()
    console.width = max(console.width, STATEMENT_WIDTH)  # a file or pipe says 80
    order = Order(
        seed=seed,
        cards=cards,
        taps=taps,
        readers=readers or _readers_here(console),
        vault=vault,
        folder=Path(os.environ.get("CITYCARD_DATA_FOLDER", "var")).resolve(),
        administrator_url=os.environ.get("CITYCARD_DATABASE_URL", ""),
        days=days,
        rough=rough,
    )
    try:
        with _stopped_by_kill(), Progress(console) as progress, played(order, progress) as result:
            progress.stop()
            holds = show(console, result)
            if out is not None:
                files = write_statements(result, out)
                console.print(f"{len(files)} statements are in {out}")
            if not leave:
                _wait(console, result)
    except (DaemonUnavailable, FolderTaken, OfficeRefused, ServiceFailed) as problem:
        console.print(str(problem), style="red", markup=False, highlight=False)
        raise typer.Exit(1) from problem
    except KeyboardInterrupt:
        console.print("stopped")
        raise typer.Exit(130) from None
    raise typer.Exit(0 if holds else 1)


def _readers_here(console: Console) -> ReaderKind:
    try:
        with private_readers():
            return ReaderKind.PCSC
    except DaemonUnavailable as missing:
        console.print(f"No virtual readers: {missing}. Going on with --readers in-process.", markup=False)
        return ReaderKind.IN_PROCESS


@contextmanager
def _stopped_by_kill() -> Iterator[None]:
    """A plain kill ends the day as Ctrl-C does: services and database stop."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait(console: Console, result: Played) -> None:
    for name, accounts in (("issuing", ISSUING_ACCOUNTS), ("clearing", CLEARING_ACCOUNTS)):
        shown = ", ".join(f"{who} / {account.password}" for who, account in accounts.items())
        console.print(f"{name:<9} {result.services.urls[name]}  accounts / passwords: {shown}")
    console.print("Ctrl-C stops.")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("stopping")
