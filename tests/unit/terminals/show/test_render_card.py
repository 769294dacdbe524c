"""What stands on the screen."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from card_os.profile.transit import LogRecord, Management, PublicApplication, TransitProcess, TripRecord
from terminals.dialogues.read_card import CardContents, SocialContents, TransitContents
from terminals.show.render import render

TRANSIT = TransitContents(
    aid=bytes.fromhex("A000000632010105"),
    public=PublicApplication(
        issuer=bytes.fromhex("01991000FFFFFFFF"),
        application_type=2,
        version=1,
        serial="03109910000000000001",
        valid_from="20260101",
        valid_to="20361231",
    ),
    management=Management(province="1000", city="1000", card_class=3),
    balance_minor=4705,
    log=(
        LogRecord(sequence=7, amount_minor=300, type=9, terminal=bytes(6), date="20260915", time="081500"),
        LogRecord(sequence=2, amount_minor=5005, type=2, terminal=bytes(6), date="20260914", time="180000"),
    ),
    process=TransitProcess(state=1),
    trips=(
        TripRecord(
            type=3,
            terminal=bytes(6),
            industry=1,
            amount_minor=0,
            balance_minor=4705,
            time="20260915081500",
            city="1000",
            institution=bytes(8),
        ),
    ),
)


def shown(contents: CardContents) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(render(contents, reader="Virtual PCD 00 00", atr=bytes.fromhex("3B6D0000")))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "3109910000000000001",
        "2026-01-01 – 2036-12-31",
        "老年 elder",
        "47.05",
        "-3.00",
        "50.05",
        "复合消费 compound purchase",
        "2026-09-15 08:15:00",
        "进站 entry",
        "地铁 metro",
        "已进站 inside",
        "3B6D0000",
    ],
)
def test_the_transit_side_is_shown(text: str):
    assert text in shown(CardContents(TRANSIT, None))


def test_unknown_codes_are_shown_as_they_are():
    assert TRANSIT.management is not None
    foreign = replace(TRANSIT, management=replace(TRANSIT.management, card_class=0x77))
    assert "77" in shown(CardContents(foreign, None))


def test_what_could_not_be_read_is_said():
    bare = replace(TRANSIT, public=None, management=None, balance_minor=None, log=(), process=None, trips=())
    assert shown(CardContents(bare, SocialContents({}, {}))).count("不可读 not readable") == 3


def test_text_from_the_card_cannot_steer_the_terminal():
    social = SocialContents({"version": "2.00"}, {"name": "[red]\x1b[2J张三", "sex": "2", "born": "19491231"})
    text = shown(CardContents(None, social))
    assert "[red]" in text
    assert "\x1b" not in text
    assert "女 female" in text
    assert "1949-12-31" in text


def test_a_card_of_another_kind_is_said_to_be_one():
    assert "No application known here" in shown(CardContents(None, None))
