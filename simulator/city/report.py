"""The day on the terminal: the statement, what happened, and whether all that must hold holds."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import groupby

from rich import box
from rich.console import Console
from rich.table import Table

from rulebook.money import Amount
from simulator.city.auditor import ItemKind
from simulator.city.day import Diary
from simulator.city.run import Played

STATEMENT_WIDTH = 100  # columns


def show(console: Console, result: Played) -> bool:
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
    checks.append(
        (
            "卡内余额逐卡核对",
            "every card explained",
            all(x.audit.explained for x in result.windows),
            _audit_detail(result),
        )
    )
    checks.append(("医院与基金对账一致", "hospital and fund agree", *_hospitals_agree(diary)))
    checks.append(("各账簿已通过银行结清", "every book settled through the bank", *_settled(result)))
    checks.append(("两城往来相符", "both cities agree", *_cities_agree(result)))
    for chinese, english, holds, detail in checks:
        mark = "[green]✓[/]" if holds else "[red]✗[/]"
        console.print(f"{mark} {chinese} {english}{detail and f': {detail}'}", highlight=False)
    return all(holds for _, _, holds, _ in checks)


def _statements(result: Played) -> Iterator[Table]:
    """One table for each book, as clearing's CSV has them."""
    header, *rows = csv.reader(result.day_statement.decode().splitlines())
    for book, of_book in groupby(rows, key=lambda row: row[0]):
        table = Table(
            title=f"{result.window['business_day']} 窗口 Window {result.window['number']} · 账簿 Book {book}",
            width=STATEMENT_WIDTH,
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


def _settled(result: Played) -> tuple[bool, str]:
    """Whether every book is paid and its money at the bank is what the ledger says."""
    differences = "".join(f"\n    {each}" for money in result.money for each in money.differences())
    books = [book for money in result.money for book in money.books]
    paid = sum(leg["amount_minor"] for book in books for leg in book["legs"])
    said = f"{len(books)} books, {Amount(paid)} yuan paid in and out by a demonstration bank (simulator)"
    return all(money.holds for money in result.money), said + differences


def _cities_agree(result: Played) -> tuple[bool, str]:
    """Whether the other city's books say what ours say, and what crossed."""
    crossing, differences = result.crossed.crossing, result.crossed.differences()
    here, there = Amount(crossing.office.owes_minor), Amount(crossing.office.owed_minor)
    said = f"{crossing.visits} rides of visitors {here} yuan, {crossing.travels} rides of our cards there {there} yuan"
    return not differences, said + "".join(f"\n    {each}" for each in differences)


def _hospitals_agree(diary: Diary) -> tuple[bool, str]:
    """Whether every hospital's day reconciled, and with what."""
    differences = "".join(f"\n    {each}" for evening in diary.evenings for each in evening.differences())
    repaired = sum(len(evening.repaired) for evening in diary.evenings)
    said = f"{len(diary.evenings)} hospitals, {diary.visits['settled']} settled visits, {repaired} repaired"
    return all(evening.agrees for evening in diary.evenings), said + differences
