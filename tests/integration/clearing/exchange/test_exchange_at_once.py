"""Messages that meet one another: each is taken once, and a ride is paid once, whoever comes first."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest

from backoffice.database import Database
from clearing.exchange.messages import DisputeCode
from simulator.city.neighbour import NAME

DAY = date(2026, 9, 15)


@pytest.fixture
def clearing_database(own_database: Database) -> Database:
    """In place of the one that rolls back."""
    return own_database


async def test_a_ride_is_paid_once(cities: Any) -> None:
    """The same package four times, and another one with the same ride, all at once."""
    ride = cities.ride_elsewhere(1, 3)
    (first,) = cities.office.claim([ride], cleared_on=DAY)
    (second,) = cities.office.claim([ride], cleared_on=DAY)
    before = await cities.books()
    answers = await asyncio.gather(*(cities.send(content) for content in (first, first, second, first, first)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201, 201]
    assert await cities.moved(before) == {"value-on-cards": -200, f"other-city-payable:{NAME}": 200}
    results = [cities.office.take_answer(*await cities.fetch("accounting", number)) for number in (1, 2)]
    assert sorted(len(result.disputed) for result in results) == [0, 1]
    assert {code for result in results for code in result.disputed.values()} == {DisputeCode.DUPLICATE}


async def test_two_who_pack_at_once_make_each_package_once(cities: Any) -> None:
    bus = await cities.house.enrol("BUS-A-0001")
    cities.foreign_ride(1, 7)
    await bus.upload(1, cities.house.town.journal["BUS-A-0001"])
    await cities.house.close()
    answers = await asyncio.gather(*(cities.post(name, "/exchange/packages") for name in ("wang", "li")))
    assert [answer.status_code for answer in answers] == [201, 201]
    numbers = await cities.get("/exchange/messages/package")
    assert numbers.json() == [1]
