"""Several desks at once, committed for real in a database of their own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from backoffice.database import Database
from clearing.benefits.office import MedicalRefused
from clearing.benefits.tables import CancellationRow, SettlementRow
from clearing.ledger.accounts import medical_book
from clearing.ledger.service import verify
from rulebook.messages.medical import ItemClass, MedicalRefusal
from rulebook.money import yuan

LINES = [("2000", ItemClass.A)]
Within = Callable[..., Awaitable[Any]]


@pytest.fixture
async def database(own_database: Database, set_up: Any) -> Database:
    async with own_database.transaction() as session:
        await set_up(session)
    return own_database


@pytest.fixture
def within(database: Database, counter_in: Any) -> Within:
    """Run ``act(counter)`` in a transaction of its own: the answer, or the reason of the refusal."""
    numbers = {device: itertools.count(start) for start, device in ((1, "HOSP-1-01"), (5001, "HOSP-2-01"))}

    async def run(act: Callable[[Any], Awaitable[Any]], device: str = "HOSP-1-01") -> Any:
        institution = f"hospital-{device[5]}"
        try:
            async with database.transaction() as session:
                return await act(counter_in(session, device, institution, numbers[device]))
        except MedicalRefused as refused:
            return refused.reason

    return run


async def prepared(within: Within, person: int, visit: str, device: str = "HOSP-1-01") -> Any:
    """A settle request that is ready to be sent."""

    async def act(counter: Any) -> Any:
        token = await counter.present(person.to_bytes(8, "big"))
        return await counter.visit(token, LINES, visit=visit)

    return await within(act, device)


async def standing(database: Database) -> int:
    async with database.reading() as session:
        assert await verify(session, medical_book("employee-fund")) == []
        settled = await session.scalar(select(func.count()).select_from(SettlementRow)) or 0
        return settled - (await session.scalar(select(func.count()).select_from(CancellationRow)) or 0)


async def test_the_same_settlement_twice_at_once_is_one(database: Database, within: Within) -> None:
    request = await prepared(within, 1, "V1")
    first, second = await asyncio.gather(*(within(lambda counter: counter.send(request)) for _ in range(2)))
    assert first == second
    assert await standing(database) == 1


async def test_two_hospitals_at_once_spend_one_deductible_and_one_account(database: Database, within: Within) -> None:
    devices = ("HOSP-1-01", "HOSP-2-01")
    requests = [await prepared(within, 1, f"V{device}", device) for device in devices]
    answers = await asyncio.gather(
        *(within(lambda counter, r=r: counter.send(r), d) for r, d in zip(requests, devices, strict=True))
    )
    infos = [answer.output.setlinfo for answer in answers]
    assert sum((info.act_pay_dedc for info in infos), start=yuan("0")) == yuan("1800")
    # The account held 300: one visit got it, the other found it empty.
    assert sorted(str(info.acct_pay) for info in infos) == ["0.00", "300.00"]
    assert [str(info.balc) for info in infos] == ["0.00", "0.00"]
    assert await standing(database) == 2


async def test_a_settlement_and_its_reversal_at_once_leave_nothing(database: Database, within: Within) -> None:
    for number in range(5):
        request = await prepared(within, 1, f"V{number}")
        settled, reversed_ = await asyncio.gather(
            within(lambda counter, r=request: counter.send(r)),
            within(lambda counter, r=request: counter.send(counter.reversal_request("p1", r.msgid))),
        )
        assert settled is MedicalRefusal.REVERSED_BEFORE or settled.output.setlinfo.setl_id == request.msgid
        assert reversed_.infcode == "0"
        assert await standing(database) == 0


async def test_different_patients_at_once_do_not_block_one_another_for_good(database: Database, within: Within) -> None:
    devices = ("HOSP-1-01", "HOSP-2-01")
    ready = [
        (await prepared(within, person, f"V{person}-{number}", device), device)
        for person in (1, 2)
        for number in range(3)
        for device in devices
    ]
    answers = await asyncio.wait_for(
        asyncio.gather(*(within(lambda counter, r=request: counter.send(r), device) for request, device in ready)), 30
    )
    assert all(answer.infcode == "0" for answer in answers)
    assert await standing(database) == len(ready)
