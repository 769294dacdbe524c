"""``citycard tariff`` explains a price and names every fault of a document."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from clearing.cli import app
from rulebook.tariff.demonstration import demonstration_document

RUN = CliRunner()


def test_a_metro_ride_is_priced_by_station_names_in_both_languages() -> None:
    result = RUN.invoke(app, ["price", "2026-09-15T08:00", "--entry", "苹果园", "--exit", "王府井"])
    assert result.exit_code == 0, result.output
    assert "卡内扣款：5.00元" in result.output
    assert "charged to the card: 5.00 yuan" in result.output


def test_a_concession_says_who_bears_it() -> None:
    result = RUN.invoke(app, ["price", "2026-09-15T08:00", "--line", "B101", "--rider", "student"])
    assert "由concession-fund承担" in result.output
    assert "charged to the card: 0.50 yuan" in result.output


def test_a_station_nobody_knows_is_named() -> None:
    result = RUN.invoke(app, ["price", "2026-09-15T08:00", "--entry", "Nowhere", "--exit", "王府井"])
    assert result.exit_code == 2
    assert "Nowhere" in result.output


def test_every_fault_of_a_document_is_printed(tmp_path: Path) -> None:
    path = tmp_path / "tariff.json"
    path.write_text(json.dumps(demonstration_document() | {"version": 0, "rounding": "nearest"}))
    result = RUN.invoke(app, ["check", str(path)])
    assert result.exit_code == 1
    assert "version" in result.output
    assert "rounding" in result.output


def test_a_good_document_passes(tmp_path: Path) -> None:
    path = tmp_path / "tariff.json"
    path.write_text(json.dumps(demonstration_document()))
    assert RUN.invoke(app, ["check", str(path)]).exit_code == 0
