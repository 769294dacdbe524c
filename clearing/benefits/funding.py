"""Setting a fund up: its accounts, money paid in, the hospitals it pays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.benefits.tables import InstitutionRow
from clearing.ledger.accounts import Kind, account, code, medical_book
from clearing.ledger.rules import Purpose, Transfer
from clearing.ledger.service import open_accounts, post
from rulebook.money import Amount


@dataclass(frozen=True, slots=True)
class Institution:
    """``institution`` is the operator id of its desks, ``level`` what policies know: L1, L2, L3 or community."""

    institution: str
    name: str
    level: str


async def open_fund(session: AsyncSession, fund: str, institutions: Iterable[Institution]) -> None:
    """Accounts of the fund's book and one payable for each hospital. Harmless to repeat."""
    book, every = medical_book(fund), list(institutions)
    await open_accounts(
        session,
        [
            account(book, Kind.FUND_AT_BANK),
            account(book, Kind.FUND_POOL),
            *(account(book, Kind.HOSPITAL_PAYABLE, each.institution) for each in every),
        ],
    )
    if every:
        rows = [{"institution": each.institution, "name": each.name, "level": each.level} for each in every]
        await session.execute(insert(InstitutionRow).on_conflict_do_nothing(), rows)


@dataclass(frozen=True, slots=True)
class PayIn:
    """Money that came into the fund's bank account. ``person`` empty: into the pool; else into that person's account.
    ``id`` comes from whoever paid."""

    id: str
    person: str
    amount: Amount


async def pay_in(
    session: AsyncSession,
    fund: str,
    items: Iterable[PayIn],
    *,
    business_day: date,
    now: datetime,
    purpose: Purpose = Purpose.CONTRIBUTION,
) -> None:
    """Post all of ``items`` or none; personal accounts are opened where missing. A repeat changes nothing. Raises
    ``clearing.ledger.service.TransfersRefused``."""
    book, every = medical_book(fund), list(items)
    await open_accounts(session, [account(book, Kind.PERSONAL_ACCOUNT, each.person) for each in every if each.person])
    transfers = [
        Transfer(
            id=f"medical:{fund}:{each.id}",
            book=book,
            debit=code(Kind.FUND_AT_BANK),
            credit=code(Kind.PERSONAL_ACCOUNT, each.person) if each.person else code(Kind.FUND_POOL),
            amount=each.amount,
            purpose=purpose,
            business_day=business_day,
            reference=each.id,
        )
        for each in every
    ]
    await post(session, transfers, now=now)
