"""A window is frozen by one person, posted by another, and every participant's statement follows from it."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.engine import Engine

from backoffice.problems import Refused
from clearing.devices.tables import DeviceAbsenceRow
from clearing.files import Files
from clearing.ledger import queries as ledger
from clearing.ledger.rules import Purpose, Transfer
from clearing.ledger.service import post
from clearing.participants.service import publish_tariff
from clearing.settlement import service
from clearing.settlement.computing import Computer
from clearing.settlement.tables import ExceptionRow
from rulebook.calendar import BUSINESS_ZONE
from rulebook.money import Amount
from rulebook.tariff import MalformedTariff
from rulebook.tariff.demonstration import demonstration_document


def _nets(view: dict[str, Any], book: str = "transit") -> dict[str, int]:
    return {p["participant"]: p["net_minor"] for p in view["positions"] if p["book"] == book}


async def _day(house: Any) -> None:
    """Two good taps, a student's, a flipped TAC, and one whose end nobody knows."""
    bus, other = await house.enrol("BUS-A-0001"), await house.enrol("BUS-B-0001")
    town = house.town
    town.tap(1, 0)
    town.tap(2, 0, card_class=2, amount=50)
    flipped = town.intent(1, 1)
    town.outcome(flipped, tac=bytes(4))
    town.intent(3, 0)
    town.tap(1, 2, device="BUS-B-0001", line="B201")
    await other.upload(1, town.journal["BUS-B-0001"])
    await bus.upload(1, town.journal["BUS-A-0001"])


EXPECTED = {
    "agent-1": 0,
    "agent-2": 0,
    "card-company": -244,  # 250 to the operators, less what they pay and what is held back
    "bus-a": 199,  # 0.4 % of 200 for processing
    "bus-b": 95,  # 5 % held back; 0.4 % of 100 is no fen
    "concession-fund": -50,
    "metro": 0,
    "metro-2": 0,
    "city-2000": 0,
}


async def test_a_day_is_settled_to_the_fen(house: Any) -> None:
    await _day(house)
    view = await house.close()
    assert _nets(view) == EXPECTED
    agent = next(p for p in view["positions"] if p["participant"] == "agent-1")
    assert (agent["opening_minor"], agent["paid_minor"], agent["closing_minor"]) == (0, 5000000, 5000000)
    assert [check["holds"] for check in view["checks"]] == [True, True, True]
    reasons = {(e["device"], e["journal_sequence"]): e["reason"] for e in view["exceptions"]}
    assert reasons == {
        ("BUS-A-0001", 5): "tac_wrong",
        ("BUS-A-0001", 6): "tac_wrong",
        ("BUS-A-0001", 7): "intent_without_outcome",
    }
    assert view["open_taps_minor"] == 100
    async with house.database.reading() as session:
        links = await ledger.links(session, "transit", 1)
        exceptions = (await session.scalars(select(ExceptionRow.reason))).all()
    # the agent's opening, the fares of two operators, a concession, a fee, what is held back, the flipped one on open taps
    assert [link.number for link, _ in links] == list(range(1, 8))
    assert sorted(exceptions) == ["intent_without_outcome", "tac_wrong", "tac_wrong"]
    assert view["counts"]["records"] == 9


@pytest.mark.parametrize("stamp", ["00010101000000", "99991231235959", "20260230000000", "FFFFFFFFFFFFFF"])
async def test_a_clock_that_is_no_citys_does_not_stop_the_close(house: Any, stamp: str) -> None:
    bus = await house.enrol("BUS-A-0001")
    date_, time = bytes.fromhex(stamp[:8]), bytes.fromhex(stamp[8:])
    house.town.tap(1, 0, date=date_, time=time)
    house.town.tap(2, 0)
    await bus.upload(1, house.town.journal["BUS-A-0001"])
    view = await house.close()
    assert {e["journal_sequence"] for e in view["exceptions"]} == {1, 2}
    assert _nets(view)["bus-a"] == 100


async def test_what_a_device_did_while_it_was_away_counts_for_nothing(house: Any) -> None:
    """Also when it has come back, with another key, and brings it then."""
    bus = await house.enrol("BUS-A-0001")
    back_at = datetime(2026, 9, 15, 8, 30, tzinfo=BUSINESS_ZONE)
    away = DeviceAbsenceRow(device="BUS-A-0001", lost_at=back_at - timedelta(hours=1), back_at=back_at)
    async with house.database.transaction() as session:
        session.add(away)
    house.town.tap(1, 0)
    house.town.tap(2, 0, at=back_at)
    await bus.upload(1, house.town.journal["BUS-A-0001"])
    view = await house.close()
    assert {(e["journal_sequence"], e["reason"]) for e in view["exceptions"]} == {
        (1, "device_lost"),
        (2, "device_lost"),
    }
    assert _nets(view)["bus-a"] == 100


async def test_the_same_person_cannot_approve(house: Any) -> None:
    async with house.staff("wang") as wang, house.staff("li") as li:
        assert (await wang.post("/windows/1/closing")).status_code == 200
        refused = await wang.post("/windows/1/approval")
        assert (refused.status_code, refused.json()["reason"]) == (409, "second_person_must_differ")
        assert (await li.post("/windows/1/approval")).status_code == 200
        again = await li.post("/windows/1/approval")
    assert (again.status_code, again.json()["reason"]) == (409, "window_closed")


async def test_an_approval_that_breaks_off_posts_nothing_and_can_be_given_again(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _day(house)

    async def break_off(*_: object) -> None:
        raise ConnectionError("killed")

    async with house.staff("wang") as wang, house.staff("li") as li:
        proposed = (await wang.post("/windows/1/closing")).json()
        async with house.database.reading() as session:
            before = await ledger.standings(session, "transit")
        with monkeypatch.context() as broken:
            broken.setattr("clearing.settlement.queries.store_ends", break_off)
            with pytest.raises(ConnectionError):
                await li.post("/windows/1/approval")
        async with house.database.reading() as session:
            assert await ledger.standings(session, "transit") == before
            assert not await ledger.links(session, "transit")
        approved = (await li.post("/windows/1/approval")).json()
    assert (approved["state"], approved["result_digest"]) == ("closed", proposed["result_digest"])
    assert all(check["holds"] for check in approved["checks"])


async def test_a_computing_that_breaks_off_is_gone_on_with(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The window is frozen before its result is computed: what comes meanwhile is the next one's, also after a crash."""
    await _day(house)
    bus = house.devices["BUS-A-0001"]

    def killed(*_: object) -> None:
        raise ConnectionError("killed")

    async with house.staff("wang") as wang, house.staff("li") as li:
        whole = (await wang.get("/windows/1")).json()["result_digest"]
        with monkeypatch.context() as broken:
            broken.setattr("clearing.day.run.Clerk.end", killed)
            with pytest.raises(ConnectionError):
                await wang.post("/windows/1/closing")
        stopped = (await li.get("/windows/1")).json()
        page = await li.get("/windows/1/close")
        nothing = await li.get("/windows/1/result")
        assert (stopped["state"], stopped["proposed_by"], stopped["result_digest"]) == ("frozen", "wang", "")
        assert "Computing broke off" in page.text
        assert (nothing.status_code, nothing.json()["reason"]) == (409, "result_not_computed")
        assert (await li.get("/")).status_code == 200
        await bus.upload(2, list(house.town.tap(3, 1)))
        again = (await li.post("/windows/1/closing")).json()
        assert (again["state"], again["proposed_by"], again["result_digest"]) == ("proposed", "wang", whole)
        assert (await li.post("/windows/1/approval")).status_code == 200
    assert not list((house.app.state.service.settings.data_folder / "clearing" / "stages").iterdir())


async def test_a_batch_that_was_changed_on_disk_is_named_and_the_window_waits_for_the_right_one(house: Any) -> None:
    await _day(house)
    raw = house.app.state.service.settings.data_folder / "clearing" / "raw"
    path = next(one for one in raw.rglob("*") if one.is_file())
    came = path.read_bytes()
    path.write_bytes(came[:-1] + bytes([came[-1] ^ 1]))
    async with house.staff("wang") as wang:
        refused = await wang.post("/windows/1/closing")
        assert (refused.status_code, refused.json()["reason"]) == (409, "frozen_part_differs")
        assert path.name in refused.json()["detail"]
        path.write_bytes(came)
        assert (await wang.post("/windows/1/closing")).json()["state"] == "proposed"


async def test_a_window_withdrawn_while_it_is_computed_keeps_no_result(house: Any) -> None:
    await _day(house)
    files = Files(house.app.state.service.settings.data_folder / "clearing")
    async with house.database.transaction() as session:
        now = datetime(2026, 9, 15, 14, tzinfo=UTC)
        manifest = await service.freeze(session, house.app.state.vault, files, 1, actor="wang", now=now)
    result = await asyncio.to_thread(Computer(files, house.app.state.vault, lambda *_: b"").result, manifest)
    async with house.staff("li") as li:
        assert (await li.post("/windows/1/withdrawal")).json()["state"] == "withdrawn"
    assert not list((files.folder / "stages").iterdir())
    with pytest.raises(Refused, match="withdrawn; for propose it must be frozen"):
        async with house.database.transaction() as session:
            await service.propose(session, 1, manifest, result)


async def test_a_tariff_with_a_concession_that_nobody_bears_is_not_put_in_force(house: Any) -> None:
    document = demonstration_document(version=2)
    document |= {"stations": [], "sections": [], "virtual_transfers": []}
    document["discounts"] = [
        each | {"bearer": "no-fund"} for each in document["discounts"] if "entries" not in each.get("when", {})
    ]
    with pytest.raises(MalformedTariff, match="bearer is no-fund; no participant has the account"):
        async with house.database.transaction() as session:
            await publish_tariff(session, document, now=datetime(2026, 9, 15, tzinfo=UTC))


async def test_a_withdrawn_window_takes_no_more_and_is_proposed_anew(house: Any) -> None:
    bus = await house.enrol("BUS-A-0001")
    await bus.upload(1, list(house.town.tap(1, 0)))
    async with house.staff("wang") as wang, house.staff("li") as li:
        first = (await wang.post("/windows/1/closing")).json()
        withdrawn = await li.post("/windows/1/withdrawal")
        assert (withdrawn.status_code, withdrawn.json()["state"]) == (200, "withdrawn")
        refused = await li.post("/windows/1/approval")
        assert (refused.status_code, refused.json()["reason"]) == (409, "window_withdrawn")
        assert (await li.post("/windows/1/withdrawal")).status_code == 409
        assert "/windows/1/closing" in (await li.get("/windows/1/close")).text
        await bus.upload(2, list(house.town.tap(1, 1)))
        # The other person proposes now; the result is the same, and each of the two may be the second one.
        again = (await li.post("/windows/1/closing")).json()
        assert again["result_digest"] == first["result_digest"]
        closed = await wang.post("/windows/1/approval")
        assert (closed.status_code, closed.json()["state"]) == (200, "closed")
        assert (await wang.post("/windows/1/withdrawal")).json()["reason"] == "window_closed"
    assert (await house.close(2))["counts"]["batches"] == 1


async def test_a_window_cannot_be_closed_before_the_one_before_it(house: Any) -> None:
    async with house.staff("wang") as wang:
        await wang.post("/windows/1/closing")
        refused = await wang.post("/windows/2/closing")
    assert (refused.status_code, refused.json()["reason"]) == (409, "window_before_not_closed")


async def test_what_comes_after_the_cut_off_is_the_next_windows(house: Any) -> None:
    bus = await house.enrol("BUS-A-0001")
    intent, outcome = house.town.tap(1, 0)
    await bus.upload(1, [intent])
    async with house.staff("wang") as wang, house.staff("li") as li:
        await wang.post("/windows/1/closing")
        await bus.upload(2, [outcome])
        first = (await li.post("/windows/1/approval")).json()
    assert [e["reason"] for e in first["exceptions"]] == ["intent_without_outcome"]
    second = await house.close(2)
    assert not second["exceptions"]
    closed = {p["participant"]: p["closing_minor"] for p in first["positions"]}
    assert {p["participant"]: p["opening_minor"] for p in second["positions"]} == closed
    assert _nets(second) == {
        "card-company": -100,
        "bus-a": 100,
        "bus-b": 0,
        "metro": 0,
        "metro-2": 0,
        "city-2000": 0,
        "agent-1": 0,
        "agent-2": 0,
        "concession-fund": 0,
    }


async def test_a_transfer_posted_between_freezing_and_approval_is_the_next_windows(house: Any) -> None:
    async with house.staff("wang") as wang, house.staff("li") as li:
        proposed = (await wang.post("/windows/1/closing")).json()
        await _post(house, "late", "float-at-bank", "agent-prefunded:agent-1", 1)
        preview = (await wang.get("/windows/2")).json()
        approved = (await li.post("/windows/1/approval")).json()
    assert approved["result_digest"] == proposed["result_digest"]
    agent = next(p for p in preview["positions"] if p["participant"] == "agent-1")
    assert (agent["opening_minor"], agent["closing_minor"], preview["counts"]["transfers"]) == (5000000, 5000001, 1)
    async with house.database.reading() as session:
        assert [t.id for t in await ledger.unlinked(session, "transit")] == ["late"]


async def _post(house: Any, id_: str, debit: str, credit: str, minor: int) -> None:
    transfer = Transfer(
        id=id_,
        book="transit",
        debit=debit,
        credit=credit,
        amount=Amount(minor),
        purpose=Purpose.ADJUSTMENT,
        business_day=date(2026, 9, 15),
    )
    async with house.database.transaction() as session:
        await post(session, [transfer], now=datetime(2026, 9, 15, tzinfo=UTC))


async def test_more_value_on_cards_than_float_is_seen(house: Any) -> None:
    await _post(house, "too-much", "subsidy-receivable:concession-fund", "value-on-cards", 5000001)
    view = await house.close()
    assert {check["name"]: check["holds"] for check in view["checks"]} == {
        "positions_add_to_nil": True,
        "float_covers_cards": False,
        "books_balance": True,
    }


async def test_arrival_order_and_splits_give_the_same_bytes(house: Any, clearing_database: Any) -> None:
    await _day(house)
    async with house.staff("wang") as wang:
        one = (await wang.get("/windows/1/result")).content
    bus = house.devices["BUS-A-0001"]
    records = house.town.journal["BUS-A-0001"]
    await bus.upload(2, records[:3])
    await bus.upload(3, records[3:])
    async with house.staff("wang") as wang:
        assert (await wang.get("/windows/1/result")).content == one


async def test_statements_follow_the_result(house: Any) -> None:
    await _day(house)
    await house.close()
    async with house.staff("li") as li:
        day = (await li.get("/windows/1/statement.csv")).text
        bus = await li.get("/windows/1/statement.csv", params={"participant": "bus-a", "book": "transit"})
        again = await li.get("/windows/1/statement.csv", params={"participant": "bus-a", "book": "transit"})
        page = await li.get("/windows/1/statement", params={"participant": "bus-a", "book": "transit"})
        whole = await li.get("/windows/1/statement")
        unknown = await li.get("/windows/1/statement", params={"participant": "bus-a", "book": "nowhere"})
    assert "transit,bus-a,公交甲公司 Bus Company A,0.00,0.00,0.00,0.01,2.00,1.99,1.99" in day
    assert "transit,,合计 total," in day
    lines = bus.text.splitlines()
    assert [line.split(",")[3] for line in lines[2:-3]] == ["fee", "fare", "subsidy"]
    assert lines[-1] == "净额 net to settle,,,,,,,,1.99"
    assert bus.content == again.content
    assert "公交甲公司" in page.text
    assert "Bus Company A" in page.text
    assert "合计 total" in whole.text
    assert unknown.status_code == 404


async def test_the_console_shows_the_day_in_both_languages(house: Any) -> None:
    await _day(house)
    await house.close()
    pages = {
        "/": ("净头寸", "Net positions"),
        "/batches": ("上传批次", "Batches"),
        "/exceptions": ("TAC 错误", "the TAC is not the card"),
        "/accounts": ("operator-payable:bus-a", "Accounts"),
        "/accounts/transit/operator-payable:bus-a": ("车费", "fare"),
        "/windows": ("已关闭", "closed"),
        "/windows/1/close": ("复核", "approved by"),
        "/devices": ("终端", "Devices"),
        "/loads": ("未完成充值", "Open loads"),
        "/open-taps": ("TAC 错误", "the TAC is not the card"),
    }
    async with house.staff("li") as li:
        for path, (chinese, english) in pages.items():
            answer = await li.get(path)
            assert answer.status_code == 200, (path, answer.text)
            assert chinese in answer.text, path
            assert english in answer.text, path


async def test_open_taps_stay_listed_with_their_reason_in_later_windows(house: Any) -> None:
    await _day(house)
    await house.close()
    await house.close(2)
    async with house.staff("li") as li:
        page = (await li.get("/open-taps")).text
    assert "tap:01991000FFFFFFFF:03109910000000000001:2:00001" in page
    assert "BUS-A-0001/6" in page
    assert page.count('<b class="good">1.00</b>') == 1


async def test_the_close_is_done_from_the_page_by_two(house: Any) -> None:
    html = {"accept": "text/html"}
    async with house.staff("wang") as wang, house.staff("li") as li:
        assert "/windows/1/closing" in (await wang.get("/windows/1/close")).text
        answer = await wang.post("/windows/1/closing", headers=html)
        assert (answer.status_code, answer.headers["location"]) == (303, "/windows/1/close")
        assert "/windows/1/approval" not in (await wang.get("/windows/1/close")).text
        assert "/windows/1/approval" in (await li.get("/windows/1/close")).text
        assert (await li.post("/windows/1/approval", headers=html)).status_code == 303


async def test_a_page_without_sign_in_leads_to_the_sign_in(house: Any) -> None:
    async with house.client() as client:
        answer = await client.get("/", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/")


async def test_every_insured_person_begins_with_the_declared_account(house: Any) -> None:
    async with house.database.reading() as session:
        standings = {s.account.code: s.balance.minor for s in await ledger.standings(session, "medical:employee-fund")}
    assert standings["personal-account:p1"] == 60000


async def test_a_list_of_windows_reads_no_result(house: Any) -> None:
    """After a year there are hundreds of them, of up to 100 MB."""
    asked: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    async with house.staff("wang") as wang:
        assert (await wang.get("/windows")).status_code == 200
    event.remove(Engine, "before_cursor_execute", note)
    listed = [statement for statement in asked if "settlement_window" in statement]
    assert listed
    assert not [statement for statement in listed if "settlement_window.result" in statement]
