"""A terminal and clearing talk: what is told, what is taken, what is refused on the way."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.devices.parts import deny_changes
from clearing.facts.tables import DenyChangeRow
from rulebook.calendar import BUSINESS_ZONE
from rulebook.messages.devices import DeviceEnrolled, ParameterKey
from rulebook.parameters import DenyChange, DenyChanges
from rulebook.tariff.demonstration import demonstration_document
from terminals.uplink import HostRefused, ParametersRefused, Refusal

EVENING = datetime(2026, 9, 15, 22, tzinfo=BUSINESS_ZONE)
HOUR = timedelta(hours=1)


def tariff(version: int) -> dict[str, Any]:
    """The demonstration's bus lines: laying out its network takes a while."""
    document = demonstration_document(version=version)
    discounts = [each for each in document["discounts"] if "entries" not in each.get("when", {})]
    return document | {"stations": [], "sections": [], "virtual_transfers": [], "discounts": discounts}


async def propose(depot: Any, version: int, begins: datetime) -> Any:
    body = {"document": tariff(version), "effective_from": begins.isoformat()}
    return await depot.staff("wang", "POST", "/parameters/tariffs", json=body)


async def publish(depot: Any, version: int, begins: datetime) -> None:
    assert (await propose(depot, version, begins)).status_code == 201
    approved = await depot.post("li", f"/parameters/tariffs/{version}/approval")
    assert approved.status_code == 200, approved.text


async def test_a_terminal_is_told_and_then_only_of_what_changed(depot: Any, denied: Any) -> None:
    bus = await depot.enrolled()
    first = await bus.contact()
    assert (first.parameters.tariff_version, first.parameters.deny_list) == (1, ())
    bus.line.asked.clear()
    before = len(depot.house.facts)
    depot.house.facts.append(denied(2))
    await depot.house.pull()
    second = await bus.contact()
    assert bus.line.asked == [
        "/parameters",
        f"/parameters/deny-list?after={first.parameters.list_version}&until={before + 1}",
        "/devices/health",
    ]
    assert [entry.serial for entry in second.parameters.deny_list] == [denied(2).serial]
    depot.house.facts.append(denied(2).model_copy(update={"denied": False}))
    await depot.house.pull()
    assert (await bus.contact()).parameters.deny_list == ()


async def test_a_terminal_without_a_network_goes_on(depot: Any) -> None:
    bus = await depot.enrolled()
    told = await bus.contact()
    bus.line.down = True
    depot.at(EVENING + 5 * HOUR)
    kept = await bus.contact()
    assert (kept.parameters, kept.received_at, kept.refused) == (told.parameters, EVENING, None)


async def test_what_is_changed_on_the_way_is_refused_and_reported(depot: Any) -> None:
    bus = await depot.enrolled()
    told = await bus.contact()
    bus.line.twist = lambda content: content[:-2] + bytes([content[-2] ^ 1]) + content[-1:] if content else content
    kept = await bus.contact()
    assert kept.refused is not None
    assert (kept.refused.refusal, kept.parameters) == (Refusal.SIGNATURE_WRONG, told.parameters)
    page = await depot.page("/devices/BUS-A-0001")
    assert "signature_wrong" in page
    assert "参数过期 old lists" in page


async def test_what_is_for_one_terminal_is_nothing_for_another(depot: Any) -> None:
    bus, other = await depot.enrolled(), await depot.enrolled("BUS-B-0001")
    package = (await depot.staff("wang", "GET", "/devices/BUS-A-0001/parameters")).content
    with pytest.raises(ParametersRefused) as caught:
        other.store.load(package, EVENING)
    assert caught.value.refusal is Refusal.OTHER_DEVICE
    assert bus.store.load(package, EVENING).parameters.tariff_version == 1


async def test_a_file_says_what_the_network_says(depot: Any, denied: Any) -> None:
    bus = await depot.enrolled()
    depot.house.facts.append(denied(2))
    await depot.house.pull()
    await publish(depot, 2, EVENING + 2 * HOUR)
    answer = await depot.staff("wang", "GET", "/devices/BUS-A-0001/parameters")
    assert answer.headers["content-disposition"] == 'attachment; filename="BUS-A-0001.parameters"'
    carried = bus.store.load(answer.content, EVENING)
    told = await bus.contact()
    assert (carried.parameters, carried.statement) == (told.parameters, told.statement)
    assert bus.line.asked[-2:] == ["/parameters", "/devices/health"]  # every part was there from the file


async def test_a_file_older_than_what_the_network_told_is_refused(depot: Any) -> None:
    bus = await depot.enrolled()
    package = (await depot.staff("wang", "GET", "/devices/BUS-A-0001/parameters")).content
    depot.at(EVENING + HOUR)
    await bus.contact()
    with pytest.raises(ParametersRefused) as caught:
        bus.store.load(package, EVENING + HOUR)
    assert caught.value.refusal is Refusal.OLDER


@pytest.mark.parametrize("device", ["BUS-A-0001", "NOBODY"])
async def test_no_file_for_a_device_that_is_not_enrolled(depot: Any, device: str) -> None:
    await depot.house.invite("BUS-A-0001")
    answer = await depot.staff("wang", "GET", f"/devices/{device}/parameters")
    assert (answer.status_code, answer.json()["reason"]) == (404, "device_unknown")


async def test_a_tariff_by_two_persons_is_told_ahead_and_begins_by_itself(depot: Any) -> None:
    bus = await depot.enrolled()
    begins = EVENING + 6 * HOUR
    await propose(depot, 2, begins)
    assert (await bus.contact()).statement.next_tariff is None  # one person is not enough
    assert (await depot.post("li", "/parameters/tariffs/2/approval")).status_code == 200
    coming = (await bus.contact()).statement.next_tariff
    assert coming is not None
    assert (coming.version, coming.effective_from) == (2, begins)
    bus.line.down = True
    depot.at(begins - timedelta(seconds=1))
    assert (await bus.contact()).parameters.tariff_version == 1
    depot.at(begins)
    assert (await bus.contact()).parameters.tariff_version == 2
    bus.line.down = False
    told = await bus.contact()
    assert (told.statement.tariff.version, told.statement.next_tariff) == (2, None)


async def test_the_one_who_proposed_a_tariff_does_not_approve_it(depot: Any) -> None:
    await propose(depot, 2, EVENING + 2 * HOUR)
    refused = await depot.post("wang", "/parameters/tariffs/2/approval")
    assert (refused.status_code, refused.json()["reason"]) == (409, "second_person_must_differ")
    withdrawn = await depot.post("wang", "/parameters/tariffs/2/withdrawal")
    assert withdrawn.json()["state"] == "withdrawn"
    late = await depot.post("li", "/parameters/tariffs/2/approval")
    assert (late.status_code, late.json()["reason"]) == (409, "release_withdrawn")
    assert (await propose(depot, 2, EVENING + 3 * HOUR)).status_code == 201


async def test_a_tariff_that_would_begin_before_everybody_has_heard_is_refused(depot: Any) -> None:
    refused = await propose(depot, 2, EVENING + timedelta(minutes=59))
    assert (refused.status_code, refused.json()["reason"]) == (409, "not_publishable")
    depot.terminal("BUS-A-0001")
    await propose(depot, 2, EVENING + HOUR)
    depot.at(EVENING + timedelta(minutes=1))  # the second person comes too late
    late = await depot.post("li", "/parameters/tariffs/2/approval")
    assert (late.status_code, late.json()["reason"]) == (409, "not_publishable")


@pytest.mark.parametrize(
    ("version", "hours", "reason"), [(1, 2, "not_publishable"), (3, 1.5, "not_publishable"), (2, 9, "not_publishable")]
)
async def test_versions_and_moments_only_rise(depot: Any, version: int, hours: float, reason: str) -> None:
    await publish(depot, 2, EVENING + 2 * HOUR)
    refused = await propose(depot, version, EVENING + hours * HOUR)
    assert (refused.status_code, refused.json()["reason"]) == (409, reason)


async def test_a_tariff_with_faults_is_refused_with_all_of_them(depot: Any) -> None:
    body = {"document": {"version": "two"}, "effective_from": (EVENING + 2 * HOUR).isoformat()}
    refused = await depot.staff("wang", "POST", "/parameters/tariffs", json=body)
    assert (refused.status_code, refused.json()["reason"]) == (422, "malformed_tariff")
    assert len(refused.json()["errors"]) > 1


async def test_the_history_of_tariffs_stays(depot: Any) -> None:
    await publish(depot, 2, EVENING + 2 * HOUR)
    depot.terminal("BUS-A-0001")
    depot.at(EVENING + 3 * HOUR)
    await publish(depot, 5, EVENING + 9 * HOUR)
    listed = (await depot.staff("li", "GET", "/parameters/tariffs")).json()
    assert [(row["version"], row["proposed_by"], row["approved_by"]) for row in listed] == [
        (5, "wang", "li"),
        (2, "wang", "li"),
        (1, None, None),
    ]
    page = await depot.page("/publishing")
    assert "2026-09-16 07:00:00" in page


async def test_a_tariff_is_published_from_the_page(depot: Any) -> None:
    files = {"file": ("tariff.json", json.dumps(tariff(2)), "application/json")}
    answer = await depot.staff(
        "wang", "POST", "/parameters/tariffs/file", files=files, data={"effective_from": "2026-09-16T04:00:00"}
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/publishing")
    page = await depot.page("/publishing")
    assert "somebody else must approve it" in page
    assert "2026-09-16 04:00:00" in page


async def test_a_new_key_is_announced_heard_and_signs(depot: Any) -> None:
    bus, other = await depot.enrolled(), await depot.enrolled("BUS-B-0001")
    old = (await depot.staff("wang", "GET", "/devices/BUS-A-0001/parameters")).content
    await bus.contact()
    await other.contact()
    assert (await depot.post("wang", "/parameters/keys")).status_code == 201
    own = await depot.post("wang", "/parameters/keys/2/approval")
    assert (own.status_code, own.json()["reason"]) == (409, "second_person_must_differ")
    assert (await bus.contact()).statement.next_key is None
    assert (await depot.post("li", "/parameters/keys/2/approval")).json()["state"] == "announced"
    assert (await bus.contact()).statement.newest_key == 2
    deaf = await depot.post("li", "/parameters/keys/2/signing")
    assert (deaf.status_code, deaf.json()["reason"]) == (409, "devices_not_told")
    assert "BUS-B-0001 do not know key 2" in deaf.json()["detail"]
    await other.contact()
    assert (await depot.post("li", "/parameters/keys/2/signing")).json()["state"] == "signing"
    for terminal in (bus, other):
        told = await terminal.contact()
        assert (told.refused, told.statement.key, told.statement.next_key) == (None, 2, None)
    with pytest.raises(ParametersRefused) as caught:
        bus.store.load(old, EVENING)
    assert caught.value.refusal is Refusal.SIGNATURE_WRONG
    states = [(row["number"], row["state"]) for row in (await depot.staff("li", "GET", "/parameters/keys")).json()]
    assert states == [(2, "signing"), (1, "retired")]


async def test_who_enrols_between_announcement_and_change_knows_both_keys(depot: Any) -> None:
    await depot.post("wang", "/parameters/keys")
    await depot.post("li", "/parameters/keys/2/approval")
    bus = await depot.enrolled()
    assert (await depot.post("li", "/parameters/keys/2/signing")).status_code == 409  # enrolled in the same instant
    await bus.contact()
    assert (await depot.post("li", "/parameters/keys/2/signing")).status_code == 200
    assert (await bus.contact()).statement.key == 2


async def test_a_key_that_is_waiting_stands_before_the_next(depot: Any) -> None:
    await depot.post("wang", "/parameters/keys")
    again = await depot.post("li", "/parameters/keys")
    assert (again.status_code, again.json()["reason"]) == (409, "next_key_there")
    assert (await depot.post("li", "/parameters/keys/2/withdrawal")).json()["state"] == "withdrawn"
    assert (await depot.post("li", "/parameters/keys")).json()["proposed_by"] == "li"
    for number, act, reason in (
        (2, "signing", "key_proposed"),
        (1, "approval", "key_signing"),
        (9, "approval", "key_unknown"),
    ):
        refused = await depot.post("wang", f"/parameters/keys/{number}/{act}")
        assert refused.json()["reason"] == reason


async def test_nobody_is_told_without_the_key(depot: Any) -> None:
    bus = await depot.enrolled()
    thief = depot.terminal("BUS-A-0001", seed=1)
    thief.store.pin(DeviceEnrolled(parameter_keys=[ParameterKey(number=1, public=bytes(32))]))
    with pytest.raises(HostRefused):
        await thief.contact()
    assert (await bus.contact()).refused is None


@pytest.mark.parametrize("seed", range(8))
async def test_the_database_lays_the_list_out_as_the_form_says(clearing_session: AsyncSession, seed: int) -> None:
    """Between any two versions, the bytes are those of ``DenyChanges``; times before 1970 too."""
    random = Random(seed)
    changes = [
        DenyChange(bytes(8), bytes([random.randrange(5)]) * 10, _moment(random), random.random() < 0.6)
        for _ in range(random.randrange(1, 14))
    ]
    rows = [{"number": number, **change._asdict()} for number, change in enumerate(changes, 1)]
    await clearing_session.execute(insert(DenyChangeRow), rows)
    for until in range(len(changes) + 1):
        for after in range(until + 1):
            wanted = DenyChanges.between(after, until, changes[after:until])
            assert await deny_changes(clearing_session, after, until) == wanted.encode()


def _moment(random: Random) -> datetime:
    return EVENING + timedelta(microseconds=random.randrange(-2 * 10**15, 10**15))
