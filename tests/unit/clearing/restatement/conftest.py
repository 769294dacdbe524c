"""A town's cleared day, as the windows leave it, given to a restatement."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from card_os.profile.transit import TRANSIT_PROCESS
from clearing.apportionment.agreement import Agreements
from clearing.apportionment.sharing import Rides, shared
from clearing.day.fares import Fare
from clearing.fare_checks.rules import NotPriceable, reprice
from clearing.ledger.rules import Transfer
from clearing.restatement.differences import Corrections
from clearing.restatement.entries import Bookkeeping, transfers
from clearing.restatement.rides import ClearedFile, WindowFacts
from clearing.restatement.rules import Correction
from clearing.restatement.workshop import Restated, RestatementInputs, RestatementWorkshop
from rulebook.record import Event, Record
from rulebook.tariff import RiderClass, Tariff, load_tariff
from rulebook.tariff.demonstration import demonstration_document


def _beside(name: str) -> ModuleType:
    """The columnar days of ``clearing/day``; a conftest cannot be imported by name."""
    path = Path(__file__).parents[1] / "day" / "conftest.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


DAYS = _beside("clearing_restatement_days")
ACCOUNTS = {"card-company": "fees", "metro": "operator-payable:metro"}


@cache
def tariff(version: int) -> Tariff:
    """1 as it is; 2 dearer, the elders' bus concession smaller; 3 cheaper, with another concession by the fund."""
    document = demonstration_document(version=version)
    if version == 2:
        document["zones"][0]["tiers"][0]["amount_minor"] = 340
        document["zones"][1]["tiers"][0]["amount_minor"] = 360
        document["discounts"][2]["off"] = "1/2"
    if version == 3:
        document["zones"][0]["tiers"][0]["amount_minor"] = 120
        document["discounts"][1]["when"] = {"rider_classes": ["ordinary"]}
    return load_tariff(document)


TARIFFS: Mapping[int, Tariff] = {version: tariff(version) for version in (1, 2, 3)}


AGREEMENTS = Agreements.model_validate(
    {
        "version": 1,
        "agreements": [
            {
                "name": "two-metros",
                "effective_from": "2026-01-01",
                "method": "table",
                "residue": "first",
                "operator_of_line": {},
                "default_parts": {"metro": "1/3", "metro-2": "2/3"},
            }
        ],
    }
)


class Ridden(NamedTuple):
    """A settled ride: its cleared row, the record under the TAC, the operator, whether a fund pays by its class."""

    window: int
    row: dict[str, Any]
    record: Record
    operator: str
    granted: bool


@dataclass
class Past:
    """Windows that were cleared: their files, journals and transfers."""

    folder: Path
    columnar: Any
    files: list[ClearedFile] = field(default_factory=list)
    windows: dict[int, WindowFacts] = field(default_factory=dict)
    records: dict[tuple[str, int], Record] = field(default_factory=dict)
    transfers: list[Transfer] = field(default_factory=list)
    known: Mapping[Any, Any] = field(default_factory=dict)

    def clear(self, inputs: Any, **more: Any) -> Any:
        context = replace(inputs.context, tariffs=TARIFFS)
        result = self.columnar.clear(replace(inputs, context=context), **more)
        results = self.columnar.folder / "results"
        self.files += [ClearedFile(inputs.number, results / written.name) for written in result.cleared]
        operators = {name: device.operator for name, device in context.devices.items()}
        self.windows[inputs.number] = WindowFacts(operators, DAYS.Memory(context.cards), AGREEMENTS, TARIFFS)
        self.records |= {(r.device, r.journal_sequence): r for r in (*inputs.records, *inputs.waiting)}
        self.transfers += result.transfers
        self.known = context.cards
        ridden = [ride for ride in self.rides() if ride.window == inputs.number]
        self.transfers += sharing(inputs.number, ((r, r.record.amount_minor, fare(r.record)) for r in ridden))
        return result

    def inputs(self, now: Correction, earlier: Iterable[Correction] = ()) -> RestatementInputs:
        journals: dict[str, list[Any]] = {}
        for stretch in self.columnar.stretches(self.records.values()):
            journals.setdefault(stretch.device, []).append(stretch)
        return RestatementInputs(
            corrections=Corrections(tuple(earlier), now),
            files=tuple(self.files),
            journals=journals,
            windows=self.windows,
            tariffs=TARIFFS,
            bookkeeping=Bookkeeping(now.number, ACCOUNTS),
        )

    def restate(self, now: Correction, earlier: Iterable[Correction] = (), *, folder: str = "") -> Restated:
        workshop = RestatementWorkshop(self.folder / (folder or f"of-{now.number}"))
        return workshop.restate(self.inputs(now, earlier))

    def entries(self, restated: Restated, folder: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.table(restated, folder).to_pylist()
        return rows

    def table(self, restated: Restated, folder: str) -> pa.Table:
        return pa.concat_tables(
            [pq.read_table(self.folder / folder / day.entries.name) for day in restated.days] or [pa.table({"id": []})]
        )

    def posted(self, now: Correction, earlier: Iterable[Correction] = ()) -> list[Transfer]:
        """The entries of a restatement as transfers."""
        restated = self.restate(now, earlier)
        return [
            transfer
            for day in restated.days
            for transfer in transfers(pq.read_table(self.folder / f"of-{now.number}" / day.entries.name), now.last_day)
        ]

    def rides(self) -> list[Ridden]:
        """Every settled ride."""
        found = []
        for file in self.files:
            for row in pq.read_table(file.path).to_pylist():
                if row["settled"] and not row["load"] and row["event"] in (1, 3):
                    named = (row["intent_device"], row["intent_sequence"]) if row["intent_device"] else None
                    record = self.records[named or (row["device"], row["sequence"])]
                    card = self.known.get((record.issuer, record.serial))
                    granted = card is not None and str(_class(record)) == card.rider_class
                    operator = self.windows[file.window].operators[record.device]
                    found.append(Ridden(file.window, row, record, operator, granted))
        return found


def _class(record: Record) -> RiderClass:
    return RiderClass.of_code(record.card_class)


def fare(record: Record, version: int | None = None) -> Fare | None:
    """One by one, as the bulk way must have it."""
    try:
        return Fare.of(reprice(replace(record, tariff_version=version or record.tariff_version), TARIFFS))
    except NotPriceable:
        return None


def sharing(window: int, rides: Iterable[tuple[Ridden, int, Fare | None]]) -> tuple[Transfer, ...]:
    """As a window shares them: rides with what they brought and by which fare; those without one are not shared."""
    return shared(
        window, [one for ride, minor, by in rides if by for one in _brought(ride, minor, by)], **_SHARED
    ).transfers


_SHARED: dict[str, Any] = {"agreements": AGREEMENTS, "tariffs": TARIFFS}


def _brought(ride: Ridden, minor: int, by: Fare) -> Iterable[Rides]:
    if ride.record.event is Event.EXIT:
        day = date(1970, 1, 1) + timedelta(days=ride.row["business_day"])
        origin = TRANSIT_PROCESS.decode(ride.record.capp_before).entry_station.rstrip(b"\x00").decode()
        ends: dict[str, Any] = {
            "business_day": day,
            "operator": ride.operator,
            "origin": origin,
            "destination": ride.record.place,
        }
        yield Rides(**ends, bearer="", each_minor=minor, count=1)
        for bearer, share in by.shares if ride.granted else ():
            yield Rides(**ends, bearer=bearer, each_minor=share, count=1)


def balances(every: Iterable[Transfer]) -> Counter[str]:
    """Credits less debits of each account."""
    sums: Counter[str] = Counter()
    for transfer in every:
        sums[transfer.credit] += transfer.amount.minor
        sums[transfer.debit] -= transfer.amount.minor
    return sums


@pytest.fixture
def past(town: Any, tmp_path: Path) -> Past:
    return Past(tmp_path, DAYS.Columnar(tmp_path, town.vault))


@pytest.fixture
def tell() -> Any:
    return DAYS.told


@pytest.fixture
def helper() -> Any:
    """What tests of this folder share: ``fare`` and ``balances``."""
    return sys.modules[__name__]
