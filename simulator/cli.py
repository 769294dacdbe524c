"""Play a day of a city, from a blank card to a settlement statement."""

from __future__ import annotations

import csv
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum, unique
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from clearing.demonstration import ACCOUNTS as CLEARING_ACCOUNTS
from issuing.demonstration import ACCOUNTS as ISSUING_ACCOUNTS
from simulator.city.auditor import ItemKind
from simulator.city.day import Diary
from simulator.city.offices import OfficeRefused
from simulator.city.progress import Progress
from simulator.city.readers import ReaderKind
from simulator.city.run import FolderTaken, Order, Played, played
from simulator.city.statements import write_statements
from simulator.services import ServiceFailed
from simulator.softcard.daemon import DaemonUnavailable, private_readers

WIDTH = 100  # columns of the printed statement

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
    leave: Annotated[bool, typer.Option("--exit", help="Stop after the statement.")] = False,
) -> None:
    """Play a day of a city: issue, load, ride, visit, clear, settle."""
    console = Console()
    console.width = max(console.width, WIDTH)  # a file or pipe says 80
    order = Order(
        seed=seed,
        cards=cards,
        taps=taps,
        readers=readers or _readers_here(console),
        vault=vault,
        folder=Path(os.environ.get("CITYCARD_DATA_FOLDER", "var")).resolve(),
        administrator_url=os.environ.get("CITYCARD_DATABASE_URL", ""),
    )
    try:
        with _stopped_by_kill(), Progress(console) as progress, played(order, progress) as result:
            progress.stop()
            holds = _show(console, result)
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


def _show(console: Console, result: Played) -> bool:
    """The statement, what happened, and the checks; whether all of them hold."""
    for table in _statements(result):
        console.print(table)
    diary = result.diary
    for name, counts in (("taps", diary.taps), ("loads", diary.loads), ("visits", diary.visits)):
        details = ", ".join(f"{word.replace('_', ' ')} {count}" for word, count in sorted(counts.items()))
        console.print(f"{counts.total():>7,} {name}: {details}", highlight=False)
    counts = result.window["counts"]
    console.print(f"{counts['transfers']:>7,} transfers, from {diary.batches} batches of {result.terminals} terminals")
    console.print(f"{result.apdus:>7,} APDUs to cards and PSAMs")
    exceptions = result.window["exceptions"]
    console.print(f"{len(exceptions):>7,} records in question, {result.window['open_taps_minor']} fen on open taps")
    for exception in exceptions:
        console.print(
            f"        {exception['transaction']} {exception['event']} at {exception['device']}: "
            f"{exception['status']}, {exception['zh']} {exception['en']}",
            highlight=False,
            markup=False,
        )
    checks = [(check["zh"], check["en"], check["holds"], check["detail"]) for check in result.window["checks"]]
    checks.append(("卡内余额逐卡核对", "every card explained", result.audit.explained, _audit_detail(result)))
    checks.append(("医院与基金对账一致", "hospital and fund agree", *_hospitals_agree(diary)))
    for chinese, english, holds, detail in checks:
        mark = "[green]✓[/]" if holds else "[red]✗[/]"
        console.print(f"{mark} {chinese} {english}: {detail}", highlight=False)
    return all(holds for _, _, holds, _ in checks)


def _statements(result: Played) -> Iterator[Table]:
    """One table for each book, as clearing's CSV has them."""
    header, *rows = csv.reader(result.day_statement.decode().splitlines())
    for book, of_book in groupby(rows, key=lambda row: row[0]):
        table = Table(
            title=f"{result.window['business_day']} 窗口 Window {result.window['number']} · 账簿 Book {book}",
            width=WIDTH,
            box=box.SIMPLE_HEAD,
            collapse_padding=True,
        )
        for position, word in enumerate(header[2:]):
            table.add_column(word.replace(" ", "\n"), justify="right" if position else "left", overflow="fold")
        for row in of_book:
            last = not row[1]
            table.add_row(*row[2:], style="bold" if last else None)
        yield table


def _audit_detail(result: Played) -> str:
    audit = result.audit
    words = {
        ItemKind.DEBIT_NOT_RECEIVED: "debit not received",
        ItemKind.LOAD_NOT_CONFIRMED: "load not confirmed",
        ItemKind.NEVER_HAPPENED: "in the ledger, on no card",
    }
    items = "".join(f"\n    {words[item.kind]}: {item.transaction} {item.amount_minor} fen" for item in audit.items)
    return f"ledger {audit.ledger_minor} fen, cards {audit.cards_minor} fen{items}"


def _hospitals_agree(diary: Diary) -> tuple[bool, str]:
    """Whether every hospital's day reconciled, and with what."""
    differences = "".join(f"\n    {each}" for evening in diary.evenings for each in evening.differences())
    repaired = sum(len(evening.repaired) for evening in diary.evenings)
    said = f"{len(diary.evenings)} hospitals, {diary.visits['settled']} settled visits, {repaired} repaired"
    return all(evening.agrees for evening in diary.evenings), said + differences


def _wait(console: Console, result: Played) -> None:
    for name, accounts in (("issuing", ISSUING_ACCOUNTS), ("clearing", CLEARING_ACCOUNTS)):
        names = ", ".join(accounts)
        console.print(
            f"{name:<9} {result.services.urls[name]}  accounts: {names} (passwords demo-clerk, demo-approver)"
        )
    console.print("Ctrl-C stops.")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("stopping")
