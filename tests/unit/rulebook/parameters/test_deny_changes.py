"""However the deny list is told, in one piece or in steps, the device ends with the same bytes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulebook.parameters import DenyChange, DenyChanges, MalformedChanges, framed

START = datetime(2026, 9, 15, tzinfo=UTC)
histories = st.lists(
    st.builds(
        DenyChange,
        issuer=st.just(bytes(8)),
        serial=st.integers(0, 5).map(lambda card: bytes([card]) * 10),
        reported_at=st.integers(-(10**15), 10**15).map(lambda us: START + timedelta(microseconds=us)),
        denied=st.booleans(),
    ),
    max_size=30,
)


def told(history: list[DenyChange], after: int, until: int) -> DenyChanges:
    return DenyChanges.between(after, until, history[after:until])


def over_the_wire(changes: DenyChanges) -> DenyChanges:
    return DenyChanges.decode(changes.encode())


@given(histories, st.data())
def test_any_steps_lead_to_the_whole_list(history: list[DenyChange], data: st.DataObject) -> None:
    stops = sorted({data.draw(st.integers(0, len(history))) for _ in range(4)})
    there = told(history, 0, stops[0])
    for stop in [*stops[1:], len(history)]:
        there = there.applied(over_the_wire(told(history, there.version, stop)))
    whole = told(history, 0, len(history))
    assert there.encode() == whole.encode()
    assert there.sha256 == whole.sha256


@given(histories)
def test_who_is_denied_is_what_was_said_of_each_card_last(history: list[DenyChange]) -> None:
    last = {change.serial: change for change in history}
    listed = over_the_wire(told(history, 0, len(history))).entries()
    assert {(e.serial, e.reported_at) for e in listed} == {(c.serial, c.reported_at) for c in last.values() if c.denied}


def test_a_card_released_is_told_of_only_to_those_who_had_it() -> None:
    history = [DenyChange(bytes(8), bytes(10), START, True), DenyChange(bytes(8), bytes(10), START, False)]
    assert told(history, 0, 2).changes == ()
    assert told(history, 1, 2).changes == (history[1],)


def test_changes_after_another_version_do_not_follow() -> None:
    with pytest.raises(MalformedChanges, match="after 3 do not follow on the whole list of 2"):
        DenyChanges(0, 2, ()).applied(DenyChanges(3, 4, ()))


ONE = DenyChanges(0, 1, (DenyChange(bytes(8), bytes(10), START, True),)).encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"CCD1",
        b"CCD2" + ONE[4:],
        ONE[:-1],
        ONE + b"\x00",
        ONE[:-1] + b"\x02",
        ONE[:-9] + b"\x7f" + bytes(7) + b"\x01",
    ],
    ids=["empty", "cut in the header", "other form", "cut", "too long", "neither denied nor not", "no moment"],
)
def test_what_is_no_list_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedChanges):
        DenyChanges.decode(raw)


def test_the_form_is_the_one_that_is_written_down() -> None:
    """Bytes made by hand from the description, so that a form of yesterday is read tomorrow."""
    moment = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    change = DenyChange(bytes.fromhex("0199100099999999"), bytes.fromhex("03109910000000000001"), moment, True)
    raw = bytes.fromhex(
        "43434431" "0000000000000004" "0000000000000007" "00000001"
        "0199100099999999" "03109910000000000001" "00000000000F4240" "01"
    )  # fmt: skip
    assert DenyChanges(4, 7, (change,)).encode() == raw
    assert DenyChanges.decode(raw) == DenyChanges(4, 7, (change,))


def test_rows_that_are_cut_are_not_framed() -> None:
    with pytest.raises(MalformedChanges, match="28 bytes are no changes of 27 bytes"):
        framed(0, 1, bytes(28))
