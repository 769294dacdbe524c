"""What the law asks of prepaid money, as facts with their sources, and the thresholds the reports judge by: the one place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Requirement:
    """``confidence``: how sure the source is (a text of the law, or a summary of it)."""

    id: str
    area: str
    requirement: str
    source: str
    confidence: str


@cache
def requirements() -> Mapping[str, Requirement]:
    """By id, in the order of the file."""
    document = json.loads((files(__package__) / "requirements.json").read_bytes())
    names = Requirement.__dataclass_fields__
    return {row["id"]: Requirement(**{name: row[name] for name in names}) for row in document["requirements"]}


@dataclass(frozen=True, slots=True)
class Threshold:
    """``requirement``: which one asks for ``value``. ``ours``: what this project adds to it; empty where nothing."""

    value: int
    requirement: str
    zh: str
    en: str
    ours: str = ""


FLOAT_COVER = Threshold(
    10_000, "FLOAT-1", "备付金须全额覆盖（万分之一）", "the float covers all of it (parts of ten thousand)"
)
REFUND_DAYS = Threshold(
    15,
    "BJ-17",
    "应退款最迟天数",
    "days within which a refund is paid",
    "counted from the entry that owes it, oldest first",
)
DORMANT_YEARS = Threshold(
    3,
    "PPC-named",
    "久未使用年数",
    "years without use after which a card is dormant",
    "the rule says how long an unnamed card stays valid; that a card unused for as long is called dormant is ours",
)
REPORT_DAY = Threshold(
    25,
    "SH-30",
    "季度后首月报送日",
    "day of the month after a quarter by which its report is due",
    "Shanghai's rule, taken for any city",
)
THRESHOLDS = (FLOAT_COVER, REFUND_DAYS, DORMANT_YEARS, REPORT_DAY)
