"""Closing a window: one person freezes it, its result is computed, another person approves it, then its transfers are posted,
numbered and chained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from backoffice.states import step
from backoffice.two_people import a_second_person
from clearing.files import Files
from clearing.ledger.accounts import TRANSIT, Account, account
from clearing.ledger.accounts import Kind as AccountKind
from clearing.ledger.lines import lines_now
from clearing.ledger.rules import Transfer
from clearing.ledger.service import close_chain, open_accounts, post
from clearing.ledger.sheet import position_of_float
from clearing.loads.service import confirm
from clearing.participants.service import city
from clearing.settlement import queries
from clearing.settlement.encoding import decode, encode
from clearing.settlement.freezing import gather, unposted_proofs
from clearing.settlement.frozen import keep
from clearing.settlement.model import LIFE, WindowEvent, WindowResult, WindowState
from clearing.settlement.positions import add_to_nil
from clearing.settlement.tables import WindowRow
from hardware.vault.vault import Vault
from rulebook.messages.loads import LoadConfirmation
from rulebook.money import Amount


@dataclass(frozen=True, slots=True)
class Check:
    """What must hold when a window has closed."""

    name: str
    zh: str
    en: str
    holds: bool
    detail: str


# What the float must be there for at any time: everything card holders could ask for.
_HOLDERS_MONEY = (
    AccountKind.VALUE_ON_CARDS,
    AccountKind.DEPOSITS_ON_CARDS,
    AccountKind.OPEN_TAPS,
    AccountKind.REFUNDS_OWED,
)


async def freeze(session: AsyncSession, vault: Vault, files: Files, number: int, *, actor: str, now: datetime) -> bytes:
    """The first person: the manifest. What comes from now on belongs to the next window. One that is frozen already, and whose
    result was not finished, is gone on with."""
    row = await _locked(session, number)
    if row.state == WindowState.FROZEN:
        assert row.manifest is not None
        return row.manifest
    state = _next(row, WindowEvent.FREEZE)
    await _refuse_before_the_last_is_closed(session, number)
    # A window that was withdrawn keeps the day on which it stopped taking batches.
    business_day = row.business_day or await business_day_now(session, now)
    await _confirm_loads(session, vault, number, now=now)
    manifest = keep(await gather(session, files.frozen, number, business_day), files.frozen)
    first_time = row.state == WindowState.OPEN
    row.state, row.manifest, row.business_day = state, manifest, business_day
    row.proposed_by, row.proposed_at = actor, now
    await session.flush()
    if first_time:
        session.add(WindowRow(number=number + 1, state=WindowState.OPEN, opened_at=now))
        await session.flush()
    return manifest


async def propose(session: AsyncSession, number: int, manifest: bytes, result: WindowResult) -> WindowRow:
    """Put down what was computed from ``manifest``. Two who computed it at once have the same. Raises ``Refused`` when the
    window was withdrawn meanwhile."""
    row = await _locked(session, number)
    encoded = encode(result)
    if row.manifest == manifest and row.result == encoded:
        return row
    state = _next(row, WindowEvent.PROPOSE)
    if row.manifest != manifest:
        detail = f"window {number} was withdrawn and frozen anew while its result was computed"
        raise Refused(409, "The window is another one by now", detail, reason="window_frozen_anew")
    row.state, row.result = state, encoded
    await session.flush()
    return row


async def business_day_now(session: AsyncSession, now: datetime) -> date:
    """Of a window that would be frozen now."""
    return (await city(session)).rules().calendar.business_day(now)


async def withdraw(session: AsyncSession, number: int) -> WindowRow:
    """Either person takes the proposal back. The window stays shut to new batches, and is proposed anew on what is known
    then."""
    row = await _locked(session, number)
    row.state = _next(row, WindowEvent.WITHDRAW)
    row.proposed_by = row.proposed_at = row.manifest = row.result = None
    await session.flush()
    return row


async def approve(session: AsyncSession, number: int, *, actor: str, now: datetime) -> WindowRow:
    """The second person: post the frozen result. Raises ``Refused`` when it is the first one again."""
    row = await _locked(session, number)
    state = _next(row, WindowEvent.APPROVE)
    a_second_person(actor, first=row.proposed_by, what=f"window {number}")
    assert row.result is not None
    result = decode(row.result)
    await open_accounts(session, _accounts(result.posted))
    await post(session, result.posted, now=now)
    await _chain(session, result)
    await queries.store_ends(session, result)
    row.state = state
    row.approved_by, row.approved_at = actor, now
    await session.flush()
    return row


async def checks(session: AsyncSession, result: WindowResult) -> list[Check]:
    """Of the books as they stand, and of the result's positions. A page asks for them: transfers of years and their chain are
    for ``citycard ledger verify``."""
    sheets = {book: position_of_float(await lines_now(session, book)) for book in sorted((await city(session)).keepers)}
    unbalanced = [book for book, sheet in sheets.items() if not sheet.balanced]
    lines = sheets[TRANSIT].lines
    float_, holders = lines.get(AccountKind.FLOAT_AT_BANK, 0), sum(lines.get(kind, 0) for kind in _HOLDERS_MONEY)
    return [
        Check(
            "positions_add_to_nil",
            "各账簿头寸合计为零",
            "positions add to nil in every book",
            add_to_nil(result.positions),
            ", ".join(sorted({position.book for position in result.positions})),
        ),
        Check(
            "float_covers_cards",
            "备付金覆盖卡内余额",
            "the float covers the cards",
            float_ >= holders,
            f"{Amount(float_)} / {Amount(holders)}",
        ),
        Check("books_balance", "账簿平衡", "the books balance", not unbalanced, ", ".join(unbalanced)),
    ]


async def _locked(session: AsyncSession, number: int) -> WindowRow:
    """Raises ``Refused``."""
    row = await queries.window(session, number, lock=True)
    if row is None:
        raise Refused(404, "There is no such window", f"window is {number}", reason="window_unknown")
    return row


def _next(row: WindowRow, event: WindowEvent) -> WindowState:
    """Raises ``Refused``."""
    return step(LIFE, f"window {row.number}", WindowState(row.state), event, reason=f"window_{row.state}")


async def _confirm_loads(session: AsyncSession, vault: Vault, number: int, *, now: datetime) -> None:
    """A load whose confirmation was lost on its way is posted by the TAC in the desk's journal. What does not prove a
    load is left to the record's own end."""
    for row in await unposted_proofs(session, number):
        assert row.tac is not None
        proof = LoadConfirmation(
            device=row.device,
            issuer=row.issuer,
            serial=row.serial,
            purse=row.purse,
            online_sequence=row.online_sequence,
            tac=row.tac,
        )
        await confirm(session, vault, proof, now=now)


async def _refuse_before_the_last_is_closed(session: AsyncSession, number: int) -> None:
    """A window's chain and counters go on where the one before it ended."""
    before = await queries.window(session, number - 1)
    if before is not None and before.state != WindowState.CLOSED:
        detail = f"window {before.number} is {before.state}; approve it first"
        raise Refused(409, "The window before is not closed", detail, reason="window_before_not_closed")


def _accounts(transfers: Iterable[Transfer]) -> list[Account]:
    """Those kept for holders come into being with the first refund."""
    codes = {(t.book, code) for t in transfers for code in (t.debit, t.credit)}
    return [
        account(book, AccountKind.REFUNDS_OWED, owner)
        for book, code in sorted(codes)
        for kind, _, owner in [code.partition(":")]
        if kind == AccountKind.REFUNDS_OWED
    ]


class ChainDiffers(Exception):
    """The ledger does not number the window's transfers as the frozen result does; nothing was posted."""


async def _chain(session: AsyncSession, result: WindowResult) -> None:
    by_book: dict[str, list[str]] = {}
    for numbered in result.transfers:
        by_book.setdefault(numbered.transfer.book, []).append(numbered.transfer.id)
    links = [
        link
        for book, ids in sorted(by_book.items())
        for link in await close_chain(session, book, result.number, only=frozenset(ids))
    ]
    if links != [numbered.link for numbered in result.transfers]:
        raise ChainDiffers(f"window {result.number}: the ledger's links are not those of the frozen result")
