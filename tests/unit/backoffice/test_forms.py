"""An amount in a form: in fen by programs, in yuan by people, once and exactly."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from backoffice import problems
from backoffice.forms import Fen, FenAboveZero, fen
from rulebook.money import Amount

app = FastAPI()
problems.install(app)


@app.post("/any")
async def whatever(amount: Fen) -> int:
    return amount


@app.post("/above")
async def above(amount: FenAboveZero) -> int:
    return amount


async def sent(path: str, **fields: str) -> tuple[int, int | list[dict[str, str]]]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://office") as client:
        answer = await client.post(path, data=fields)
    return answer.status_code, answer.json() if answer.status_code == 200 else answer.json()["errors"]


@given(st.integers(min_value=0, max_value=10**14 - 1))
def test_what_is_shown_in_yuan_is_read_back(minor: int) -> None:
    assert fen(str(Amount(minor))) == minor


@pytest.mark.parametrize(
    ("fields", "minor"),
    [
        ({"amount_minor": "350"}, 350),
        ({"amount_yuan": "3.50"}, 350),
        ({"amount_yuan": "3.5"}, 350),
        ({"amount_yuan": "3"}, 300),
        ({"amount_yuan": "0.07"}, 7),
        ({"amount_minor": "-5"}, -5),
    ],
)
async def test_either_field_gives_fen(fields: dict[str, str], minor: int) -> None:
    assert await sent("/any", **fields) == (200, minor)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "amount_minor"),
        ({"amount_minor": "350", "amount_yuan": "3.50"}, "amount_minor"),
        ({"amount_minor": "3.50"}, "amount_minor"),
        ({"amount_yuan": "3.505"}, "amount_yuan"),
        ({"amount_yuan": "-1"}, "amount_yuan"),
        ({"amount_yuan": "1e3"}, "amount_yuan"),
        ({"amount_yuan": "1,000"}, "amount_yuan"),
        ({"amount_yuan": "٣"}, "amount_yuan"),
    ],
)
async def test_anything_else_is_refused_by_its_field(fields: dict[str, str], field: str) -> None:
    status, errors = await sent("/any", **fields)
    assert status == 422
    assert isinstance(errors, list)
    assert errors[0]["field"] == field


@pytest.mark.parametrize("fields", [{"amount_minor": "0"}, {"amount_minor": "-1"}, {"amount_yuan": "0.00"}])
async def test_nil_is_refused_where_it_must_be_above(fields: dict[str, str]) -> None:
    assert await sent("/above", **fields) == (422, [{"field": "amount_minor", "message": "must be above zero"}])
