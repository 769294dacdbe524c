"""Every code that pages show has words in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from jinja2 import Environment, PackageLoader, StrictUndefined

from clearing.ledger.accounts import Kind as AccountKind
from clearing.ledger.accounts import Side
from clearing.ledger.rules import Phase
from clearing.verification.reasons import Status
from rulebook.record import Event, Kind

WORDS: Any = Environment(loader=PackageLoader("clearing"), undefined=StrictUndefined).get_template("words.html").module


@pytest.mark.parametrize(
    ("table", "codes"),
    [
        (WORDS.ACCOUNTS, [kind.value for kind in AccountKind]),
        (WORDS.SIDES, [side.value for side in Side]),
        (WORDS.PHASES, [phase.value for phase in Phase]),
        (WORDS.STATUSES, [status.value for status in Status]),
        (WORDS.EVENTS, [event.name for event in Event]),
        (WORDS.RECORDS, [kind.name for kind in Kind]),
    ],
    ids=["accounts", "sides", "phases", "statuses", "events", "records"],
)
def test_no_code_is_without_words(table: Mapping[str, tuple[str, ...]], codes: list[str]) -> None:
    assert set(codes) <= set(table)
    for chinese, english, *_ in table.values():
        assert any("一" <= character <= "鿿" for character in chinese)
        assert english.isascii()


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("fees", '手续费 <span lang="en">fees</span>'),
        ("operator-payable:bus-a", '应付运营方 <span lang="en">payable to operator</span> · Bus A'),
        ("personal-account:" + "0a" * 32, '个人账户 <span lang="en">personal account</span> · 0a0a0a0a0a0a…'),
        ("of-next-year:<b>", "of-next-year · &lt;b&gt;"),
    ],
)
def test_an_account_is_named_by_its_kind_and_owner(code: str, shown: str) -> None:
    environment = Environment(loader=PackageLoader("clearing"), undefined=StrictUndefined, autoescape=True)
    page = environment.from_string('{% from "words.html" import account_name %}{{ account_name(code, names) }}')
    assert page.render(code=code, names={"bus-a": "Bus A"}) == shown


def test_a_book_is_named_with_its_fund() -> None:
    assert WORDS.book_name("medical:employee-fund") == '医保 <span lang="en">medical</span> · employee-fund'
    assert WORDS.book_option("transit") == "交通 transit"
