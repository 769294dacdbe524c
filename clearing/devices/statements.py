"""What one device is told, signed for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from clearing.devices.key_change import KeysInForce, keys_in_force
from clearing.devices.parameter_keys import ParameterKeys
from clearing.devices.parts import deny_changes, list_part, tariff_part
from clearing.devices.publishing import releases
from clearing.devices.releases import Release, coming, in_force
from rulebook.deny_list import SPREADING
from rulebook.messages.devices import DeviceKind
from rulebook.parameters import ListPart, ParameterStatement, TariffPart, pack, seal_statement


class Issued(NamedTuple):
    """``document`` is the ``statement`` with its signature."""

    statement: ParameterStatement
    document: bytes


async def statement_for(
    session: AsyncSession, keys: ParameterKeys, device: str, kind: DeviceKind, *, now: datetime
) -> Issued:
    """The signed statement of ``now``. Raises ``NoTariff`` and ``KeyMissing``."""
    in_use = await keys_in_force(session)
    statement = stated(device, kind, in_use, await releases(session), await list_part(session), now=now)
    return Issued(statement, seal_statement(statement, lambda message: keys.sign(in_use.signing, message)))


async def package_for(
    session: AsyncSession, keys: ParameterKeys, device: str, kind: DeviceKind, *, now: datetime
) -> bytes:
    """The same in one file with all its parts, to be carried to the device."""
    issued = await statement_for(session, keys, device, kind, now=now)
    return pack(issued.document, [part async for part in _parts(session, issued.statement)])


def stated(
    device: str, kind: DeviceKind, keys: KeysInForce, published: list[Release], deny_list: ListPart, *, now: datetime
) -> ParameterStatement:
    """Valid for as long as the deny list of such a device may be old: later it could not take a card by it. Raises
    ``NoTariff``."""
    following = coming(published, now)
    return ParameterStatement(
        device=device,
        key=keys.signing.number,
        next_key=keys.announced,
        issued_at=now,
        valid_until=now + SPREADING[kind].list_limit,
        tariff=_part(in_force(published, now)),
        next_tariff=None if following is None else _part(following),
        deny_list=deny_list,
    )


def _part(release: Release) -> TariffPart:
    return TariffPart(version=release.version, sha256=release.sha256, effective_from=release.effective_from)


async def _parts(session: AsyncSession, statement: ParameterStatement) -> AsyncIterator[bytes]:
    for tariff in (statement.tariff, statement.next_tariff):
        if tariff is not None:
            document = await tariff_part(session, tariff.version)
            assert document is not None  # what is released is published
            yield document
    yield await deny_changes(session, 0, statement.deny_list.version)
