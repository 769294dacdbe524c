"""Messages come late, in any order, again and again: what the books say in the end does not change."""

from __future__ import annotations

from datetime import date
from random import Random
from typing import Any

import pytest

from clearing.exchange.messages import Verdict
from clearing.facts.rules import DenyChange, deny_list_of
from simulator.city.neighbour import NAME
from simulator.city.neighbour_cards import ISSUER

DAY = date(2026, 9, 15)
# Foreign rides here: 100 a ride but for those of card 2, which the other city disputes and then pays; ours there: 200 a ride.
EXPECTED = {
    f"other-city-payable:{NAME}": 600 - 700,
    "operator-payable:bus-a": 700,
    "value-on-cards": -600,
}


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_order_of_messages_changes_the_books(cities: Any, seed: int) -> None:
    random = Random(seed)
    bus = await cities.house.enrol("BUS-A-0001")
    reported = cities.now.replace(hour=0)
    serial = bytes.fromhex("03109910000000000002")
    change = DenyChange(number=1, issuer=ISSUER, serial=serial, denied=True, reported_at=reported)
    cities.office.deny = deny_list_of([change])
    sent = 0
    for window in (1, 2, 3):
        cities.foreign_ride(1, window)
        if window < 3:
            cities.foreign_ride(2, window, amount=200)
        records = cities.house.town.journal["BUS-A-0001"]
        await bus.upload(window, records[sent:])
        sent = len(records)
        await cities.house.close(window)
    before = await cities.books()
    await cities.pack()

    answers = [cities.office.answer(*await cities.fetch("package", n), now=cities.now) for n in (1, 2, 3)]
    claims = [cities.office.claim([cities.ride_elsewhere(3, n)], cleared_on=DAY)[0] for n in (1, 2, 3)]
    messages = 2 * (answers + claims)
    random.shuffle(messages)
    ruling = cities.office.rule(Verdict.PAY, now=cities.now)
    refused = 0
    for message in messages:
        assert (await cities.send(message)).status_code in (200, 201)
        # A ruling before all its answers is refused whole, and comes again.
        refused += (await cities.send(ruling)).status_code == 422
    assert refused > 0
    assert (await cities.send(ruling)).status_code in (200, 201)
    assert await cities.moved(before) == EXPECTED
    assert await cities.cases() == []
    assert {row["state"] for row in await _packages(cities)} == {"settled"}


async def _packages(cities: Any) -> list[dict[str, Any]]:
    answers = [await cities.post("li", f"/exchange/packages/{NAME}/{n}/sending") for n in (1, 2, 3)]
    return [answer.json() for answer in answers]
