"""Statements of the ledger, each over a set. Nothing here decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Date, Select, Text, bindparam, exists, func, select, text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.ledger.accounts import Account, Kind
from clearing.ledger.chain import Link
from clearing.ledger.rules import Counters, Phase, Purpose, Standing, Transfer
from clearing.ledger.tables import AccountRow, LinkRow, TransferRow
from rulebook.money import Amount, Currency

_ACCOUNTS = AccountRow.__table__
_TRANSFERS = TransferRow.__table__
_LINKS = LinkRow.__table__
_COUNTERS = Counters._fields


def _array(name: str, item: Any) -> Any:
    return bindparam(name, type_=ARRAY(item))


_INSERT_TRANSFERS = text(
    """
    INSERT INTO clearing.ledger_transfer (id, book, debit, credit, amount_minor, currency, purpose, business_day,
        phase, pending_id, reference, expires_on, recorded_at)
    SELECT id, book, debit, credit, amount_minor, currency, purpose, business_day, phase, NULLIF(pending_id, ''),
        reference, expires_on, :now
    FROM unnest(:id, :book, :debit, :credit, :amount_minor, :currency, :purpose, :business_day, :phase, :pending_id,
        :reference, :expires_on) AS t (id, book, debit, credit, amount_minor, currency, purpose, business_day, phase,
        pending_id, reference, expires_on)
    ON CONFLICT (id) DO NOTHING
    """
).bindparams(
    *(
        _array(name, Text)
        for name in ("id", "book", "debit", "credit", "currency", "purpose", "phase", "pending_id", "reference")
    ),
    _array("amount_minor", BigInteger),
    *(_array(name, Date) for name in ("business_day", "expires_on")),
)

_MOVE_COUNTERS = text(
    """
    UPDATE clearing.ledger_account AS a
    SET debits_posted = a.debits_posted + d.debits_posted, credits_posted = a.credits_posted + d.credits_posted,
        debits_pending = a.debits_pending + d.debits_pending, credits_pending = a.credits_pending + d.credits_pending
    FROM unnest(:book, :code, :debits_posted, :credits_posted, :debits_pending, :credits_pending)
        AS d (book, code, debits_posted, credits_posted, debits_pending, credits_pending)
    WHERE a.book = d.book AND a.code = d.code
    """
).bindparams(*(_array(name, Text) for name in ("book", "code")), *(_array(name, BigInteger) for name in _COUNTERS))

_OF_KEYS = """
    SELECT a.book, a.code, a.kind, a.currency, a.limit_minor,
        a.debits_posted, a.credits_posted, a.debits_pending, a.credits_pending
    FROM clearing.ledger_account AS a
    WHERE (a.book, a.code) IN (SELECT * FROM unnest(:book, :code))
    """
_ACCOUNTS_OF = text(_OF_KEYS).bindparams(_array("book", Text), _array("code", Text))
_LOCK_ACCOUNTS = text(f"{_OF_KEYS} ORDER BY a.book, a.code FOR UPDATE").bindparams(
    _array("book", Text), _array("code", Text)
)

# Counters as the transfers themselves say them: what the stored counters are checked against.
_RECOMPUTED_FROM = """
    WITH effect (phase, posted, pending) AS (
        VALUES ('single', 1, 0), ('pending', 0, 1), ('post', 1, -1), ('void', 0, -1),
            ('expire', 0, -1)),
    leg AS (
        SELECT debit AS code, posted * amount_minor AS dp, 0 AS cp, pending * amount_minor AS dq, 0 AS cq
        FROM clearing.ledger_transfer JOIN effect USING (phase) WHERE book = :book {until}
        UNION ALL
        SELECT credit, 0, posted * amount_minor, 0, pending * amount_minor
        FROM clearing.ledger_transfer JOIN effect USING (phase) WHERE book = :book {until})
    SELECT code, sum(dp)::bigint, sum(cp)::bigint, sum(dq)::bigint, sum(cq)::bigint FROM leg GROUP BY code
    """
_RECOMPUTED = text(_RECOMPUTED_FROM.format(until=""))
_RECOMPUTED_AT = text(_RECOMPUTED_FROM.format(until="AND recorded_at <= :at"))


async def lock_standings(session: AsyncSession, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Standing]:
    """The accounts of ``keys`` (book, code) that exist, locked in that order until the transaction ends."""
    wanted = sorted(set(keys))
    rows = await session.execute(_LOCK_ACCOUNTS, {"book": [book for book, _ in wanted], "code": [c for _, c in wanted]})
    return {(row.book, row.code): _standing(row) for row in rows}


async def standings(session: AsyncSession, book: str) -> list[Standing]:
    """Every account of ``book``, in order of code."""
    found = select(_ACCOUNTS).where(AccountRow.book == book)
    return sorted((_standing(row) for row in await session.execute(found)), key=lambda s: s.account.code)


async def standing(session: AsyncSession, book: str, account_code: str) -> Standing | None:
    """One account, None where there is none of that name."""
    found = await session.execute(select(_ACCOUNTS).where(AccountRow.book == book, AccountRow.code == account_code))
    row = found.one_or_none()
    return _standing(row) if row else None


async def accounts(session: AsyncSession, keys: Sequence[tuple[str, str]]) -> list[Account]:
    """Those of ``keys`` (book, code) that exist."""
    rows = await session.execute(_ACCOUNTS_OF, {"book": [book for book, _ in keys], "code": [code for _, code in keys]})
    return [_standing(row).account for row in rows]


async def recomputed(session: AsyncSession, book: str) -> dict[str, Counters]:
    return {row[0]: Counters(*row[1:]) for row in await session.execute(_RECOMPUTED, {"book": book})}


async def standings_at(session: AsyncSession, book: str, at: datetime) -> list[Standing]:
    """Every account as it stood when everything recorded up to ``at``, and nothing later, had been posted."""
    rows = await session.execute(_RECOMPUTED_AT, {"book": book, "at": at})
    counters = {row[0]: Counters(*row[1:]) for row in rows}
    now = await standings(session, book)
    return [Standing(each.account, counters.get(each.account.code, Counters())) for each in now]


async def chained_windows(session: AsyncSession) -> list[int]:
    """Numbers of the windows whose transfers are chained, the newest first."""
    return list(await session.scalars(select(LinkRow.window).distinct().order_by(LinkRow.window.desc())))


async def books(session: AsyncSession) -> list[str]:
    return list(await session.scalars(select(AccountRow.book).distinct().order_by(AccountRow.book)))


async def transfers(session: AsyncSession, book: str) -> list[Transfer]:
    """Every one of ``book``, in no order."""
    return [_transfer(row) for row in await session.execute(select(_TRANSFERS).where(TransferRow.book == book))]


async def link_count(session: AsyncSession, book: str) -> int:
    return await session.scalar(select(func.count()).select_from(LinkRow).where(LinkRow.book == book)) or 0


async def links_after(session: AsyncSession, book: str, number: int, limit: int) -> list[tuple[Link, Transfer]]:
    """The next links of ``book``'s chain, in order of number."""
    found = select(_LINKS.c.number, _LINKS.c.hash, *_TRANSFERS.c).join(
        _TRANSFERS, LinkRow.transfer_id == TransferRow.id
    )
    found = found.where(LinkRow.book == book, LinkRow.number > number).order_by(LinkRow.number).limit(limit)
    return [(Link(row.number, row.id, row.hash), _transfer(row)) for row in await session.execute(found)]


async def transfers_by_id(session: AsyncSession, ids: Iterable[str]) -> dict[str, Transfer]:
    found = select(_TRANSFERS).where(TransferRow.id == func.any(bindparam("ids", type_=ARRAY(Text))))
    rows = await session.execute(found, {"ids": list(ids)})
    return {row.id: _transfer(row) for row in rows}


async def transfers_of(session: AsyncSession, book: str, account_code: str) -> list[Transfer]:
    """Every transfer of one account, in order of business day and id."""
    found = _of_account(book, account_code).order_by(TransferRow.business_day, TransferRow.id)
    return [_transfer(row) for row in await session.execute(found)]


async def newest_transfers_of(session: AsyncSession, book: str, account_code: str, limit: int) -> list[Transfer]:
    """The last ones of one account, the latest business day first."""
    found = _of_account(book, account_code).order_by(TransferRow.business_day.desc(), TransferRow.id.desc())
    return [_transfer(row) for row in await session.execute(found.limit(limit))]


def _of_account(book: str, account_code: str) -> Select[Any]:
    touches = (TransferRow.debit == account_code) | (TransferRow.credit == account_code)
    return select(_TRANSFERS).where(TransferRow.book == book, touches)


async def settled(session: AsyncSession, pending_ids: Iterable[str]) -> dict[str, Phase]:
    """How each of ``pending_ids`` that is no longer open was settled."""
    found = select(TransferRow.pending_id, TransferRow.phase).where(
        TransferRow.pending_id == func.any(bindparam("ids", type_=ARRAY(Text)))
    )
    rows = await session.execute(found, {"ids": list(pending_ids)})
    return {str(pending_id): Phase(phase) for pending_id, phase in rows}


async def expirable(session: AsyncSession, today: date) -> list[Transfer]:
    """Every pending transfer that nobody settled by the day it expires on, in order of id."""
    settling = _TRANSFERS.alias()
    open_ = ~exists().where(settling.c.pending_id == TransferRow.id)
    found = select(_TRANSFERS).where(TransferRow.expires_on <= today, open_).order_by(TransferRow.id)
    return [_transfer(row) for row in await session.execute(found)]


async def insert_transfers(session: AsyncSession, transfers: Sequence[Transfer], now: datetime) -> int:
    """How many were new."""
    columns: dict[str, Any] = {
        name: [getattr(t, name) for t in transfers]
        for name in (
            *("id", "book", "debit", "credit", "purpose", "business_day", "phase", "pending_id", "reference"),
            "expires_on",
        )
    }
    columns["amount_minor"] = [t.amount.minor for t in transfers]
    columns["currency"] = [t.amount.currency for t in transfers]
    result = await session.execute(_INSERT_TRANSFERS, {**columns, "now": now})
    return int(getattr(result, "rowcount"))  # noqa: B009 - Result is typed without it


async def move_counters(session: AsyncSession, changes: dict[tuple[str, str], Counters]) -> None:
    columns: dict[str, Any] = {"book": [book for book, _ in changes], "code": [code for _, code in changes]}
    columns |= {name: [getattr(change, name) for change in changes.values()] for name in _COUNTERS}
    await session.execute(_MOVE_COUNTERS, columns)


async def unlinked(session: AsyncSession, book: str) -> list[Transfer]:
    """Transfers of ``book`` that no closed window holds yet."""
    found = select(_TRANSFERS).outerjoin(_LINKS, LinkRow.transfer_id == TransferRow.id)
    rows = await session.execute(found.where(TransferRow.book == book, LinkRow.number.is_(None)))
    return [_transfer(row) for row in rows]


async def links(session: AsyncSession, book: str, window: int | None = None) -> list[tuple[Link, Transfer]]:
    """The chain of ``book``, of one ``window`` or of all, in order of number."""
    found = select(_LINKS.c.number, _LINKS.c.hash, *_TRANSFERS.c).join(
        _TRANSFERS, LinkRow.transfer_id == TransferRow.id
    )
    found = found.where(LinkRow.book == book).order_by(LinkRow.number)
    if window is not None:
        found = found.where(LinkRow.window == window)
    return [(Link(row.number, row.id, row.hash), _transfer(row)) for row in await session.execute(found)]


async def last_link(session: AsyncSession, book: str) -> Link | None:
    found = select(_LINKS).where(LinkRow.book == book).order_by(LinkRow.number.desc()).limit(1)
    row = (await session.execute(found)).first()
    return None if row is None else Link(row.number, row.transfer_id, row.hash)


def _standing(row: Row[Any]) -> Standing:
    account = Account(row.book, row.code, Kind(row.kind), Currency(row.currency), row.limit_minor)
    return Standing(account, Counters(*(getattr(row, name) for name in _COUNTERS)))


def _transfer(row: Row[Any]) -> Transfer:
    return Transfer(
        id=row.id,
        book=row.book,
        debit=row.debit,
        credit=row.credit,
        amount=Amount(row.amount_minor, Currency(row.currency)),
        purpose=Purpose(row.purpose),
        business_day=row.business_day,
        phase=Phase(row.phase),
        pending_id=row.pending_id or "",
        reference=row.reference,
        expires_on=row.expires_on,
    )
