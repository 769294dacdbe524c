"""What the ledger and the bank stand on stays from one version of the city to the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clearing.participants.city_document import unmade_city
from clearing.participants.rules import City, demonstration


def _changed(change: Callable[[dict[str, Any]], object]) -> City:
    document = demonstration().model_dump(mode="json")
    change(document)
    return City.model_validate(document)


def _participant(document: dict[str, Any], id_: str) -> dict[str, Any]:
    found: dict[str, Any] = next(p for p in document["participants"] if p["id"] == id_)
    return found


ALLOWED: dict[str, Callable[[dict[str, Any]], object]] = {
    "nothing": lambda _: None,
    "another name": lambda d: _participant(d, "bus-a").update(zh="公交一公司"),
    "paid at another bank account": lambda d: _participant(d, "bus-a").update(bank_account=None),
    "another horizon": lambda d: d["policy"].update(upload_horizon_days=10),
    "another limit of an agent": lambda d: _participant(d, "agent-2").update(limit_minor=1),
    "another netting": lambda d: d["bank_accounts"]["transit"].update(netting="bilateral", pay_within_days=2),
}


@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED)
def test_what_may_change(change: Callable[[dict[str, Any]], object]) -> None:
    assert unmade_city(demonstration(), _changed(change)) == []


REFUSED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a participant gone": (
        lambda d: d["participants"].remove(_participant(d, "bus-a")),
        "participant bus-a has accounts in the ledger; it stays",
    ),
    "an account gone": (
        lambda d: _participant(d, "card-company")["accounts"].remove(["transit", "deposits-on-cards"]),
        "participant card-company: account deposits-on-cards of transit is in the ledger; it stays",
    ),
    "another role": (
        lambda d: _participant(d, "bus-a").update(role="agent"),
        "participant bus-a: role is operator in the ledger; it cannot become agent",
    ),
    "another day of opening": (
        lambda d: d.update(effective_from="2026-09-16"),
        "effective_from: the opening balances are posted; they stay",
    ),
    "another keeper": (
        lambda d: d["keepers"].update(transit="bus-a"),
        "keepers: transit is kept by card-company; it stays",
    ),
    "another account of a book": (
        lambda d: d["bank_accounts"]["transit"]["account"].update(number="12345678"),
        "bank_accounts: statements of transit are about account 0200000109000000017; it stays",
    ),
    "a book no longer settled": (
        lambda d: d["bank_accounts"].pop("transit"),
        "bank_accounts: statements of transit are about account 0200000109000000017; it stays",
    ),
}


@pytest.mark.parametrize(("change", "fault"), REFUSED.values(), ids=REFUSED)
def test_what_must_stay(change: Callable[[dict[str, Any]], object], fault: str) -> None:
    assert unmade_city(demonstration(), _changed(change)) == [fault]
