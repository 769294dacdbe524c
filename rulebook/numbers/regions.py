"""Region codes of GB/T 2260: six digits, province 2 ‖ prefecture 2 ‖ county 2."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

NEWEST_REVISION = "201904"


@dataclass(frozen=True, slots=True)
class Region:
    """``revisions`` are the year-months (YYYYMM) of the tables it stands in; see REGIONS.md."""

    code: str
    name: str
    revisions: tuple[str, ...]


@cache
def regions() -> Mapping[str, Region]:
    """All regions by code."""
    lines = files("rulebook.numbers").joinpath("regions.tsv").read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(lines, delimiter="\t")
    return {row["code"]: Region(row["code"], row["name"], tuple(row["revisions"].split())) for row in rows}


@cache
def _prefectures() -> frozenset[str]:
    return frozenset(code[:4] for code in regions())


def exists_today(code: str) -> bool:
    """Whether the newest table has ``code``: for places of residence."""
    region = regions().get(code)
    return region is not None and NEWEST_REVISION in region.revisions


def may_have_existed(code: str) -> bool:
    """Whether any table has the first four digits of ``code``: for places of birth, whose county may be long gone."""
    return len(code) == 6 and code.isascii() and code.isdigit() and code[:4] in _prefectures()
