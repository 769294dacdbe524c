"""A city's day over real HTTP services and a real PostgreSQL: balanced, explained, and the same over PC/SC and PKCS#11."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.city.readers import ReaderKind
from simulator.city.run import FolderTaken, Played, played
from simulator.city.statements import write_statements
from simulator.softcard.daemon import DaemonUnavailable
from tests.integration.simulator.conftest import CARDS, TAPS, order, quiet


def test_everybody_loads_and_every_tap_has_an_end(city: Played) -> None:
    assert city.diary.loads == {"loaded": CARDS}
    assert city.diary.tap_count == TAPS
    assert city.diary.taps["paid"] > TAPS * 0.8
    assert city.diary.visits.total() > 0
    assert set(city.diary.visits) == {"settled"}


def test_every_check_of_the_closed_window_holds(city: Played) -> None:
    assert city.window["state"] == "closed"
    assert city.window["proposed_by"] != city.window["approved_by"]
    assert {check["name"]: check["holds"] for check in city.window["checks"]} == {
        "positions_add_to_nil": True,
        "float_covers_cards": True,
        "books_balance": True,
    }


def test_the_auditor_finds_every_card_explained(city: Played) -> None:
    assert city.audit.explained
    assert city.audit.cards_minor > 0


def test_operators_are_paid_what_cards_and_fund_paid(city: Played) -> None:
    transit = {p["participant"]: p for p in city.window["positions"] if p["book"] == "transit"}
    assert sum(transit[name]["net_minor"] for name in ("bus-a", "bus-b", "metro")) > 0
    assert transit["concession-fund"]["net_minor"] <= 0
    assert sum(p["net_minor"] for p in transit.values()) == 0


@pytest.mark.needs_pcsc
@pytest.mark.needs_softhsm
def test_statements_are_the_same_bytes_over_pcsc_and_pkcs11(city: Played, tmp_path: Path) -> None:
    here = write_statements(city, tmp_path / "in-process")
    again = order(tmp_path / "again", readers=ReaderKind.PCSC, vault="pkcs11")
    try:
        with played(again, quiet()) as other:
            there = write_statements(other, tmp_path / "pcsc")
    except DaemonUnavailable as missing:
        pytest.skip(str(missing))
    assert [file.name for file in here] == [file.name for file in there]
    assert [file.read_bytes() for file in here] == [file.read_bytes() for file in there]


def test_a_second_simulation_in_the_same_folder_is_refused(city: Played) -> None:
    taken = city.order.folder
    with pytest.raises(FolderTaken, match="CITYCARD_DATA_FOLDER"), played(order(taken), quiet()):
        pass
