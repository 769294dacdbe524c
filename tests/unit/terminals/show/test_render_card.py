"""What stands on the screen."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from card_os.profile.social_security import SocialHolder
from card_os.profile.transit import LogRecord, Management, PublicApplication, TransitProcess, TripRecord
from terminals.dialogues.read_card import AreaContents, CardContents, SocialContents, TransitContents
from terminals.show.render import render
from terminals.show.words import PERSONAL as PERSONAL_FIELDS
from terminals.show.words import masked

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


def shown(contents: CardContents, *, unmasked: bool = False) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(render(contents, reader="Virtual PCD 00 00", atr=bytes.fromhex("3B6D0000"), unmasked=unmasked))
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
    text = shown(CardContents(None, social), unmasked=True)
    assert "[red]" in text
    assert "\x1b" not in text
    assert "女 female" in text
    assert "1949-12-31" in text


def test_a_card_of_another_kind_is_said_to_be_one():
    assert "No application known here" in shown(CardContents(None, None))


HOLDER = {
    "social_number": "11010519491231002X",
    "name": "张三丰",
    "name_extension": "太极",
    "sex": "1",
    "nation": "01",
    "birthplace": "110105",
    "born": "19491231",
}
PERSONAL = ("110105", "19491231", "1949-12-31", "三丰", "太极", "000000078")


def test_personal_data_is_masked_unless_asked_for():
    contents = CardContents(TRANSIT, SocialContents({"version": "2.00", "card_number": "000000078"}, HOLDER))
    masked, full = shown(contents), shown(contents, unmasked=True)
    assert [datum for datum in PERSONAL if datum in masked] == []
    assert [datum for datum in ("110105", "1949-12-31", "三丰", "太极", "000000078") if datum not in full] == []
    for kept in ("11***************X", "张**", "11****", "*******78", "男 male", "2.00", "3109910000000000001"):
        assert kept in masked


@pytest.mark.parametrize(
    ("value", "shown_as"),
    [("", ""), ("李", "*"), ("李四", "李*"), ("1", "*"), ("11X", "***"), ("1101", "11*1")],
)
def test_a_short_value_is_hidden_whole(value: str, shown_as: str):
    assert masked(value, *((1, 0) if value.startswith("李") else (2, 1))) == shown_as


@pytest.mark.parametrize("field", SocialHolder.__dataclass_fields__)
def test_every_field_of_the_holder_is_masked_or_says_nothing_of_who_it_is(field: str):
    """A field added to EF06 is a decision, not an accident."""
    assert field in PERSONAL_FIELDS or field == "sex"


def test_what_stands_in_a_public_area_is_personal_whatever_its_layout():
    contents = CardContents(None, None, (AreaContents(0xDF01, {"household": b"ZHANG", "education": b""}),))
    text = shown(contents)
    assert "DF01" in text
    assert "5 字节 bytes" in text
    assert "空 empty" in text
    assert "5A48414E47" not in text
    assert "5A48414E47" in shown(contents, unmasked=True)
