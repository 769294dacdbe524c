"""A city's day over real HTTP services and a real PostgreSQL: balanced, explained, and the same over PC/SC and PKCS#11."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.city.run import FolderTaken, Played, played
from simulator.city.statements import write_statements
from tests.integration.simulator.conftest import CARDS, SEED, TAPS, order, quiet


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


def test_every_book_is_settled_through_the_bank_and_its_money_there_is_the_ledgers(city: Played) -> None:
    (money,) = city.money
    assert money.differences() == []
    assert {book["book"]: book["state"] for book in money.books} == {
        "medical:employee-fund": "settled",
        "transit": "settled",
        "utilities": "settled",
    }
    paid = {leg["participant"]: leg["done_minor"] for book in money.books for leg in book["legs"]}
    owed = {p["participant"]: abs(p["net_minor"]) for p in city.window["positions"] if p["net_minor"]}
    assert paid == {who: minor for who, minor in owed.items() if who not in ("card-company", "employee-fund")}
    assert [account["unmatched_minor"] for account in money.accounts] == [0, 0, 0]


@pytest.mark.needs_pcsc
@pytest.mark.needs_softhsm
def test_the_command_gives_the_same_statements_over_pcsc_and_pkcs11(city: Played, tmp_path: Path) -> None:
    """In a process of its own, because libpcsclite reaches only one pcscd in the life of a process."""
    here = write_statements(city, tmp_path / "in-process")
    there = tmp_path / "pcsc"
    options = {"seed": SEED, "cards": CARDS, "taps": TAPS, "readers": "pcsc", "vault": "pkcs11", "out": there}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    environment = os.environ | {"CITYCARD_DATA_FOLDER": str(tmp_path / "again")}
    command = [Path(sys.executable).with_name("citycard"), "simulate", "--exit", *words]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "✗" not in run.stdout
    assert sorted(file.name for file in here) == sorted(file.name for file in there.iterdir())
    assert [file.read_bytes() for file in here] == [(there / file.name).read_bytes() for file in here]


def test_a_second_simulation_in_the_same_folder_is_refused(city: Played) -> None:
    taken = city.order.folder
    with pytest.raises(FolderTaken, match="CITYCARD_DATA_FOLDER"), played(order(taken), quiet()):
        pass
