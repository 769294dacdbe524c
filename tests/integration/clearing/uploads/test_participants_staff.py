"""An operator's staff is a guest in the house: it sees its own files, and nothing of its competitors or of card holders."""

from __future__ import annotations

import re
from typing import Any

from fastapi import FastAPI

from backoffice.clock import HEADER
from clearing.app import PAGES, create_app
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel
from rulebook.tariff.demonstration import demonstration_document

NOW = "2026-09-15T22:00:00+08:00"
ITS_OWN = {"/files", "/uploads/1"}


def _paths(app: FastAPI) -> list[str]:
    described = [
        re.sub(r"\{[^}]*\}", "1", path) for path, methods in app.openapi()["paths"].items() if "get" in methods
    ]
    return [
        *described,
        *(page.path for page in PAGES),
        "/accounts/transit/fees",
        "/windows/1/close",
    ]


async def test_an_operators_staff_is_shown_nothing_of_the_others(shop: Any) -> None:
    app = create_app(
        shop.app.state.service.settings,
        SoftwareVault.demonstration({KeyLabel.TAC}),
        database=shop.database,
        issuing=None,
        staff={},
        tariff=demonstration_document(),
        agreed={},
    )
    paths = _paths(app)
    assert len(paths) > 30
    shop.app = app
    zhao, sun = await shop.signed_in("zhao"), await shop.signed_in("sun")
    shown = {}
    for path in paths:
        answer = await zhao.client.get(path, headers={HEADER: NOW})
        if answer.status_code not in (401, 403) and path not in ITS_OWN:
            shown[path] = answer.status_code
    assert shown == {}
    assert (await sun.client.get("/windows", headers={HEADER: NOW})).status_code == 200
