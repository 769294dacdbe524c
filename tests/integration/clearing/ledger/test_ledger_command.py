"""``citycard ledger`` over a database of its own, and what it says when somebody has been at the books."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import create_async_engine
from typer.testing import CliRunner

from backoffice.database import Database, prepare
from backoffice.migration import upgrade
from clearing.command import URL_VARIABLE
from clearing.ledger import queries as ledger
from clearing.ledger.accounts import TRANSIT, Kind, account, code
from clearing.ledger.chain import Link, canonical
from clearing.ledger.cli import app
from clearing.ledger.rules import Purpose, Transfer
from clearing.ledger.service import close_chain, open_accounts, post
from clearing.settlement.model import WindowState
from clearing.settlement.tables import WindowRow
from rulebook.money import Amount

NOW = datetime(2026, 9, 15, 8, tzinfo=UTC)
FLOAT, AGENT, VALUE = code(Kind.FLOAT_AT_BANK), code(Kind.AGENT_PREFUNDED, "agent-1"), code(Kind.VALUE_ON_CARDS)


def transfer(name: str, debit: str, credit: str, fen: int) -> Transfer:
    amount, day = Amount(fen), date(2026, 9, 15)
    return Transfer(
        id=name, book=TRANSIT, debit=debit, credit=credit, amount=amount, purpose=Purpose.LOAD, business_day=day
    )


async def _fill(url: URL) -> None:
    database = Database(url)
    async with database.transaction() as session:
        kinds = [account(TRANSIT, Kind.FLOAT_AT_BANK), account(TRANSIT, Kind.VALUE_ON_CARDS)]
        await open_accounts(session, [*kinds, account(TRANSIT, Kind.AGENT_PREFUNDED, "agent-1")])
        await post(session, [transfer("in", FLOAT, AGENT, 100_000), transfer("load", AGENT, VALUE, 5_000)], now=NOW)
        await close_chain(session, TRANSIT, 1)
        session.add(_closed_window(await ledger.links(session, TRANSIT, 1)))
    await database.close()


def _closed_window(links: list[tuple[Link, Transfer]]) -> WindowRow:
    """With as much of its result as the ledger is compared with."""
    transfers = [[link.number, link.hash.hex(), False, json.loads(canonical(transfer))] for link, transfer in links]
    return WindowRow(
        number=1,
        state=WindowState.CLOSED,
        opened_at=NOW,
        proposed_by="wang",
        approved_by="li",
        manifest=b"{}",
        result=json.dumps({"transfers": transfers}).encode(),
    )


async def _as_administrator(url: URL, statement: str) -> None:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(statement))
    await engine.dispose()


@pytest.fixture
def books(administrator: URL, role_urls: dict[str, URL], monkeypatch: pytest.MonkeyPatch) -> Iterator[URL]:
    """A database of its own, because the command commits and the test tampers; its administrator's URL."""
    name = f"books_{secrets.token_hex(4)}"
    urls = {role: url.set(database=name) for role, url in role_urls.items()}

    async def set_up() -> None:
        await prepare(administrator, {role: str(url.password) for role, url in role_urls.items()}, name)
        await upgrade(urls["owner"], "clearing")
        await _fill(urls["clearing"])

    asyncio.run(set_up())
    monkeypatch.setenv(URL_VARIABLE, urls["reader"].render_as_string(hide_password=False))
    yield administrator.set(database=name)
    asyncio.run(_as_administrator(administrator, f'DROP DATABASE "{name}" WITH (FORCE)'))


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments)


def test_books_in_order(books: Any) -> None:
    said = run("verify")
    assert said.exit_code == 0, said.output
    assert "transit: in order, 2 links, the last " in said.output


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE clearing.ledger_transfer SET amount_minor = 5001 WHERE id = 'load'", "link 2 (load) does not follow"),
        ("UPDATE clearing.ledger_account SET credits_posted = 99999 WHERE code = 'agent-prefunded:agent-1'", "stored"),
        ("DELETE FROM clearing.ledger_link WHERE number = 1", "link 2 (load) does not follow from link 0"),
        ("DELETE FROM clearing.ledger_link WHERE number = 2", "the chain has 1 links from 1 to 1"),
        (
            'UPDATE clearing.ledger_link SET "window" = 2 WHERE number = 2',
            "window 2: the chain has 1 links from 2 to 2",
        ),
        ("DELETE FROM clearing.ledger_link", "window 1: the chain has no links"),
        ("UPDATE clearing.ledger_transfer SET reference = 'x' WHERE id = 'load'", "link 2 (load) does not follow"),
    ],
)
def test_somebody_has_been_at_the_books(books: Any, statement: str, fault: str) -> None:
    asyncio.run(_as_administrator(books, statement))
    said = run("verify", "--book", "transit")
    assert said.exit_code == 1
    assert fault in said.output


def test_the_last_transfer_taken_away_with_its_link_and_its_money_is_missed(books: Any) -> None:
    """What is left follows from itself: only what two people agreed on says that something is gone."""
    for statement in (
        "DELETE FROM clearing.ledger_link WHERE number = 2",
        "DELETE FROM clearing.ledger_transfer WHERE id = 'load'",
        "UPDATE clearing.ledger_account SET debits_posted = 0 WHERE code = 'agent-prefunded:agent-1'",
        "UPDATE clearing.ledger_account SET credits_posted = 0 WHERE code = 'value-on-cards'",
    ):
        asyncio.run(_as_administrator(books, statement))
    said = run("verify")
    assert said.exit_code == 1
    assert "window 1: the chain has 1 links from 1 to 1" in said.output
    assert "its result 2 links from 1 to 2" in said.output


def test_balances_of_a_time(books: Any) -> None:
    assert run("balances", "2026-09-15T15:59:59").output.count("\t0.00") == 3
    assert "transit\tvalue-on-cards\t50.00" in run("balances", "2026-09-15T16:00").output  # city time of NOW


def test_export(books: Any) -> None:
    assert "Assets:Transit:Float-at-bank  0.00 CNY = 1000.00 CNY" in run("export", "--format", "hledger").output
    assert '"load"' in run("export", "--format", "beancount").output


def test_a_book_that_is_not_there_is_named(books: Any) -> None:
    said = run("verify", "--book", "moon")
    assert said.exit_code == 2
    assert "transit" in said.output
