"""The consoles in a real browser: Debian's chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from simulator.city.run import Played

pytestmark = [pytest.mark.needs_chromium]

# The machine's network is closed and chromium must not try it.
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ISSUING_PAGES = ("/", "/cards", "/applications", "/sams", "/stock-room", "/audit")
CLEARING_PAGES = (
    "/",
    "/batches",
    "/exceptions",
    "/accounts",
    "/windows",
    "/windows/1/close",
    "/windows/1/charges",
    "/accounts/transit/value-on-cards",
    "/accounts/medical:employee-fund/fund-at-bank",
    "/balances",
    "/openings",
    "/files",
    "/gaps",
    "/exchange",
    "/publishing",
    "/documents",
    "/documents/contracts/1",
    "/documents/city/1",
    "/apportionment",
    "/card-history",
    "/settlement",
    "/settlement/1/transit",
    "/settlement/1/medical:employee-fund",
    "/bank",
    "/bank/transit/matching",
    "/devices",
    "/open-taps",
    "/cases",
    "/adjustments",
    "/restatements",
    "/reports/prepaid",
    "/reports/prepaid/2026-09-15",
    "/reports/prepaid/2026-09-15/value-on-cards",
    "/loads",
    "/visits",
)
# Names of the inputs a reader of screens would meet without a word.
_UNNAMED = """[...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
    .filter(field => !field.labels.length && !field.getAttribute('aria-label')).map(field => field.name)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=_ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="zh-CN")
    opened = context.new_page()
    opened.set_default_timeout(20_000)
    yield opened
    context.close()


def sign_in(page: Page, url: str, name: str, password: str) -> None:
    page.goto(f"{url}/")
    expect(page).to_have_url(f"{url}/sign-in?next=/")
    page.get_by_label("姓名").fill(name)
    page.get_by_label("密码").fill(password)
    page.get_by_role("button", name="登录").click()


def keep(page: Page, name: str) -> None:
    """A screenshot for whoever wants to look: set CITYCARD_SCREENSHOTS to a folder."""
    if folder := os.environ.get("CITYCARD_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_a_wrong_password_is_told_in_both_languages(page: Page, city: Played) -> None:
    sign_in(page, city.services.urls["issuing"], "issuing-clerk", "wrong")
    expect(page.get_by_role("alert")).to_contain_text("密码不正确")
    expect(page.get_by_role("alert")).to_contain_text("password is wrong")
    keep(page, "sign-in-refused")


@pytest.mark.parametrize(
    ("service", "path"),
    [*(("issuing", path) for path in ISSUING_PAGES), *(("clearing", path) for path in CLEARING_PAGES)],
)
def test_each_page_opens_without_error_in_both_languages(page: Page, city: Played, service: str, path: str) -> None:
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("response", lambda response: faults.append(response.url) if response.status >= 400 else None)
    url = city.services.urls[service]
    sign_in(page, url, f"{service}-clerk", "demo-clerk")
    page.goto(url + path)
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_be_visible()
    assert any("一" <= character <= "鿿" for character in heading.inner_text())
    assert any(character.isascii() and character.isalpha() for character in heading.inner_text())
    assert page.evaluate(_UNNAMED) == []
    # No page is wider than the screen: tables scroll in themselves.
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    keep(page, f"{service}{path.replace('/', '-')}")
    assert faults == []


def test_two_persons_close_the_next_window(page: Page, browser: Browser, city: Played) -> None:
    url = city.services.urls["clearing"]
    sign_in(page, url, "clearing-clerk", "demo-clerk")
    page.goto(f"{url}/windows/2/close")
    keep(page, "clearing-close-open")
    page.get_by_role("button", name="提出关闭").click()
    expect(page.locator("main")).to_contain_text("须由另一人复核")
    expect(page.get_by_role("button", name="复核并入账")).to_have_count(0)
    keep(page, "clearing-close-proposed")
    other = browser.new_context(locale="zh-CN").new_page()
    sign_in(other, url, "clearing-approver", "demo-approver")
    other.goto(f"{url}/windows/2/close")
    other.get_by_role("button", name="复核并入账").click()
    keep(other, "clearing-close-closed")
    expect(other.locator("main")).to_contain_text("clearing-clerk 提出，clearing-approver 复核")
    other.context.close()


def test_an_operators_clerk_sees_its_files_only_and_every_bad_row_of_one(page: Page, city: Played) -> None:
    url = city.services.urls["clearing"]
    sign_in(page, url, "bus-a-clerk", "demo-bus-a")
    expect(page).to_have_url(f"{url}/files")
    expect(page.locator("nav a")).to_have_count(1)
    page.locator("input[type=file]").set_input_files(
        {"name": "bad.csv", "mimeType": "text/csv", "buffer": b"device,journal_sequence\nB101-01,x\n"}
    )
    page.locator("select[name=layout]").select_option("citycard-csv")
    page.locator("main form button").click()
    expect(page.locator("main")).to_contain_text("card_sequence")
    expect(page.locator("main")).to_contain_text("must be there once")
    keep(page, "clearing-files-refused")
    page.goto(f"{url}/windows")
    expect(page.locator("main")).to_contain_text("参与方人员只能查看本方文件")


def test_two_persons_end_a_dispute(page: Page, browser: Browser, city: Played) -> None:
    url = city.services.urls["clearing"]
    sign_in(page, url, "clearing-clerk", "demo-clerk")
    page.goto(f"{url}/cases")
    page.get_by_label("申请方编号").fill("2026-17")
    page.locator("select[name=book]").select_option("transit")
    page.locator("select[name=claimant]").select_option("bus-a")
    page.locator("select[name=respondent]").select_option("bus-b")
    page.get_by_label("金额（元）").fill("3.50")
    page.get_by_label("事由").fill("B201 路当日由甲公司代运")
    page.get_by_role("button", name="提出").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("dispute:bus-a:2026-17")
    page.get_by_label("负责方答复").fill("情况属实")
    page.get_by_role("button", name="记录").click()
    page.locator("select[name=resolution]").select_option("adjust")
    page.get_by_label("理由").fill("对方已确认")
    page.get_by_role("button", name="提出").click()
    expect(page.locator("main")).to_contain_text("Somebody else must approve it")
    keep(page, "clearing-case-proposed")
    page.goto(url)
    expect(page.locator("main")).to_contain_text("待他人复核")
    page.goto(f"{url}/cases")
    keep(page, "clearing-cases-one-open")
    second = browser.new_page(locale="zh-CN", viewport={"width": 1280, "height": 900})
    sign_in(second, url, "clearing-approver", "demo-approver")
    keep(second, "clearing-overview-to-check")
    second.get_by_role("link", name="请复核").click()
    expect(second).to_have_url(f"{url}/cases/dispute:bus-a:2026-17")
    expect(second.locator("main")).to_contain_text("3.50")
    second.get_by_role("button", name="复核并入账").click()
    expect(second.locator("main")).to_contain_text("adjusted to the claimant")
    keep(second, "clearing-case-closed")
    second.close()


def test_a_refusal_is_told_on_a_page_with_the_way_back(page: Page, city: Played) -> None:
    url = city.services.urls["clearing"]
    sign_in(page, url, "clearing-clerk", "demo-clerk")
    page.goto(f"{url}/adjustments")
    page.get_by_label("编号（自定）").fill("A-1")
    page.locator("select[name=book]").select_option("transit")
    page.locator("select[name=giver]").select_option("bus-a")
    page.locator("select[name=receiver]").select_option("bus-a")
    page.get_by_label("金额（元）").fill("0")
    page.get_by_label("案件编号或窗口号").fill("nowhere")
    page.get_by_label("说明").fill("为何")
    page.get_by_role("button", name="提出").click()
    expect(page.get_by_role("alert")).to_contain_text("receiver")
    expect(page.get_by_role("alert")).to_contain_text("amount_minor")
    keep(page, "clearing-refused")
    page.get_by_role("link", name="返回").click()
    expect(page).to_have_url(f"{url}/adjustments")


def test_the_keyboard_reaches_the_content_first(page: Page, city: Played) -> None:
    sign_in(page, city.services.urls["clearing"], "clearing-clerk", "demo-clerk")
    expect(page.get_by_role("heading", level=1)).to_contain_text("总览")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="跳到内容")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
