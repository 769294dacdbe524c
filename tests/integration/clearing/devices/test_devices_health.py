"""What devices say of themselves comes to the people who keep them running."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from rulebook.calendar import BUSINESS_ZONE
from rulebook.messages.devices import DeviceHealth
from rulebook.messages.facts import SamState

EVENING = datetime(2026, 9, 15, 22, tzinfo=BUSINESS_ZONE)
HOUR = timedelta(hours=1)
WELL = DeviceHealth(
    software_version="1.4",
    tariff_version=1,
    list_version=0,
    parameter_key=1,
    clock_drift_ms=0,
    journal_last=0,
    journal_uploaded=0,
    free_bytes=10**10,
)


async def tiles(depot: Any) -> dict[str, int]:
    """What the page counts, by state."""
    page = await depot.page("/devices")
    found = re.findall(r'href="/devices\?health=(\w+)"><b class="\w*">(\d+)</b>', page)
    return {state: int(count) for state, count in found}


async def test_a_device_at_work_is_well_and_one_to_be_enrolled_is_no_problem(depot: Any) -> None:
    bus = await depot.enrolled()
    await bus.contact()
    await depot.house.invite("BUS-B-0001")
    assert await tiles(depot) == {"ok": 1, "awaited": 1}
    assert '<td colspan="8" class="good">' in await depot.page("/devices")


@pytest.mark.parametrize("ahead_s", [-121, 121])
async def test_a_wrong_clock_is_seen_from_both_sides(depot: Any, ahead_s: int) -> None:
    bus = await depot.enrolled()
    bus.clock_ahead_s = ahead_s
    kept = await bus.contact()
    assert kept.clock_drift == timedelta(seconds=ahead_s)
    assert await tiles(depot) == {"wrong_clock": 1}
    assert f"{ahead_s:+d}.0 s" in await depot.page("/devices")
    bus.clock_ahead_s = 0
    await bus.contact()
    assert await tiles(depot) == {"ok": 1}


async def test_silence_grows_from_late_to_silent(depot: Any) -> None:
    bus = await depot.enrolled()
    await bus.contact()
    for hours, state in ((12, "ok"), (12.1, "late"), (72, "late"), (72.1, "silent")):
        depot.at(EVENING + hours * HOUR)
        assert await tiles(depot) == {state: 1}, hours


async def test_any_signed_request_is_a_contact(depot: Any) -> None:
    bus = await depot.enrolled()
    await bus.contact()
    depot.at(EVENING + 20 * HOUR)
    assert await tiles(depot) == {"late": 1}
    await asyncio.to_thread(bus.uplink.statement)
    assert await tiles(depot) == {"ok": 1}


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ({"journal_last": 5000}, "ok"),
        ({"journal_last": 5001}, "late"),
        ({"free_bytes": 0}, "little_space"),
        ({"tariff_version": 0}, "old_lists"),
        ({"refusal": "expired"}, "old_lists"),
    ],
)
async def test_what_it_says_is_judged_by_the_limits(depot: Any, said: dict[str, Any], state: str) -> None:
    bus = await depot.enrolled()
    await bus.report(WELL.model_copy(update=said))
    assert await tiles(depot) == {state: 1}


async def test_a_list_is_old_when_the_device_was_told_of_a_newer_one(depot: Any, denied: Any) -> None:
    bus = await depot.enrolled()
    before = await bus.contact()
    depot.house.facts.append(denied(2))
    await depot.house.pull()
    said = WELL.model_copy(update={"list_version": before.parameters.list_version})
    await bus.report(said)
    assert await tiles(depot) == {"ok": 1}  # nobody told it yet
    await asyncio.to_thread(bus.uplink.statement)
    await bus.report(said)
    assert await tiles(depot) == {"old_lists": 1}
    await bus.contact()
    assert await tiles(depot) == {"ok": 1}


async def test_a_device_that_talks_and_does_not_ask_is_found(depot: Any) -> None:
    bus = await depot.enrolled()
    kept = await bus.contact()
    for minutes, state in ((60, "ok"), (61, "old_lists")):
        depot.at(EVENING + timedelta(minutes=minutes))
        await bus.report(WELL.model_copy(update={"list_version": kept.parameters.list_version}))
        assert await tiles(depot) == {state: 1}


async def test_a_device_enrolled_anew_is_not_what_it_was(depot: Any) -> None:
    bus = await depot.enrolled()
    bus.clock_ahead_s = 10**4
    await bus.contact()
    await depot.post("wang", "/devices/BUS-A-0001/loss")
    assert await tiles(depot) == {"lost": 1}
    depot.at(EVENING + 90 * HOUR)
    await depot.post("wang", "/devices/BUS-A-0001/proposal", event="return", note="x")
    code = (await depot.post("li", "/devices/BUS-A-0001/approval")).json()["code"]
    assert await tiles(depot) == {"awaited": 1}
    again = depot.terminal("BUS-A-0001", seed=1)
    again.line.now = EVENING + 90 * HOUR
    await again.enrol(code, depot.town)
    assert await tiles(depot) == {"ok": 1}


@pytest.mark.parametrize(
    "change", [{"state": SamState.LOST}, {"device": "BUS-B-0001"}, {"state": SamState.PERSONALISED, "device": None}]
)
async def test_a_device_whose_psam_is_not_its_own_any_more_is_blocked(depot: Any, change: dict[str, Any]) -> None:
    bus = await depot.enrolled()
    await bus.contact()
    sam = next(fact for fact in depot.house.facts if getattr(fact, "device", None) == "BUS-A-0001")
    depot.house.facts.append(sam.model_copy(update=change))
    await depot.house.pull()
    assert await tiles(depot) == {"blocked": 1}


async def test_the_page_names_the_owner_and_every_problem(depot: Any) -> None:
    bus, other = await depot.enrolled(), await depot.enrolled("BUS-B-0001")
    await bus.report(WELL.model_copy(update={"free_bytes": 0, "journal_last": 9000, "journal_uploaded": 12}))
    await other.contact()
    page = await depot.page("/devices")
    problems = page.split("有问题的终端")[1].split("全部终端")[0]
    assert "BUS-A-0001" in problems
    assert "BUS-B-0001" not in problems
    assert "公交甲公司" in problems
    assert "little space" in problems
    assert "late" in problems
    assert "8988" in problems
    chosen = await depot.page("/devices?operator=bus-b&line=B101")
    assert "BUS-A-0001" not in chosen.split("所选终端")[1]
    assert "BUS-B-0001" in chosen.split("所选终端")[1]
    assert "BUS-B-0001" not in (await depot.page("/devices?health=late")).split("所选终端")[1]


@pytest.mark.parametrize("change", [{"journal_last": -1}, {"free_bytes": 2**63}, {"software_version": "x" * 41}])
async def test_what_is_no_report_is_refused(depot: Any, change: dict[str, Any]) -> None:
    bus = await depot.enrolled()
    with pytest.raises(Exception, match="422"):
        await bus.report(WELL.model_copy(update=change))


async def test_a_report_is_the_devices_own(depot: Any) -> None:
    await depot.enrolled()
    async with depot.house.client() as client:
        answer = await client.post("/devices/health", json=WELL.model_dump(mode="json"))
    assert answer.status_code == 401


async def test_there_is_no_page_of_a_device_that_is_not(depot: Any) -> None:
    answer = await depot.staff("wang", "GET", "/devices/NOBODY")
    assert (answer.status_code, answer.json()["reason"]) == (404, "device_unknown")
