"""A device is enrolled once, with the PSAM issuing bound to it, and signs every request."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Any

import httpx
import pytest

from rulebook.parameters import DenyChanges, read_statement


async def test_an_enrolled_device_is_told_tariff_and_deny_list(house: Any, denied: Any) -> None:
    bus = await house.enrol("BUS-A-0001")
    house.facts.append(denied(2))
    assert (await house.pull())["items"] == 1
    statement = read_statement((await bus.send("GET", "/parameters")).content)
    tariff = await bus.send("GET", "/parameters/tariff/1")
    whole = await bus.send("GET", "/parameters/deny-list")
    assert (statement.device, statement.tariff.version) == ("BUS-A-0001", 1)
    assert (tariff.json()["version"], sha256(tariff.content).digest()) == (1, statement.tariff.sha256)
    listed = DenyChanges.decode(whole.content)
    assert listed.version == statement.deny_list.version == len(house.facts)
    assert [entry.serial for entry in listed.entries()] == [denied(2).serial]


@pytest.mark.parametrize("path", ["/parameters/tariff/2", "/parameters/deny-list?after=9&until=8"])
async def test_a_part_that_is_not_there_is_not_found(house: Any, path: str) -> None:
    bus = await house.enrol("BUS-A-0001")
    path, _, query = path.partition("?")
    signed = base64.b64encode(bus.key.sign(f"GET {path}\n".encode())).decode()
    headers = {"Citycard-Device": bus.name, "Citycard-Signature": signed}
    assert (await bus.client.get(f"{path}?{query}", headers=headers)).status_code == 404


async def test_a_repeated_enrolment_changes_nothing_and_another_key_is_refused(house: Any) -> None:
    code = await house.invite("BUS-A-0001")
    first, other = _device(house, "BUS-A-0001"), _device(house, "BUS-A-0001")
    given = await _enrol(first, code)
    assert given.status_code == 200
    assert (await _enrol(first, code)).json() == given.json()
    refused = await _enrol(other, code)
    assert (refused.status_code, refused.json()["reason"]) == (409, "enrolled_with_other_content")
    assert (await first.send("GET", "/parameters")).status_code == 200


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sam_serial": bytes(10)}, "sam_unknown"),
        ({"sam_serial": bytes.fromhex(f"{2:020d}")}, "sam_not_of_device"),
        ({"terminal_number": bytes.fromhex("991000009999")}, "sam_not_of_device"),
    ],
)
async def test_a_wrong_enrolment_is_refused_by_name(house: Any, changes: dict[str, Any], reason: str) -> None:
    code = await house.invite("BUS-A-0001")
    answer = await _enrol(_device(house, "BUS-A-0001"), code, **changes)
    assert (answer.status_code, answer.json()["reason"]) == (409, reason)


async def test_a_wrong_code_is_refused(house: Any) -> None:
    await house.invite("BUS-A-0001")
    answer = await _enrol(_device(house, "BUS-A-0001"), "guessed")
    assert (answer.status_code, answer.json()["reason"]) == (409, "code_wrong")


async def test_a_signature_by_another_key_is_refused(house: Any) -> None:
    device, other = _device(house, "BUS-A-0001"), _device(house, "BUS-A-0001")
    enrolment = device.enrolment(await house.invite("BUS-A-0001"))
    forged = enrolment.model_copy(update={"signature": other.key.sign(enrolment.signed_bytes())})
    answer = await device.send("POST", "/devices/enrolments", forged.model_dump_json().encode())
    assert answer.json()["reason"] == "signature_wrong"


async def test_what_was_not_announced_cannot_enrol(house: Any) -> None:
    answer = await _enrol(_device(house, "BUS-B-0001"), "no-code")
    assert (answer.status_code, answer.json()["reason"]) == (404, "device_not_invited")


async def test_a_device_of_an_unknown_operator_is_not_invited(house: Any) -> None:
    body = {"device": "X", "kind": "gate", "operator": "nobody", "line": "", "place": ""}
    async with house.staff("wang") as staff:
        answer = await staff.post("/devices/invitations", json=body)
    assert (answer.status_code, answer.json()["reason"]) == (422, "operator_unknown")


async def test_only_its_own_key_speaks_for_a_device(house: Any) -> None:
    bus = await house.enrol("BUS-A-0001")
    thief = _device(house, "BUS-A-0001")
    assert (await thief.send("GET", "/parameters")).status_code == 401
    assert (await bus.client.get("/parameters")).status_code == 401


async def test_a_lost_device_is_not_listened_to(house: Any) -> None:
    bus = await house.enrol("BUS-A-0001")
    async with house.staff("wang") as staff:
        assert (await staff.post("/devices/BUS-A-0001/loss")).status_code == 204
        assert (await staff.post("/devices/BUS-A-0001/loss")).status_code == 204
    assert (await bus.send("GET", "/parameters")).status_code == 403


async def test_what_a_device_brought_before_it_was_lost_is_paid(house: Any) -> None:
    bus = await house.enrol("BUS-A-0001")
    await bus.upload(1, list(house.town.tap(1, 0)))
    async with house.staff("wang") as staff:
        await staff.post("/devices/BUS-A-0001/loss")
    view = await house.close()
    assert not view["exceptions"]
    assert (await bus.upload(2, list(house.town.tap(1, 1)))).status_code == 403


@pytest.mark.parametrize(("kind", "operator"), [("topup", "bus-a"), ("gate", "agent-1"), ("hospital", "metro")])
async def test_a_terminal_is_of_a_participant_whose_business_it_is(house: Any, kind: str, operator: str) -> None:
    body = {"device": "X", "kind": kind, "operator": operator, "line": "", "place": ""}
    async with house.staff("wang") as staff:
        answer = await staff.post("/devices/invitations", json=body)
    assert (answer.status_code, answer.json()["reason"]) == (422, "operator_unknown")


async def test_a_signature_is_for_one_path_and_one_body(house: Any) -> None:
    bus = await house.enrol("BUS-A-0001")
    asked = bus.key.sign(b"GET /parameters\n")
    headers = {"Citycard-Device": bus.name, "Citycard-Signature": base64.b64encode(asked).decode()}
    assert (await bus.client.get("/parameters", headers=headers)).status_code == 200
    for method, path, body in (
        ("POST", "/batches", b""),
        ("GET", "/parameters", b"more"),
        ("POST", "/parameters", b""),
    ):
        answer = await bus.client.request(method, path, content=body, headers=headers)
        assert answer.status_code in {401, 405}, path


async def test_an_enrolled_device_is_not_invited_again(house: Any) -> None:
    code = await house.invite("BUS-A-0001")
    first, other = _device(house, "BUS-A-0001"), _device(house, "BUS-A-0001")
    assert (await _enrol(first, code)).status_code == 200
    assert (await _enrol(other, code)).json()["reason"] == "enrolled_with_other_content"
    async with house.staff("wang") as staff:
        again = await staff.post(
            "/devices/invitations",
            json={"device": first.name, "kind": "validator", "operator": "bus-a", "line": "", "place": ""},
        )
    assert (again.status_code, again.json()["reason"]) == (409, "already_enrolled")


async def test_nobody_invites_without_signing_in(house: Any) -> None:
    async with house.client() as client:
        assert (await client.post("/devices/invitations", json={})).status_code == 401


def _device(house: Any, name: str) -> Any:
    return house.device(name)


async def _enrol(device: Any, code: str, **changes: Any) -> httpx.Response:
    body = device.enrolment(code, **changes).model_dump_json().encode()
    answer: httpx.Response = await device.send("POST", "/devices/enrolments", body)
    return answer
