"""The ledger's use cases. Each works on a set, flushes, and leaves the commit to the request's edge."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.ledger import queries
from clearing.ledger.accounts import Account
from clearing.ledger.chain import GENESIS, Link, chain
from clearing.ledger.columns import accounts_of, checked, columns_of, plain_changes, transfers_of
from clearing.ledger.copying import copy_plain
from clearing.ledger.rules import (
    NOTHING_MOVED,
    Accounts,
    Counters,
    Decision,
    Phase,
    Posted,
    Refused,
    Standing,
    Transfer,
    added,
    decide_all,
    effect,
    settling,
)
from clearing.ledger.sheet import position_of_float
from clearing.ledger.tables import AccountRow, LinkRow

LINKS_AT_ONCE = 10_000
"""Read of a chain that may have years."""

LARGE_SET = 500
"""From here on it pays to make columns of transfers."""


class TransfersRefused(Exception):
    """At least one transfer of the set breaks a rule; ``refused`` has every one that does. Nothing was stored, and the
    session can go on."""

    def __init__(self, refused: Sequence[Refused]) -> None:
        super().__init__("; ".join(f"transfer {r.transfer.id!r}: {r.reason}" for r in refused))
        self.refused = tuple(refused)


class ConcurrentRepeat(Exception):
    """Another transaction stored one of these ids at the same moment. Roll back and try again."""


class AccountDiffers(Exception):
    """An account of that name exists with another kind, currency or limit."""


class LimitInUse(Exception):
    """A limit below what its agent owes; nothing was changed."""


async def open_accounts(session: AsyncSession, accounts: Iterable[Account]) -> None:
    """Open those that are missing. Raises ``AccountDiffers``."""
    wanted = {(a.book, a.code): a for a in accounts}
    if not wanted:
        return
    rows = [
        {
            "book": a.book,
            "code": a.code,
            "kind": a.kind,
            "currency": a.currency,
            "limit_rule": a.rule.limit,
            "limit_minor": a.limit_minor,
        }
        for _, a in sorted(wanted.items())
    ]
    await session.execute(insert(AccountRow).on_conflict_do_nothing(), rows)
    for existing in await queries.accounts(session, list(wanted)):
        if existing != wanted[existing.book, existing.code]:
            raise AccountDiffers(f"{existing} is there; {wanted[existing.book, existing.code]} was asked for")


async def change_limits(session: AsyncSession, accounts: Iterable[Account]) -> None:
    """Of those that are there; what is used already is never beyond the new limit. Raises ``LimitInUse``."""
    for wanted in sorted(accounts, key=lambda a: (a.book, a.code)):
        row = await session.get(AccountRow, (wanted.book, wanted.code), with_for_update=True, populate_existing=True)
        if row is None or row.limit_minor == wanted.limit_minor:
            continue
        used = row.debits_posted + row.debits_pending - row.credits_posted
        if used > wanted.limit_minor:
            raise LimitInUse(
                f"account {row.code} of {row.book}: {used} fen are used; the limit cannot be {wanted.limit_minor}"
            )
        row.limit_minor = wanted.limit_minor
    await session.flush()


async def open_account(session: AsyncSession, account: Account) -> None:
    """Open one; nothing happens when it is there. Raises ``AccountDiffers``."""
    await open_accounts(session, [account])


async def post(session: AsyncSession, transfers: Sequence[Transfer], *, now: datetime) -> list[Posted]:
    """Store all of ``transfers`` or none, each decided on what the ones before it left. ``now`` is kept beside them and is
    no part of them. Raises ``TransfersRefused`` or ``ConcurrentRepeat``."""
    if len(transfers) >= LARGE_SET and await _stored_whole(session, columns_of(transfers), now):
        return [Posted(transfer) for transfer in transfers]
    return await _post_each(session, transfers, now)


async def post_columns(session: AsyncSession, table: pa.Table, *, now: datetime) -> NDArray[np.bool_]:
    """``post`` for transfers as columns (``columns.TRANSFERS``); for each row whether it is a repeat. Raises ``ValueError`` for
    columns that are no transfers."""
    if await _stored_whole(session, given := checked(table), now):
        return np.zeros(len(given), dtype=np.bool_)
    posted = await _post_each(session, transfers_of(given), now)
    return np.fromiter((each.repeated for each in posted), dtype=np.bool_, count=len(given))


async def expire(session: AsyncSession, *, today: date, now: datetime) -> list[Posted]:
    """Give back what pending transfers that are due on ``today`` or before still reserve. A transfer that has no
    ``expires_on``, as a load, is not touched."""
    due = {transfer.id: transfer for transfer in await queries.expirable(session, today)}
    # Under the locks nobody else settles them, so what is still due then cannot be refused.
    await queries.lock_standings(session, {(t.book, code) for t in due.values() for code in (t.debit, t.credit)})
    still = [transfer for transfer in await queries.expirable(session, today) if transfer.id in due]
    expiring = [settling(t, Phase.EXPIRE, id=f"{t.id}:expired", business_day=today) for t in still]
    return await post(session, expiring, now=now)


async def _stored_whole(session: AsyncSession, table: pa.Table, now: datetime) -> bool:
    """Store a plain set without a look at each transfer; False, and nothing done, where it is not one."""
    if not len(table):
        return False
    # The locks come first, as below.
    changes = plain_changes(table, await queries.lock_standings(session, accounts_of(table)))
    if changes is None or not await copy_plain(session, table, now):
        return False
    await queries.move_counters(session, changes)
    return True


async def _post_each(session: AsyncSession, transfers: Sequence[Transfer], now: datetime) -> list[Posted]:
    decisions = await _decided(session, transfers)
    if refused := [decision for decision in decisions if isinstance(decision, Refused)]:
        raise TransfersRefused(refused)
    posted = [decision for decision in decisions if isinstance(decision, Posted)]
    await _store(session, [p.transfer for p in posted if not p.repeated], now)
    return posted


async def _decided(session: AsyncSession, transfers: Sequence[Transfer]) -> list[Decision]:
    keys = {(t.book, code) for t in transfers for code in (t.debit, t.credit)}
    # The locks come first: what is read after them cannot change before this transaction ends.
    standings = await queries.lock_standings(session, keys)
    named = {t.pending_id for t in transfers if t.pending_id}
    known = await queries.transfers_by_id(session, named | {t.id for t in transfers})
    settled = await queries.settled(session, named) if named else {}
    return decide_all(transfers, Accounts(standings, known, settled))[0]


async def _store(session: AsyncSession, new: Sequence[Transfer], now: datetime) -> None:
    if not new:
        return
    # In order of id, as everybody does: see ``copy_plain``.
    if await queries.insert_transfers(session, sorted(new, key=lambda t: t.id), now) != len(new):
        raise ConcurrentRepeat("a transfer's id was stored by somebody else at the same moment")
    changes: dict[tuple[str, str], Counters] = {}
    for transfer in new:
        for code, change in zip((transfer.debit, transfer.credit), effect(transfer), strict=True):
            key = (transfer.book, code)
            changes[key] = added(changes.get(key, NOTHING_MOVED), change)
    await queries.move_counters(session, changes)


async def balances(session: AsyncSession, book: str) -> list[Standing]:
    """Every account of ``book`` with its counters, in order of code."""
    return await queries.standings(session, book)


async def close_chain(
    session: AsyncSession, book: str, window: int, *, only: Collection[str] | None = None
) -> list[Link]:
    """Number and chain every transfer of ``book`` that no window holds yet, as ``window``; the new links. ``only`` those
    ids: what was posted after the window's manifest was frozen is the next one's."""
    await session.execute(text("SELECT pg_advisory_xact_lock(727003, hashtext(:book))"), {"book": book})
    previous = await queries.last_link(session, book) or GENESIS
    unlinked = await queries.unlinked(session, book)
    links = chain([t for t in unlinked if only is None or t.id in only], previous)
    if links:
        rows = [
            {"book": book, "window": window, "number": k.number, "transfer_id": k.transfer_id, "hash": k.hash}
            for k in links
        ]
        await session.execute(insert(LinkRow), rows)
    return links


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """Something in the books that does not follow from the transfers."""

    book: str
    what: str


async def verify(session: AsyncSession, book: str) -> list[Discrepancy]:
    """Recompute counters from transfers, the chain from its transfers, and the balance sheet; empty when all agree."""
    _, broken = await chain_faults(session, book)
    return [Discrepancy(book, fault) for fault in (*await account_faults(session, book), *broken)]


async def account_faults(session: AsyncSession, book: str) -> list[str]:
    """Where counters are not what the transfers say, or the book does not balance."""
    stored = await queries.standings(session, book)
    recomputed = await queries.recomputed(session, book)
    faults = [
        f"account {s.account.code}: stored {tuple(s.counters)}, transfers say {tuple(expected)}"
        for s in stored
        if s.counters != (expected := recomputed.get(s.account.code, NOTHING_MOVED))
    ]
    missing = sorted(set(recomputed) - {s.account.code for s in stored})
    faults += [f"account {code}: transfers name it and it is not there" for code in missing]
    if not position_of_float(stored).balanced:
        faults.append("debits do not equal credits")
    return faults


async def chain_faults(
    session: AsyncSession, book: str, progress: Callable[[int], None] = lambda _: None
) -> tuple[Link, list[str]]:
    """The last link that is in order, and what is wrong with the one after it. ``progress`` is told how many were looked at."""
    previous = GENESIS
    while links := await queries.links_after(session, book, previous.number, LINKS_AT_ONCE):
        for link, transfer in links:
            if link != chain([transfer], previous)[0]:
                fault = f"chain: link {link.number} ({link.transfer_id}) does not follow from link {previous.number}"
                return previous, [fault]
            previous = link
        progress(len(links))
    return previous, []
