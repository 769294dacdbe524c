"""The page of operators' files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backoffice.clock import HEADER
from clearing.intake.files.ours import write_csv
from rulebook.record import Record
from rulebook.record.columns import columns_of

NOW = "2026-09-15T22:00:00+08:00"


def _csv(tmp_path: Path, records: list[Record]) -> bytes:
    path = tmp_path / "file.csv"
    write_csv(columns_of(b"".join(record.encode() for record in records)), path)
    return path.read_bytes()


async def _form(caller: Any, content: bytes, layout: str = "citycard-csv") -> Any:
    return await caller.client.post(
        "/files", data={"layout": layout}, files={"file": ("day.csv", content)}, headers={HEADER: NOW}
    )


async def _page(caller: Any) -> str:
    answer = await caller.client.get("/files", headers={HEADER: NOW})
    assert answer.status_code == 200
    text: str = answer.text
    return text


async def test_a_clerk_hands_a_file_in_and_sees_it(shop: Any, tmp_path: Path) -> None:
    zhao = await shop.signed_in("zhao")
    done = await _form(zhao, _csv(tmp_path, list(shop.town.tap(1, 0, amount=250))))
    assert (done.status_code, done.headers["location"]) == (303, "/files")
    page = await _page(zhao)
    assert "2.50" in page
    assert "citycard-csv" in page


async def test_a_refused_file_is_shown_with_every_bad_row(shop: Any, tmp_path: Path) -> None:
    zhao = await shop.signed_in("zhao")
    content = _csv(tmp_path, list(shop.town.tap(1, 0))).replace(b'"ride"', b'"<b>flight</b>"')
    refused = await _form(zhao, content)
    assert refused.status_code == 422
    assert refused.text.count("&lt;b&gt;flight&lt;/b&gt;") == 2
    assert "没有" in await _page(zhao)


async def test_an_operators_staff_sees_its_own_files_and_other_staff_all(shop: Any, tmp_path: Path) -> None:
    await _form(await shop.signed_in("zhao"), _csv(tmp_path, list(shop.town.tap(1, 0, amount=250))))
    assert "2.50" not in await _page(await shop.signed_in("qian"))
    assert "2.50" in await _page(await shop.signed_in("sun"))


@pytest.mark.parametrize("name", ["sun", "nobody"])
async def test_who_is_no_operators_cannot_hand_in(shop: Any, name: str) -> None:
    caller = await shop.signed_in(name) if name == "sun" else shop.staff(name)
    assert (await _form(caller, b"x")).status_code == (403 if name == "sun" else 401)


async def test_the_layout_must_be_known(shop: Any) -> None:
    assert (await _form(await shop.signed_in("zhao"), b"x", "excel")).status_code == 422
