"""A device is lost, found by two persons, enrolled anew with another key, and ends by two persons."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from backoffice.database import Database
from clearing.devices.queries import known_devices
from clearing.verification.context import Absence
from rulebook.calendar import BUSINESS_ZONE
from rulebook.messages.facts import SamState
from terminals.uplink import HostRefused

EVENING = datetime(2026, 9, 15, 22, tzinfo=BUSINESS_ZONE)
HOUR = timedelta(hours=1)
BUS = "/devices/BUS-A-0001"


async def lost_since(database: Database, device: str = "BUS-A-0001") -> datetime | None:
    async with database.reading() as session:
        absences = (await known_devices(session))[device].absences
        return absences[-1].lost_at if absences and absences[-1].back_at is None else None


async def away(database: Database) -> tuple[Absence, ...]:
    async with database.reading() as session:
        return (await known_devices(session))["BUS-A-0001"].absences


async def found(depot: Any) -> str:
    """Two persons say so; the new code."""
    assert (await depot.post("wang", f"{BUS}/proposal", event="return", note="在车库找到")).status_code == 204
    approved = await depot.post("li", f"{BUS}/approval")
    assert approved.status_code == 200, approved.text
    code: str = approved.json()["code"]
    return code


async def test_a_loss_counts_from_the_moment_it_was_noticed(depot: Any) -> None:
    bus = await depot.enrolled()
    noticed = EVENING - 3 * HOUR
    assert (await depot.post("wang", f"{BUS}/loss", since=noticed.isoformat())).status_code == 204
    assert await lost_since(depot.house.database) == noticed
    with pytest.raises(HostRefused, match="403"):
        await bus.contact()


async def test_a_moment_from_the_page_is_the_citys_time(depot: Any) -> None:
    await depot.enrolled()
    await depot.post("wang", f"{BUS}/loss", since="2026-09-15T19:30:00")
    assert await lost_since(depot.house.database) == datetime(2026, 9, 15, 19, 30, tzinfo=BUSINESS_ZONE)


async def test_a_loss_again_changes_nothing_and_with_another_moment_is_refused(depot: Any) -> None:
    await depot.enrolled()
    noticed = (EVENING - HOUR).isoformat()
    await depot.post("wang", f"{BUS}/loss", since=noticed)
    assert (await depot.post("li", f"{BUS}/loss", since=noticed)).status_code == 204
    assert (await depot.post("li", f"{BUS}/loss")).status_code == 204
    other = await depot.post("li", f"{BUS}/loss", since=EVENING.isoformat())
    assert (other.status_code, other.json()["reason"]) == (409, "lost_at_other_moment")
    assert await lost_since(depot.house.database) == EVENING - HOUR


async def test_a_loss_to_come_is_refused(depot: Any) -> None:
    await depot.enrolled()
    refused = await depot.post("wang", f"{BUS}/loss", since=(EVENING + HOUR).isoformat())
    assert (refused.status_code, refused.json()["reason"]) == (422, "loss_in_future")


@pytest.mark.parametrize("device", ["NOBODY", "BUS-A-0001"])
async def test_what_was_never_enrolled_cannot_be_lost(depot: Any, device: str) -> None:
    await depot.house.invite("BUS-A-0001")
    refused = await depot.post("wang", f"/devices/{device}/loss")
    assert (refused.status_code, refused.json()["reason"]) == (404, "device_unknown")


async def test_a_device_that_is_found_comes_back_with_a_new_key(depot: Any) -> None:
    bus = await depot.enrolled()
    await bus.contact()
    await depot.post("wang", f"{BUS}/loss", since=(EVENING - HOUR).isoformat())
    depot.at(EVENING + 2 * HOUR)
    code = await found(depot)
    with pytest.raises(HostRefused, match="403"):
        await bus.contact()
    town = depot.town
    with pytest.raises(HostRefused, match="key_was_lost"):
        await bus.enrol(code, town)
    again = depot.terminal("BUS-A-0001", seed=1)
    again.line.now = EVENING + 2 * HOUR
    await again.enrol(code, town)
    assert (await again.contact()).parameters.tariff_version == 1
    with pytest.raises(HostRefused, match="401"):
        await bus.contact()
    assert await lost_since(depot.house.database) is None
    assert await away(depot.house.database) == (Absence(EVENING - HOUR, EVENING + 2 * HOUR),)


async def test_until_it_is_enrolled_again_it_stays_lost_to_clearing(depot: Any) -> None:
    await depot.enrolled()
    await depot.post("wang", f"{BUS}/loss")
    await found(depot)
    assert await lost_since(depot.house.database) == EVENING
    assert await away(depot.house.database) == (Absence(EVENING),)


async def test_a_code_that_was_mislaid_is_replaced_and_the_first_is_nothing(depot: Any) -> None:
    await depot.enrolled()
    await depot.post("wang", f"{BUS}/loss")
    first = await found(depot)
    second = await depot.house.invite("BUS-A-0001")
    again = depot.terminal("BUS-A-0001", seed=1)
    with pytest.raises(HostRefused, match="code_wrong"):
        await again.enrol(first, depot.town)
    await again.enrol(second, depot.town)
    assert (await again.contact()).refused is None


async def test_a_found_device_stays_its_operators(depot: Any) -> None:
    await depot.enrolled()
    await depot.post("wang", f"{BUS}/loss")
    await found(depot)
    body = {"device": "BUS-A-0001", "kind": "validator", "operator": "bus-b", "line": "", "place": ""}
    refused = await depot.staff("wang", "POST", "/devices/invitations", json=body)
    assert (refused.status_code, refused.json()["reason"]) == (409, "device_of_another")


async def test_one_person_alone_neither_finds_nor_ends(depot: Any) -> None:
    await depot.enrolled()
    await depot.post("wang", f"{BUS}/loss")
    for event in ("return", "decommission"):
        await depot.post("wang", f"{BUS}/proposal", event=event, note="x")
        refused = await depot.post("wang", f"{BUS}/approval")
        assert (refused.status_code, refused.json()["reason"]) == (409, "second_person_must_differ")
        twice = await depot.post("li", f"{BUS}/proposal", event="return", note="x")
        assert (twice.status_code, twice.json()["reason"]) == (409, "already_proposed")
        assert (await depot.post("wang", f"{BUS}/withdrawal")).status_code == 204
        nothing = await depot.post("li", f"{BUS}/approval")
        assert (nothing.status_code, nothing.json()["reason"]) == (409, "nothing_proposed")


@pytest.mark.parametrize(
    ("form", "status", "reason"),
    [
        ({"event": "return", "note": "x"}, 409, "device_enrolled"),
        ({"event": "lose", "note": "x"}, 422, "event_of_one_person"),
        ({"event": "decommission", "note": "  "}, 422, "note_missing"),
        ({"event": "fly", "note": "x"}, 422, "invalid_fields"),
    ],
)
async def test_what_cannot_be_proposed(depot: Any, form: dict[str, str], status: int, reason: str) -> None:
    await depot.enrolled()
    refused = await depot.post("wang", f"{BUS}/proposal", **form)
    assert (refused.status_code, refused.json()["reason"]) == (status, reason)


async def test_an_ended_device_is_not_listened_to_and_never_comes_back(depot: Any) -> None:
    bus = await depot.enrolled()
    await depot.post("wang", f"{BUS}/proposal", event="decommission", note="车辆报废")
    assert (await depot.post("li", f"{BUS}/approval")).json() is None
    with pytest.raises(HostRefused, match="403"):
        await bus.contact()
    for act, form in (("loss", {}), ("proposal", {"event": "return", "note": "x"})):
        refused = await depot.post("wang", f"{BUS}/{act}", **form)
        assert (refused.status_code, refused.json()["reason"]) == (409, "device_decommissioned")
    body = {"device": "BUS-A-0001", "kind": "validator", "operator": "bus-a", "line": "", "place": ""}
    assert (await depot.staff("wang", "POST", "/devices/invitations", json=body)).status_code == 409
    assert await lost_since(depot.house.database) == EVENING  # what it says to have done after its end counts as little
    assert "BUS-A-0001" not in await depot.page("/devices")
    assert "已报废" in await depot.page(BUS)


async def test_a_loss_ends_what_was_proposed(depot: Any) -> None:
    await depot.enrolled()
    await depot.post("wang", f"{BUS}/proposal", event="decommission", note="x")
    await depot.post("wang", f"{BUS}/loss")
    assert (await depot.post("li", f"{BUS}/approval")).json()["reason"] == "nothing_proposed"


async def test_the_page_shows_what_was_done_and_warns_of_the_psam(depot: Any) -> None:
    await depot.enrolled()
    await depot.post("wang", f"{BUS}/loss", since="2026-09-15T19:30:00")
    page = await depot.page(BUS)
    assert "let issuing report it lost" in page
    assert "2026-09-15 19:30:00" in page
    sam = next(fact for fact in depot.house.facts if getattr(fact, "device", None) == "BUS-A-0001")
    depot.house.facts.append(sam.model_copy(update={"state": SamState.LOST}))
    await depot.house.pull()
    assert "let issuing report it lost" not in await depot.page(BUS)
    await depot.post("wang", f"{BUS}/proposal", event="return", note="在车库找到")
    mine, theirs = await depot.page(BUS), await _page_of(depot, "li")
    assert "在车库找到" in mine
    assert "须由另一人复核" in mine
    assert 'action="/devices/BUS-A-0001/approval"' in theirs


async def test_the_second_person_sees_the_code_once(depot: Any) -> None:
    await depot.enrolled()
    await depot.post("wang", f"{BUS}/loss")
    await depot.post("wang", f"{BUS}/proposal", event="return", note="x")
    shown = await depot.staff("li", "POST", f"{BUS}/approval", headers={"Accept": "text/html"})
    code = shown.text.split("<code>")[1].split("</code>")[0]
    assert code not in await depot.page(BUS)
    await depot.terminal("BUS-A-0001", seed=1).enrol(code, depot.town)


async def _page_of(depot: Any, name: str) -> str:
    text: str = (await depot.staff(name, "GET", BUS, headers={"Accept": "text/html"})).text
    return text
