from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulebook.numbers import card_number, check_character, citizen_id, regions
from rulebook.numbers.citizen_id import BadCitizenId, CitizenId, Sex

DATA = Path(__file__).parents[3] / "data" / "numbers"
CITIZENS: list[dict[str, Any]] = json.loads((DATA / "citizen_id_vectors.json").read_text())["vectors"]
CHECKS: list[dict[str, Any]] = json.loads((DATA / "check_character_vectors.json").read_text())["vectors"]
# Refused by its source only because the county was founded after the birth; a number may be given later in life.
STRICTER_THAN_WE_ARE = {"110111198012010078"}


@pytest.mark.parametrize("number", [v["number"] for v in CITIZENS if v["valid"]])
def test_valid_citizen_id_is_read(number: str) -> None:
    assert CitizenId.parse(number).number == number
    assert regions.may_have_existed(number[:6])


@pytest.mark.parametrize(
    "number", [v["number"] for v in CITIZENS if v["valid"] is False and v["number"] not in STRICTER_THAN_WE_ARE]
)
def test_invalid_citizen_id_is_refused(number: str) -> None:
    with pytest.raises(BadCitizenId):
        CitizenId.parse(number)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has 0 characters"),
        ("1101011990030786701", "has 19 characters"),
        ("11010119900307867x", "17 digits"),
        ("110101199003078６70", "17 digits"),
        ("110101199002308670", "19900230"),
        ("110101199003078671", "mistyped"),
    ],
    ids=["empty", "nineteen", "small x", "full-width digit", "30 February", "check"],
)
def test_refusal_of_a_citizen_id_names_the_rule(text: str, words: str) -> None:
    with pytest.raises(BadCitizenId, match=words):
        CitizenId.parse(text)


def test_every_single_digit_error_is_found() -> None:
    number = "110101199003078670"
    for position in range(17):
        for digit in "0123456789":
            if digit != number[position]:
                with pytest.raises(BadCitizenId):
                    CitizenId.parse(number[:position] + digit + number[position + 1 :])


def test_sex_and_birth_date_are_read_from_the_number() -> None:
    parsed = CitizenId.parse("11010519491231002X")
    assert (parsed.sex, parsed.birth_date, parsed.region) == (Sex.FEMALE, date(1949, 12, 31), "110105")


@pytest.mark.parametrize(("day", "age"), [(date(2014, 12, 30), 64), (date(2014, 12, 31), 65), (date(2015, 1, 1), 65)])
def test_age_changes_on_the_birthday(day: date, age: int) -> None:
    assert CitizenId.parse("11010519491231002X").age_on(day) == age


def test_citizen_id_does_not_show_itself() -> None:
    assert "1949" not in repr(CitizenId.parse("11010519491231002X"))
    assert citizen_id.masked("11010519491231002X") == "11***************X"


@pytest.mark.parametrize("vector", [v for v in CHECKS if "first17" in v["inputs"]], ids=lambda v: v["id"])
def test_gb11643_check_character(vector: dict[str, Any]) -> None:
    assert citizen_id.check_character(vector["inputs"]["first17"]) == vector["expected"]["check"]


@pytest.mark.parametrize("vector", [v for v in CHECKS if "body8" in v["inputs"]], ids=lambda v: v["id"])
def test_gb11714_check_character(vector: dict[str, Any]) -> None:
    body, check = vector["inputs"]["body8"], vector["expected"]["check"]
    assert check_character.check_character(body) == check
    assert check_character.is_valid(body + check)
    assert not check_character.is_valid(body + ("0" if check != "0" else "1"))


@pytest.mark.parametrize("body", ["", "1234567", "123456789", "1234567a", "1234567-"])
def test_gb11714_refuses_other_bodies(body: str) -> None:
    with pytest.raises(ValueError, match="eight characters"):
        check_character.check_character(body)


@given(st.integers(0, 99_999_999))
def test_social_security_card_number_is_valid(sequence: int) -> None:
    assert check_character.is_valid(check_character.social_security_card_number(sequence))


def test_serials_of_the_demonstration() -> None:
    assert card_number.application_serial(17).hex() == "03109910000000000017"
    assert card_number.pan(card_number.application_serial(17)) == "3109910000000000017"
    assert card_number.masked_pan(card_number.application_serial(17)) == "310991…0017"
    assert card_number.terminal_number(42).hex() == "991000000042"
    assert card_number.sam_serial(42).hex() == "99100000000000000042"


@pytest.mark.parametrize("sequence", [-1, 10**12])
def test_serial_out_of_range_is_refused(sequence: int) -> None:
    with pytest.raises(ValueError, match="12 digits"):
        card_number.application_serial(sequence)


@pytest.mark.parametrize("serial", ["00", "0310991000000000001F", "99100000000000000042"])
def test_pan_of_another_serial_is_refused(serial: str) -> None:
    with pytest.raises(ValueError, match="0310"):
        card_number.pan(bytes.fromhex(serial))


@pytest.mark.parametrize(
    ("code", "today", "once"),
    [("110101", True, True), ("441282", False, True), ("990101", False, False), ("11010", False, False)],
)
def test_region_codes(code: str, today: bool, once: bool) -> None:
    assert (regions.exists_today(code), regions.may_have_existed(code)) == (today, once)


def test_region_table_is_whole() -> None:
    assert len(regions.regions()) == 5942
    assert regions.regions()["110105"].name == "朝阳区"
