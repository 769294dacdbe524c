"""Our medical messages say nothing that the national interfaces do not know, except where we say so."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from rulebook.messages.medical import ANSWERS, REQUESTS, Infno, ReconciliationResultRow, ReconciliationRow, Request

DATA = Path(__file__).parents[3] / "data" / "medical"
# What the national sources at hand do not have; the messages' module says why.
OURS = {
    ("envelope", "presence"),
    (Infno.FEE_LINES, "chrgitm_lv"),  # of expContent: national only in the answer
    (Infno.FEE_LINES, "selfpay_prop"),
    *((infno, name) for infno in (Infno.PRE_SETTLE, Infno.SETTLE, Infno.SETTLE_CANCEL) for name in (
        "feeshare", "feedetl_sn", "det_item_fee_sumamt",
    )),
    (Infno.DETAIL_RECONCILIATION, "rows"),
}  # fmt: skip
# Nodes that the CSV calls by their class, and envelope words of every interface.
NODES = {"data", "input", "output", "feedetail", "setlinfo", "setldetail", "expContent", "stmtinfo", "fileinfo"}


def national() -> dict[str, set[str]]:
    names: dict[str, set[str]] = {}
    with (DATA / "nhsa_interface_fields.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            names.setdefault(row["infno"], set()).add(row["field"])
    return names


NATIONAL = national()
RECONCILIATION = json.loads((DATA / "nhsa_reconciliation.json").read_text())


def models(kind: Any) -> Iterator[type[BaseModel]]:
    """The message model and every model inside its fields."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
        for field in kind.model_fields.values():
            yield from models(field.annotation)
    else:
        for part in get_args(kind):
            yield from models(part)


def fields(infno: Infno, message: type[BaseModel]) -> set[str]:
    inside = list(models(message))[1:]
    rows = (ReconciliationRow, ReconciliationResultRow)
    return {
        name for model in inside if model not in rows and model.__name__ != "Presence" for name in model.model_fields
    }


@pytest.mark.parametrize("infno", Infno)
@pytest.mark.parametrize("messages", [REQUESTS, ANSWERS], ids=["request", "answer"])
def test_field_names_are_national(infno: Infno, messages: dict[Infno, type[BaseModel]]) -> None:
    used = fields(infno, messages[infno]) - NODES
    unknown = {name for name in used - NATIONAL[infno.value] if (infno, name) not in OURS}
    assert used or infno is Infno.REVERSAL
    assert not unknown


def test_envelope_is_national() -> None:
    known = {name.split()[0] for name in RECONCILIATION["envelope"]}
    assert {name for name in Request.model_fields if ("envelope", name) not in OURS} <= known


def test_reconciliation_rows_are_the_columns_of_the_national_files() -> None:
    files = RECONCILIATION["3202_detail_reconciliation"]
    assert set(ReconciliationRow.model_fields) <= set(files["upload_file"]["columns"])
    assert set(ReconciliationResultRow.model_fields) <= set(files["result_file"]["columns"])
