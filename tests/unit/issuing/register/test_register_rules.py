from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuing.register.rules import COLUMNS, Entry, FileRefused, InsuredClass, RiderClass, parse_file
from rulebook.numbers.citizen_id import check_character

TODAY = date(2026, 9, 15)
HEADER = ",".join(COLUMNS)


def citizen(birth: str = "19900307", order: int = 867, region: str = "110101") -> str:
    body = f"{region}{birth}{order:03d}"
    return body + check_character(body)


def row(**changes: str) -> str:
    values = {
        "citizen_id": citizen(),
        "name": "李明",
        "nation": "01",
        "birth_place": "110101",
        "student": "no",
        "insured_class": "in_service",
        "fund": "employee-fund",
    }
    return ",".join((values | changes).values())


def file_of(*rows: str) -> bytes:
    return "\n".join((HEADER, *rows, "")).encode()


def faults_of(raw: bytes) -> list[tuple[int, str]]:
    with pytest.raises(FileRefused) as caught:
        parse_file(raw, on=TODAY)
    return [(fault.row, fault.field) for fault in caught.value.faults]


def test_good_file_is_read_in_its_order() -> None:
    second = row(citizen_id=citizen("20100101", 12), student="yes", insured_class="none", fund="")
    first_entry, second_entry = parse_file(file_of(row(), second), on=TODAY)
    assert first_entry.citizen.number == citizen()
    assert (first_entry.insured_class, first_entry.fund) == (InsuredClass.IN_SERVICE, "employee-fund")
    assert (second_entry.student, second_entry.insured_class) == (True, InsuredClass.NONE)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"citizen_id": "110101199003078671"}, "citizen_id"),
        ({"citizen_id": citizen(region="990101")}, "citizen_id"),
        ({"citizen_id": citizen("20260916"), "insured_class": "none", "fund": ""}, "citizen_id"),
        ({"name": ""}, "name"),
        ({"name": " 李明"}, "name"),
        ({"name": "李\x07明"}, "name"),
        ({"name": "李" * 26}, "name"),
        ({"nation": "57"}, "nation"),
        ({"nation": "1"}, "nation"),
        ({"birth_place": "990101"}, "birth_place"),
        ({"birth_place": "11010"}, "birth_place"),
        ({"student": "maybe"}, "student"),
        ({"insured_class": "retired"}, "insured_class"),
        ({"insured_class": "retired_70_plus"}, "insured_class"),
        ({"fund": ""}, "fund"),
        ({"fund": "Employee Fund"}, "fund"),
        ({"insured_class": "none"}, "fund"),
    ],
)
def test_bad_value_is_named_by_row_and_field(changes: dict[str, str], field: str) -> None:
    good = row(citizen_id=citizen(order=100))
    assert (2, field) in faults_of(file_of(good, row(**changes)))


def test_every_bad_row_is_named_and_nothing_is_taken() -> None:
    rows = [row(citizen_id=citizen(order=order)) for order in range(100, 110)]
    rows[2], rows[5], rows[9] = row(name=""), "a,b", row(citizen_id=citizen(order=100))
    found = faults_of(file_of(*rows))
    assert found == [(1, "citizen_id"), (3, "name"), (6, "row"), (10, "citizen_id")]


def test_same_person_in_three_rows_is_named_three_times() -> None:
    assert faults_of(file_of(row(), row(), row())) == [(1, "citizen_id"), (2, "citizen_id"), (3, "citizen_id")]


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"", "header"),
        (b"citizen_id,name\n", "header"),
        (HEADER.encode(), "file"),
        (file_of(row()) + b"\xff", "file"),
        (file_of('"unfinished'), "row"),
    ],
    ids=["empty", "other header", "no rows", "not UTF-8", "not CSV"],
)
def test_file_that_is_no_register_file_is_refused(raw: bytes, field: str) -> None:
    assert faults_of(raw)[0][1] == field


def test_byte_order_mark_is_allowed() -> None:
    assert len(parse_file(b"\xef\xbb\xbf" + file_of(row()), on=TODAY)) == 1


@pytest.mark.parametrize(
    ("birth", "student", "expected"),
    [
        ("19610915", "no", RiderClass.ELDER),
        ("19610916", "no", RiderClass.ORDINARY),
        ("19610916", "yes", RiderClass.STUDENT),
        ("19610915", "yes", RiderClass.ELDER),
    ],
    ids=["65 today", "65 tomorrow", "student of 64", "student of 65"],
)
def test_rider_class(birth: str, student: str, expected: RiderClass) -> None:
    changes = {"citizen_id": citizen(birth), "student": student, "insured_class": "none", "fund": ""}
    (entry,) = parse_file(file_of(row(**changes)), on=TODAY)
    assert entry.rider_class(TODAY) is expected


def test_entry_survives_its_sealed_form() -> None:
    (entry,) = parse_file(file_of(row()), on=TODAY)
    assert Entry.from_json(entry.to_json()) == entry


def test_entry_does_not_show_a_person() -> None:
    (entry,) = parse_file(file_of(row()), on=TODAY)
    assert "李" not in repr(entry)
    assert "19900307" not in repr(entry)


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: (HEADER + "\n" + text).encode()))
def test_rubbish_is_refused_with_faults_only(raw: bytes) -> None:
    with pytest.raises(FileRefused) as caught:
        parse_file(raw, on=TODAY)
    assert caught.value.faults


@pytest.mark.parametrize("name", ['"李\n明"', "李\u2028明", "李\x85明"], ids=ascii)
def test_a_line_break_in_a_name_is_named_and_not_taken_out(name: str) -> None:
    assert faults_of(file_of(row(), row(citizen_id=citizen(order=868), name=name))) == [(2, "name")]


def test_rows_before_the_end_of_the_csv_are_named_too() -> None:
    assert faults_of(file_of(row(nation="99"), row(), '"unfinished')) == [
        (1, "nation"),
        (1, "citizen_id"),
        (2, "citizen_id"),
        (3, "row"),
    ]


@pytest.mark.parametrize(("birth", "taken"), [("18960916", True), ("18950915", False), ("00010101", False)])
def test_nobody_is_older_than_anybody(birth: str, taken: bool) -> None:
    raw = file_of(row(citizen_id=citizen(birth), insured_class="retired_70_plus"))
    if taken:
        assert len(parse_file(raw, on=TODAY)) == 1
    else:
        assert faults_of(raw) == [(1, "citizen_id")]


def test_a_wrong_value_is_shown_only_as_far_as_it_helps() -> None:
    with pytest.raises(FileRefused) as caught:
        parse_file(file_of(row(nation="01 " * 5000)), on=TODAY)
    assert len(caught.value.faults[0].message) < 80
