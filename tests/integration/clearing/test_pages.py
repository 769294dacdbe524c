"""The console's pages over a day that has been closed: words for codes, sums that add up, long lists that say so."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

HTML = {"accept": "text/html"}
DISPUTE = {
    "number": "7",
    "book": "transit",
    "claimant": "bus-a",
    "respondent": "bus-b",
    "amount_yuan": "3.5",
    "note": "ours",
}


@pytest.fixture
async def closed(house: Any) -> Any:
    """Three taps of a bus, the last with a wrong TAC; window 1 is closed."""
    bus = await house.enrol("BUS-A-0001")
    for counter in range(2):
        house.town.tap(1, counter)
    house.town.outcome(house.town.intent(1, 2), tac=bytes(4))
    await bus.upload(1, house.town.journal["BUS-A-0001"])
    await house.close()
    return house


async def page_of(house: Any, path: str, name: str = "li") -> str:
    async with house.staff(name) as staff:
        answer = await staff.get(path, headers=HTML)
    assert answer.status_code == 200, answer.text
    return str(answer.text)


def rows_of(page: str) -> list[list[str]]:
    """The cells of every row, without tags."""
    rows = re.findall(r"<tr.*?</tr>", page, re.DOTALL)
    return [
        [
            " ".join(unescape(re.sub(r"<[^>]+>", " ", cell)).split())
            for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)
        ]
        for row in rows
    ]


@pytest.mark.parametrize("path", ["/", "/windows/1/close"])
async def test_positions_have_a_total_of_nil_for_each_book(closed: Any, path: str) -> None:
    rows = [row for row in rows_of(await page_of(closed, path)) if len(row) == 10]
    total = [row for row in rows if row[1] == "合计 Total" and row[0] == "交通 transit"]
    assert len(total) == 1
    assert total[0][7] == "0.00"
    debits = [float(row[5]) for row in rows if row[0] == "交通 transit" and row is not total[0]]
    assert sum(debits) == pytest.approx(float(total[0][5]))
    assert float(total[0][5]) > 0


@pytest.mark.parametrize("path", ["/", "/windows/1/close"])
async def test_the_days_records_are_a_picture(closed: Any, path: str) -> None:
    page = await page_of(closed, path)
    assert page.count("<svg") == 2
    assert "<title>接受 accepted 4</title>" in page
    assert "<title>拒绝 rejected 2</title>" in page


async def test_a_participant_of_two_books_has_two_bars(closed: Any) -> None:
    page = await page_of(closed, "/windows/1/close")
    for book in ("交通", "代收"):
        assert f">{book} · 市民卡公司 Citizen Card Company</text>" in page


async def test_the_citys_document_is_told_in_words(closed: Any) -> None:
    page = await page_of(closed, "/documents/city/1")
    assert "多边轧差" in page
    assert "应付运营方" in page


async def test_an_open_tap_leads_to_its_case(closed: Any) -> None:
    links = re.findall(r'href="(/cases/tap:[^"]+)"', await page_of(closed, "/open-taps"))
    assert len(links) == 1
    assert "挂账交易" in await page_of(closed, links[0])


async def test_an_unknown_account_is_told(closed: Any) -> None:
    async with closed.staff("li") as staff:
        answer = await staff.get("/accounts/transit/nobody")
    assert answer.status_code == 404
    assert "没有这个账户" in answer.text


async def test_a_closed_window_says_what_comes_next(closed: Any) -> None:
    page = await page_of(closed, "/windows/1/close")
    for link in ("/settlement/1/transit", "/exceptions?window=1", "/batches?window=1", "/windows/1/charges"):
        assert f'href="{link}"' in page


async def test_exceptions_are_counted_by_reason_and_one_can_be_chosen(closed: Any) -> None:
    page = await page_of(closed, "/exceptions?window=1")
    assert ["拒绝 rejected", "TAC 错误 the TAC is not the card's", "2"] in rows_of(page)
    assert "乘车" in page
    assert "OUTCOME" not in page
    chosen = await page_of(closed, "/exceptions?window=1&reason=tac_wrong")
    assert chosen.count("BUS-A-0001</a>") == 2
    other = await page_of(closed, "/exceptions?window=1&reason=card_unknown")
    assert "BUS-A-0001</a>" not in other


async def test_lists_that_are_cut_off_say_so(closed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearing.settlement.pages.SHOWN", 1)
    assert "2 in all, the first 1 are shown" in await page_of(closed, "/exceptions?window=1")
    assert "The last 1 only" in await page_of(closed, "/batches")
    account = await page_of(closed, "/accounts/transit/agent-prefunded:agent-1")
    assert "The newest 1 only" in account
    assert len(rows_of(account)) == 2


async def test_batches_are_found_by_window_and_device(closed: Any) -> None:
    assert "BUS-A-0001</td>" in await page_of(closed, "/batches?window=1&device=BUS-A-0001")
    for elsewhere in ("/batches?window=2", "/batches?device=BUS-B-0001"):
        assert "BUS-A-0001</td>" not in await page_of(closed, elsewhere)


async def test_accounts_have_words_and_persons_stand_together(closed: Any) -> None:
    page = await page_of(closed, "/accounts")
    assert "应付运营方" in page
    assert "1 户合计" in page
    assert "personal-account:" not in page


async def test_what_waits_for_a_second_person_stands_in_front(closed: Any) -> None:
    assert "Nothing waits for anybody" in await page_of(closed, "/")
    async with closed.staff("wang") as wang:
        opened = await wang.post("/cases", data=DISPUTE)
        assert (opened.status_code, opened.json()["amount_minor"]) == (201, 350)
        case = "dispute:bus-a:7"
        answer = await wang.post(f"/cases/{case}/proposal", data={"resolution": "adjust", "note": "so it is"})
        assert answer.status_code == 200, answer.text
        assert (await wang.post("/windows/2/closing")).status_code == 200
    mine, theirs = await page_of(closed, "/", "wang"), await page_of(closed, "/", "li")
    for page in (mine, theirs):
        assert f'<a href="/cases/{case}">' in page
        assert '<a href="/windows/2/close">' in page
    assert (mine.count("somebody else must approve it"), mine.count("yours to check")) == (2, 0)
    assert (theirs.count("somebody else must approve it"), theirs.count("yours to check")) == (0, 2)


async def test_a_refused_form_comes_back_as_a_page(closed: Any) -> None:
    async with closed.staff("wang") as wang:
        wrong = DISPUTE | {"respondent": "bus-a"}
        answer = await wang.post("/cases", data=wrong, headers=HTML | {"referer": "http://clearing/cases"})
    assert answer.status_code in (409, 422)
    assert '<nav aria-label="主导航 Main">' in answer.text
    assert '<a href="/cases">返回' in answer.text


async def test_the_navigation_lights_the_page_that_another_one_is_below(closed: Any) -> None:
    page = await page_of(closed, "/windows/1/close")
    assert page.count('aria-current="page"') == 1
    assert '<a href="/windows" aria-current="page">' in page
