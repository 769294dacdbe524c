"""Putting participants and tariffs in force, and asking which are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.benefits.funding import Institution, PayIn, open_fund, pay_in
from clearing.facts.tables import InsuredFactRow
from clearing.ledger.accounts import Kind, code, medical_book
from clearing.ledger.rules import Purpose
from clearing.ledger.service import change_limits, open_accounts, post
from clearing.ledger.tables import AccountRow
from clearing.participants.rules import City
from clearing.participants.tables import CityRow, TariffRow
from rulebook.calendar import BUSINESS_ZONE
from rulebook.money import Amount
from rulebook.tariff import MalformedTariff, Tariff, load_tariff
from rulebook.tariff.tariff import OPERATOR


class VersionDiffers(Exception):
    """A published version never changes; give the new content the next number."""


async def publish_city(session: AsyncSession, city: City, *, now: datetime) -> None:
    """Put a city's participants in force: open their accounts, post the opening balances. Harmless to repeat. Raises
    ``clearing.ledger.service.LimitInUse``."""
    newest = await _newest_city(session)
    document = city.model_dump(mode="json")
    if newest is None or newest.document != document:
        session.add(CityRow(version=newest.version + 1 if newest else 1, document=document, published_at=now))
        await session.flush()
    await change_limits(session, (a for a in city.accounts() if a.kind is Kind.AGENT_WITH_LIMIT))
    await open_accounts(session, city.accounts())
    await _open_funds(session, city)
    if newest is None:
        await post(session, city.opening_transfers(), now=now)


async def _open_funds(session: AsyncSession, city: City) -> None:
    names = {participant.id: participant.zh for participant in city.participants}
    for fund, institutions in city.institutions.items():
        hospitals = [Institution(each.institution, names[each.institution], each.level) for each in institutions]
        await open_fund(session, fund, hospitals)


async def open_personal_accounts(session: AsyncSession, *, now: datetime) -> int:
    """Give every insured person whom a fund has newly heard of the account and its opening balance; how many."""
    opened = 0
    for fund, minor in (await city(session)).personal_opening_minor.items():
        persons = await session.scalars(_without_account(fund))
        new = [PayIn(f"opening:{person}", person, Amount(minor)) for person in persons]
        day = now.astimezone(BUSINESS_ZONE).date()
        await pay_in(session, fund, new, business_day=day, now=now, purpose=Purpose.OPENING)
        opened += len(new)
    return opened


def _without_account(fund: str) -> Select[str]:
    """Persons of ``fund`` whose personal account is missing, in order. All the others stay in the database: it is asked again
    and again."""
    named = AccountRow.code == f"{Kind.PERSONAL_ACCOUNT}:" + InsuredFactRow.person
    account = exists().where(AccountRow.book == medical_book(fund), named)
    return select(InsuredFactRow.person).where(InsuredFactRow.fund == fund, ~account).order_by(InsuredFactRow.person)


async def publish_tariff(session: AsyncSession, document: Mapping[str, Any], *, now: datetime) -> int:
    """Put a tariff document in force; its version. Raises ``MalformedTariff`` or ``VersionDiffers``."""
    tariff = load_tariff(document)
    version = tariff.version
    if faults := _faults_of_bearers(tariff, await city(session)):
        raise MalformedTariff(faults)
    known = await session.get(TariffRow, version)
    if known is None:
        session.add(TariffRow(version=version, document=dict(document), published_at=now))
        await session.flush()
    elif known.document != document:
        raise VersionDiffers(f"tariff version {version} is published with other content; publish {version + 1}")
    return version


def _faults_of_bearers(tariff: Tariff, of: City) -> list[str]:
    """A window with a concession on nobody's account could never be closed."""
    there = {account.code for account in of.accounts()}
    bearers = sorted({discount.bearer for discount in tariff.discounts} - {OPERATOR})
    return [
        f"discounts: bearer is {bearer}; no participant has the account {code(Kind.SUBSIDY_RECEIVABLE, bearer)}"
        for bearer in bearers
        if code(Kind.SUBSIDY_RECEIVABLE, bearer) not in there
    ]


async def city(session: AsyncSession) -> City:
    """The city in force. Raises ``LookupError`` before the first was published."""
    row = await _newest_city(session)
    if row is None:
        raise LookupError("no participants are published yet")
    return City.model_validate(row.document)


async def city_version(session: AsyncSession) -> int:
    return await session.scalar(select(func.max(CityRow.version))) or 0


async def newest_tariff(session: AsyncSession) -> TariffRow:
    """Raises ``LookupError`` before the first was published."""
    row = await session.scalar(select(TariffRow).order_by(TariffRow.version.desc()).limit(1))
    if row is None:
        raise LookupError("no tariff is published yet")
    return row


async def tariff_documents(session: AsyncSession) -> dict[int, dict[str, Any]]:
    """Every published version."""
    rows = await session.scalars(select(TariffRow).order_by(TariffRow.version))
    return {row.version: row.document for row in rows}


def laid_out(document: Mapping[str, Any]) -> Tariff:
    """Laying out the network is worth doing once; the text says whether it is the same tariff."""
    return _laid_out(json.dumps(document, sort_keys=True))


@lru_cache(maxsize=8)
def _laid_out(document: str) -> Tariff:
    return load_tariff(json.loads(document))


async def _newest_city(session: AsyncSession) -> CityRow | None:
    found: CityRow | None = await session.scalar(select(CityRow).order_by(CityRow.version.desc()).limit(1))
    return found
