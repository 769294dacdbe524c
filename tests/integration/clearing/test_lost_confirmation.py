"""A load whose confirmation never arrived is posted by the TAC in the desk's journal when the window closes."""

from __future__ import annotations

from typing import Any

import pytest

from clearing.ledger import queries as ledger
from clearing.loads.rules import macs
from hardware.vault.vault import KeyLabel, MasterKey
from rulebook.messages.loads import LoadRequest
from rulebook.record import Event, Record


async def _authorised(house: Any, desk: Any) -> Record:
    """Clearing has given MAC2; the desk's intent, not answered yet."""
    intent: Record = house.town.intent(
        1,
        0,
        device=desk.name,
        event=Event.LOAD,
        line="",
        amount=5000,
        transaction_type=2,
        balance_before_minor=0,
    )
    draft = LoadRequest(
        device=desk.name,
        issuer=intent.issuer,
        serial=intent.serial,
        purse=2,
        online_sequence=0,
        amount_minor=5000,
        balance_minor=0,
        key_version=1,
        algorithm=0,
        random=b"\x01\x02\x03\x04",
        mac1=bytes(4),
        terminal=intent.sam_terminal,
        date=intent.date,
        time=intent.time,
    )
    key = house.app.state.vault.child_key(MasterKey(KeyLabel.LOAD), [intent.issuer, intent.serial[2:]])
    request = draft.model_copy(update={"mac1": macs(key, draft).mac1})
    answer = await desk.send("POST", "/loads", request.model_dump_json().encode())
    assert answer.status_code == 200, answer.text
    return intent


async def _value_on_cards(house: Any) -> int:
    async with house.database.reading() as session:
        return next(
            s.balance.minor for s in await ledger.standings(session, "transit") if s.account.code == "value-on-cards"
        )


async def test_the_tac_in_the_journal_posts_the_load(house: Any) -> None:
    desk = await house.enrol("TOPUP-01")
    intent = await _authorised(house, desk)
    house.town.outcome(intent)
    await desk.upload(1, house.town.journal[desk.name])
    assert await _value_on_cards(house) == 0
    view = await house.close()
    assert await _value_on_cards(house) == 5000
    assert not view["exceptions"]
    assert not view["remarks"]
    agent = next(p for p in view["positions"] if p["participant"] == "agent-1")
    commission = 10  # 0.2 % (participants/contracts.json)
    moved = -5000 + commission
    assert (agent["prepaid_minor"], agent["net_minor"], agent["closing_minor"]) == (moved, 0, 5_000_000 + moved)


async def test_a_wrong_tac_posts_nothing_and_the_load_stays_open(house: Any) -> None:
    desk = await house.enrol("TOPUP-01")
    intent = await _authorised(house, desk)
    house.town.outcome(intent, tac=bytes(4))
    await desk.upload(1, house.town.journal[desk.name])
    view = await house.close()
    assert await _value_on_cards(house) == 0
    assert {e["reason"] for e in view["exceptions"]} == {"tac_wrong"}


@pytest.mark.parametrize(
    ("now", "shown"),
    [
        ("2026-09-22T07:59:00+08:00", ("waiting for the card", "<td>充值代理一 Top-up Agent 1</td></tr>")),
        ("2026-09-22T08:00:00+08:00", ("案件 case", "<td>市民卡公司 Citizen Card Company</td></tr>")),
    ],
)
async def test_an_open_load_becomes_a_case_with_an_owner(house: Any, now: str, shown: tuple[str, ...]) -> None:
    await _authorised(house, await house.enrol("TOPUP-01"))
    async with house.client() as li:
        li.headers["Citycard-Time"] = now  # she signs in that day
        await li.post("/sign-in", data={"name": "li", "password": "second-person"})
        page = (await li.get("/loads")).text
    assert all(words in page for words in shown), page
