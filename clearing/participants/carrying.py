"""What contracts carry from one window to the next, as plain values for a manifest or a result, and back. Pure."""

from __future__ import annotations

from datetime import date
from typing import Any

from clearing.participants.activities import Activity
from clearing.participants.charging import OpenHold, OpenMonth, Running


def plain(running: Running) -> dict[str, Any]:
    """Texts and integers only, in order."""
    return {
        "months": [
            [
                *(str(part) for part in open_.contract),
                open_.charge,
                str(open_.month),
                open_.activity.count,
                open_.activity.amount_minor,
                open_.charged_minor,
            ]
            for open_ in running.months
        ],
        "holds": [
            [*hold.party, hold.window, hold.contract_version, hold.amount_minor, str(hold.release_on)]
            for hold in running.holds
        ],
    }


def read_back(values: dict[str, Any]) -> Running:
    """What ``plain`` was given."""
    return Running(tuple(_month(*fields) for fields in values["months"]), tuple(_hold(*f) for f in values["holds"]))


def _month(
    book: str, participant: str, effective_from: str, charge: str, month: str, count: int, minor: int, charged: int
) -> OpenMonth:
    contract = (book, participant, date.fromisoformat(effective_from))
    return OpenMonth(contract, charge, date.fromisoformat(month), Activity(count, minor), charged)


def _hold(book: str, participant: str, window: int, version: int, minor: int, release_on: str) -> OpenHold:
    return OpenHold((book, participant), window, version, minor, date.fromisoformat(release_on))
