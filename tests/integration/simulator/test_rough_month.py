"""A rough city over many days: cards torn, answers lost, terminals without network, clearing killed while it closes.

What must always hold (design.md, 1) holds every evening, and two bookkeeping programs that are not ours find nothing wrong.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clearing.ledger.export import Program
from simulator.city.readers import ReaderKind
from simulator.city.run import Order, Played, played
from tests.integration.simulator.conftest import quiet

_CHECK = {
    Program.HLEDGER: ["hledger", "--strict", "check", "-f"],
    Program.BEANCOUNT: [str(Path(sys.executable).with_name("bean-check"))],
}


@pytest.fixture(scope="module", params=[3, pytest.param(30, marks=pytest.mark.long)])
def rough(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    order = Order(
        seed=5,
        cards=10,
        taps=40,
        readers=ReaderKind.IN_PROCESS,
        vault="software",
        folder=tmp_path_factory.mktemp("rough"),
        days=request.param,
        rough=True,
    )
    with played(order, quiet()) as result:
        yield result


def test_every_evening_every_card_is_explained_and_every_check_holds(rough: Played) -> None:
    assert [closed.window["number"] for closed in rough.windows] == list(range(1, rough.order.days + 1))
    for closed in rough.windows:
        assert closed.audit.explained, closed.audit.items
        assert all(check["holds"] for check in closed.window["checks"]), closed.window["checks"]


def test_things_did_go_wrong(rough: Played) -> None:
    """Or the rest of this file says nothing."""
    assert rough.answers_lost > 0
    assert any(closed.audit.items for closed in rough.windows)
    assert rough.diary.taps.total() > rough.diary.taps["paid"]


def test_every_window_is_settled_through_the_bank(rough: Played) -> None:
    assert [difference for money in rough.money for difference in money.differences()] == []
    settled = [book["window"] for money in rough.money for book in money.books if book["book"] == "transit"]
    assert settled == list(range(1, rough.order.days + 1))


def test_hospitals_and_fund_agree_every_evening(rough: Played) -> None:
    assert all(evening.agrees for evening in rough.diary.evenings)


def test_the_chain_is_whole(rough: Played) -> None:
    _citycard(rough, "ledger", "verify")


def test_a_window_can_be_computed_again_by_whoever_has_the_files(rough: Played) -> None:
    for closed in rough.windows[:3]:
        number, digest = str(closed.window["number"]), closed.window["result_digest"]
        assert f"result {digest}: the same" in _citycard(rough, "audit", "window", number)


def test_what_was_changed_since_is_found(rough: Played) -> None:
    results = rough.order.folder / "clearing" / "results"
    cleared = sorted((results / "cleared").rglob("*.parquet"))[0]
    whole = cleared.read_bytes()
    cleared.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        run = _run(rough, "audit", "window", "1")
    finally:
        cleared.write_bytes(whole)
    assert run.returncode == 1
    assert f"{cleared.relative_to(results)} was changed" in run.stderr


@pytest.mark.parametrize("program", list(Program))
@pytest.mark.parametrize("book", ["transit", "medical:employee-fund"])
def test_others_bookkeeping_programs_find_nothing_wrong(
    rough: Played, program: Program, book: str, tmp_path: Path
) -> None:
    command = _CHECK[program]
    if not shutil.which(command[0]):
        pytest.skip(f"{program} is missing: Debian package hledger, or the development dependencies")
    journal = tmp_path / f"books.{program}"
    journal.write_text(_citycard(rough, "ledger", "export", "--format", program, "--book", book))
    checked = subprocess.run([*command, journal], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def _citycard(rough: Played, *words: str) -> str:
    run = _run(rough, *words)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def _run(rough: Played, *words: str) -> subprocess.CompletedProcess[str]:
    """As somebody types it, while the city still runs."""
    environment = os.environ | {
        "CITYCARD_DATABASE_URL": rough.services.reader.render_as_string(hide_password=False),
        "CITYCARD_DATA_FOLDER": str(rough.order.folder),
    }
    command = [str(Path(sys.executable).with_name("citycard")), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
