"""The office's day over HTTP: register, application, approval, stock, and what is refused."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from issuing.base import accounts

PROBLEM = "application/problem+json"


async def facts(client: httpx.AsyncClient, factory: Any, after: int = 0, limit: int = 1000) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {factory.service_token}"}
    answer = await client.get("/feed", params={"after": after, "limit": limit}, headers=headers)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def test_register_file_is_taken_and_told_about(clerk: httpx.AsyncClient, factory: Any) -> None:
    raw = factory.register_file(3)
    answer = await clerk.post("/register/files", content=raw)
    assert answer.status_code == 201
    assert answer.json() == {
        "content_hash": hashlib.sha256(raw).hexdigest(),
        "rows": 3,
        "added": 3,
        "changed": 0,
        "repeated": False,
    }
    page = await facts(clerk, factory)
    assert [item["number"] for item in page["items"]] == [1, 2, 3]
    assert {item["fact"]["fund"] for item in page["items"]} == {"employee-fund"}


async def test_same_file_again_changes_nothing(clerk: httpx.AsyncClient, factory: Any) -> None:
    await clerk.post("/register/files", content=factory.register_file(3))
    answer = await clerk.post("/register/files", content=factory.register_file(3))
    assert (answer.status_code, answer.json()["repeated"]) == (200, True)
    assert (await facts(clerk, factory))["last"] == 3


async def test_changed_person_gets_a_new_version(clerk: httpx.AsyncClient, factory: Any) -> None:
    await clerk.post("/register/files", content=factory.register_file(2))
    other = factory.register_file(1, fund="other-fund") + b"\n" + factory.register_file(2).splitlines()[2]
    answer = await clerk.post("/register/files", content=other)
    assert (answer.json()["added"], answer.json()["changed"]) == (0, 1)
    page = await facts(clerk, factory, after=2)
    assert [(item["number"], item["fact"]["fund"]) for item in page["items"]] == [(3, "other-fund")]


async def test_register_file_with_bad_rows_is_refused_whole(clerk: httpx.AsyncClient, factory: Any) -> None:
    lines = factory.register_file(300).splitlines()
    lines[7] = lines[7].replace(b"in_service", b"at_home")
    lines[131] = b"x" + lines[131]
    answer = await clerk.post("/register/files", content=b"\n".join(lines))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == PROBLEM
    assert [(fault["row"], fault["field"]) for fault in answer.json()["errors"]] == [
        (7, "insured_class"),
        (131, "citizen_id"),
    ]
    assert (await facts(clerk, factory))["last"] == 0


async def test_person_at_rest_is_sealed(clerk: httpx.AsyncClient, factory: Any, issuing_session: Any, app: Any) -> None:
    await clerk.post("/register/files", content=factory.register_file(1))
    from sqlalchemy import text

    database = app.state.service.database
    async with database.reading() as session:
        rows = (await session.execute(text("SELECT p::text AS shown, sealed FROM issuing.person p"))).all()
    assert len(rows) == 1
    assert factory.citizen_id(0) not in rows[0].shown
    assert factory.citizen_id(0).encode() not in rows[0].sealed


async def test_nobody_approves_what_he_applied_for(
    clerk: httpx.AsyncClient, approver: httpx.AsyncClient, factory: Any, app: FastAPI
) -> None:
    async with app.state.service.database.transaction() as session:
        await accounts.seed(session, "both", "demo-both", ["clerk", "approver"])
    await clerk.post("/register/files", content=factory.register_file(1))
    await clerk.post("/sign-in", data={"name": "both", "password": "demo-both"})
    await clerk.post("/applications", json=factory.applications(1)["applications"][0])
    answer = await clerk.post("/applications/A-000/approval")
    assert (answer.status_code, answer.json()["reason"]) == (409, "second_person_must_differ")
    assert (await approver.post("/applications/A-000/approval")).json() == {"count": 1}
    assert (await approver.post("/applications/A-000/approval")).json()["reason"] == "not_in_this_state"


@pytest.mark.parametrize("name", ["", "A" * 41, "A B", "A\x00", "甲"])
async def test_an_application_id_is_plain(clerk: httpx.AsyncClient, factory: Any, name: str) -> None:
    await clerk.post("/register/files", content=factory.register_file(1))
    body = {"application": name, "citizen_id": factory.citizen_id(0)}
    answer = await clerk.post("/applications", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "application")


async def test_an_application_id_is_no_citizen_id(clerk: httpx.AsyncClient, factory: Any) -> None:
    """The id stands in the audit trail and on screens, where a citizen id stands in the clear nowhere."""
    await clerk.post("/register/files", content=factory.register_file(1))
    citizen = factory.citizen_id(0)
    answer = await clerk.post("/applications", json={"application": citizen, "citizen_id": citizen})
    assert answer.status_code == 422
    assert citizen not in answer.text


async def test_batch_of_applications_is_refused_whole(clerk: httpx.AsyncClient, factory: Any) -> None:
    await clerk.post("/register/files", content=factory.register_file(3))
    batch = factory.applications(3)
    batch["applications"][1]["citizen_id"] = factory.citizen_id(500)
    batch["applications"][2]["product"] = "golden"
    answer = await clerk.post("/applications/batch", json=batch)
    assert answer.status_code == 422
    assert [(fault["row"], fault["field"]) for fault in answer.json()["errors"]] == [(2, "citizen_id"), (3, "product")]
    assert (await clerk.post("/applications/batch", json=factory.applications(3))).json() == {"count": 3}


async def test_repeated_application_changes_nothing_and_another_content_is_refused(
    clerk: httpx.AsyncClient, factory: Any
) -> None:
    await clerk.post("/register/files", content=factory.register_file(2))
    await clerk.post("/applications/batch", json=factory.applications(1))
    assert (await clerk.post("/applications/batch", json=factory.applications(1))).json() == {"count": 0}
    other = {"application": "A-000", "citizen_id": factory.citizen_id(1)}
    answer = await clerk.post("/applications", json=other)
    assert answer.json()["errors"] == [
        {"row": 1, "field": "application", "message": "was used before with other content"}
    ]


async def test_person_with_an_open_application_cannot_have_another(clerk: httpx.AsyncClient, factory: Any) -> None:
    await clerk.post("/register/files", content=factory.register_file(1))
    await clerk.post("/applications/batch", json=factory.applications(1))
    answer = await clerk.post("/applications", json={"application": "B", "citizen_id": factory.citizen_id(0)})
    assert answer.json()["errors"][0]["message"] == "has an open application already"


async def test_approval_of_an_unknown_application_approves_none(
    clerk: httpx.AsyncClient, approver: httpx.AsyncClient, factory: Any
) -> None:
    await clerk.post("/register/files", content=factory.register_file(1))
    await clerk.post("/applications/batch", json=factory.applications(1))
    answer = await approver.post("/applications/approvals", json={"applications": ["A-000", "A-999"]})
    assert (answer.status_code, answer.json()["detail"]) == (404, "unknown: A-999")
    assert (await approver.post("/applications/A-000/approval")).status_code == 200


@pytest.mark.parametrize(
    ("serials", "status"),
    [(["00" * 8], 201), (["00" * 7], 422), (["00" * 8, "00" * 8], 422), (["zz"], 422), ([], 422)],
    ids=["good", "seven bytes", "twice", "no hex", "none"],
)
async def test_delivery(approver: httpx.AsyncClient, serials: list[str], status: int) -> None:
    body = {"delivery": "D-1", "kind": "card", "chip_serials": serials}
    assert (await approver.post("/stock/deliveries", json=body)).status_code == status


async def test_chip_of_another_delivery_is_refused(approver: httpx.AsyncClient, factory: Any) -> None:
    body = factory.delivery("card", range(2))
    assert (await approver.post("/stock/deliveries", json=body)).json() == {"count": 2}
    assert (await approver.post("/stock/deliveries", json=body)).json() == {"count": 0}
    answer = await approver.post("/stock/deliveries", json=body | {"delivery": "D-other"})
    assert (answer.status_code, answer.json()["reason"]) == (409, "chip_known")
    stock = (await approver.get("/stock")).json()
    assert stock == [{"kind": "card", "state": "in_stock", "count": 2}]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/register/files"),
        ("POST", "/applications"),
        ("POST", "/applications/approvals"),
        ("POST", "/stock/deliveries"),
        ("POST", "/cards/03109910000000000001/loss"),
        ("POST", "/sams/99100000000000000001/binding"),
        ("GET", "/feed"),
        ("GET", "/cards"),
    ],
)
async def test_nobody_gets_in_without_sign_in(sign_in: Any, method: str, path: str) -> None:
    nobody = await sign_in("")
    answer = await nobody.request(method, path, json={})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == PROBLEM


async def test_feed_is_paged_without_a_gap(clerk: httpx.AsyncClient, factory: Any) -> None:
    await clerk.post("/register/files", content=factory.register_file(7))
    numbers: list[int] = []
    while (page := await facts(clerk, factory, after=numbers[-1] if numbers else 0, limit=3))["items"]:
        assert page["last"] == 7
        numbers += [item["number"] for item in page["items"]]
    assert numbers == list(range(1, 8))


async def test_refused_use_case_uses_no_number(clerk: httpx.AsyncClient, factory: Any) -> None:
    await clerk.post("/register/files", content=factory.register_file(2))
    await clerk.post("/register/files", content=factory.register_file(2, start=5) + b"\nbad")
    await clerk.post("/register/files", content=factory.register_file(1, start=9))
    assert [item["number"] for item in (await facts(clerk, factory))["items"]] == [1, 2, 3]


async def test_feed_holds_no_name_and_no_citizen_id(clerk: httpx.AsyncClient, factory: Any) -> None:
    await clerk.post("/register/files", content=factory.register_file(1))
    shown = str(await facts(clerk, factory))
    assert factory.citizen_id(0) not in shown
    assert "李" not in shown


@pytest.mark.parametrize("serial", ["03109910000000000001", "zz"])
async def test_unknown_card(clerk: httpx.AsyncClient, serial: str) -> None:
    assert (await clerk.post(f"/cards/{serial}/loss")).status_code in (404, 422)
