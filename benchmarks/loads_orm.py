"""The authorisation of a load as one would write it with the ORM: what ``benchmarks/loads.py`` compares with. The same checks
and rows, each row an object, each object fetched and stored by a statement of its own."""

from __future__ import annotations

from datetime import datetime
from hmac import compare_digest

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.facts.tables import CardFactRow, DenyChangeRow
from clearing.ledger.accounts import TRANSIT, Kind, code
from clearing.ledger.rules import Purpose
from clearing.ledger.tables import AccountRow, TransferRow
from clearing.loads.rules import LoadKey, macs, moment
from clearing.loads.tables import AuthorisationRow, LoadRow
from hardware.vault.vault import KeyLabel, MasterKey, Vault
from rulebook.calendar import calendar_named
from rulebook.messages.loads import LoadRequest

_SAID = ("random", "device", "terminal", "date", "time", "key_version", "algorithm", "balance_minor", "mac1")


async def authorise_by_objects(
    session: AsyncSession, vault: Vault, request: LoadRequest, *, agent: str, now: datetime
) -> bytes | None:
    """MAC2 of a card's first load under this id; None where it is refused."""
    lock = text("SELECT pg_advisory_xact_lock(727004, hashtext(:card))")
    await session.execute(lock, {"card": (request.issuer + request.serial).hex()})
    card = await session.get(CardFactRow, (request.issuer, request.serial))
    denied = select(DenyChangeRow).where(DenyChangeRow.serial == request.serial).order_by(DenyChangeRow.number.desc())
    of_card = select(LoadRow).where(LoadRow.issuer == request.issuer, LoadRow.serial == request.serial)
    if card is None or (await session.scalars(denied)).first() or (await session.scalars(of_card)).all():
        return None
    key = vault.child_key(MasterKey(KeyLabel.LOAD, card.key_version), [card.issuer, card.serial[-8:]])
    expected = macs(key, request)
    if not compare_digest(expected.mac1, request.mac1):
        return None
    if request.balance_minor + request.amount_minor > card.purse_limit_minor:
        return None
    if not await _reserved(session, request, agent, now):
        return None
    await _store(session, request, agent, expected.mac2)
    return expected.mac2


async def _reserved(session: AsyncSession, request: LoadRequest, agent: str, now: datetime) -> bool:
    locked = {
        name: await session.get(AccountRow, (TRANSIT, name), with_for_update=True)
        for name in sorted((code(Kind.AGENT_PREFUNDED, agent), code(Kind.VALUE_ON_CARDS)))
    }
    debit, credit = locked[code(Kind.AGENT_PREFUNDED, agent)], locked[code(Kind.VALUE_ON_CARDS)]
    if debit is None or credit is None:
        return False
    if debit.debits_posted + debit.debits_pending + request.amount_minor > debit.credits_posted:
        return False
    debit.debits_pending += request.amount_minor
    credit.credits_pending += request.amount_minor
    transfer_id = LoadKey(request.issuer, request.serial, request.purse, request.online_sequence).transfer_id(1)
    session.add(
        TransferRow(
            id=transfer_id,
            book=TRANSIT,
            debit=debit.code,
            credit=credit.code,
            amount_minor=request.amount_minor,
            currency="CNY",
            purpose=Purpose.LOAD,
            business_day=calendar_named("china").business_day(moment(request.date, request.time)),
            phase="pending",
            reference="",
            recorded_at=now,
        )
    )
    await session.flush()
    return True


async def _store(session: AsyncSession, request: LoadRequest, agent: str, mac2: bytes) -> None:
    id_ = {name: getattr(request, name) for name in ("issuer", "serial", "purse", "online_sequence")}
    session.add(LoadRow(**id_, attempt=1, agent=agent, amount_minor=request.amount_minor, state="reserved"))
    await session.flush()
    said = {name: getattr(request, name) for name in _SAID}
    session.add(AuthorisationRow(**id_, attempt=1, position=1, **said, mac2=mac2))
    await session.flush()
