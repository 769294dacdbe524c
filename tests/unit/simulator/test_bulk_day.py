"""The bulk city: what it declares is what clearing finds; records are those of terminals; one seed, one day."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.exceptions import InvalidSignature

from card_os.profile.transit import TRANSIT_PROCESS, TransitState, checksum
from clearing.day.duckdb_engine import DuckDbEngine
from clearing.day.model import DayInputs, Stretch
from clearing.day.run import DayResult, Workshop
from clearing.facts.rules import deny_list_of
from clearing.participants.rules import demonstration
from clearing.verification.reasons import Reason, RemarkKind
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel
from rulebook.batch import OFFSET, unseal
from rulebook.record import Event, Kind, Outcome, Record
from simulator.city.bulk.day import BulkDay, denials
from simulator.city.bulk.faults import FORMS, Fault, Rates
from simulator.city.bulk.journals import Upload, write
from simulator.city.bulk.register import Register
from simulator.city.bulk.town import Extent
from simulator.city.places import DAY

EXTENT = Extent(cards=600, taps=2400)
RATES = Rates(
    tac_wrong=0.01,
    charged_more=0.01,
    repeated=0.01,
    torn=0.05,
    denied_cards=0.02,
    clocks=0.3,
    lost_batches=0,
    batches_twice=0.5,
)
VAULT = SoftwareVault.demonstration({KeyLabel.TAC})


@pytest.fixture(scope="module")
def day() -> BulkDay:
    return BulkDay(EXTENT, seed=5, rates=RATES)


@pytest.fixture(scope="module")
def uploads(day: BulkDay, tmp_path_factory: pytest.TempPathFactory) -> list[Upload]:
    return write(day, tmp_path_factory.mktemp("uploads"), VAULT)


@pytest.fixture(scope="module")
def cleared(day: BulkDay, uploads: list[Upload], tmp_path_factory: pytest.TempPathFactory) -> DayResult:
    folder, register = tmp_path_factory.mktemp("cleared"), Register(day.town)
    inputs = DayInputs(
        number=1,
        business_day=DAY,
        policy=demonstration().rules(),
        journals=tuple(Stretch(one.device, one.first, one.count, one.path, OFFSET) for one in uploads),
        devices=day.town.known_devices(),
        sams=day.town.sams(),
        deny=deny_list_of(denials(day.denied)),
        tariffs={day.tariff.version: day.tariff},
        register=register,
        history=register,
        loads=day.known_loads(),
    )
    return Workshop(folder / "results", folder / "stages", DuckDbEngine(spill=folder / "spill"), VAULT).clear(inputs)


@pytest.fixture(scope="module")
def records(uploads: list[Upload]) -> list[Record]:
    return [record for one in uploads for record in unseal(one.path.read_bytes()).records]


def test_clearing_finds_what_was_declared_and_nothing_else(day: BulkDay, cleared: DayResult) -> None:
    denied = np.isin(day.taps.card, day.denied)
    faults = {fault: day.fault == fault for fault in Fault}
    claimed = ~faults[Fault.TAC_WRONG] & ~faults[Fault.TORN_OPEN]
    expected = {
        Reason.TAC_WRONG: faults[Fault.TAC_WRONG],
        Reason.REPEATED: faults[Fault.REPEATED] & ~denied,
        Reason.INTENT_WITHOUT_OUTCOME: faults[Fault.TORN_OPEN],
        Reason.DENIED_LET_THROUGH: denied & claimed,
    }
    found = {(row.decision.reason, str(row.transaction)) for row in cleared.exceptions}
    counts = Counter(reason for reason, _ in found)
    assert all(which.any() for which in expected.values())
    assert counts[Reason.REPEATED] >= expected[Reason.REPEATED].sum()  # of a denied card's too
    assert {reason: counts[reason] for reason in expected if reason is not Reason.REPEATED} == {
        reason: which.sum() for reason, which in expected.items() if reason is not Reason.REPEATED
    }
    assert counts.keys() == expected.keys()


def test_fares_and_clocks_are_remarked_as_declared(day: BulkDay, cleared: DayResult) -> None:
    remarks = Counter(remark.kind for remark in cleared.remarks)
    undenied = ~np.isin(day.taps.card, day.denied)
    assert remarks[RemarkKind.CHARGED_MORE] == (undenied & (day.fault == Fault.CHARGED_MORE)).sum() > 0
    assert remarks[RemarkKind.CLOCK_WENT_BACK] == day.recorder.fields.slips.sum() > 0
    assert remarks.keys() == {RemarkKind.CHARGED_MORE, RemarkKind.CLOCK_WENT_BACK}


def test_every_batch_is_signed_by_its_device_and_every_journal_is_whole(day: BulkDay, uploads: list[Upload]) -> None:
    devices = {device.name: device for device in day.town.devices}
    sequences: dict[str, set[int]] = {}
    for one in uploads:
        batch = unseal(one.path.read_bytes())
        devices[one.device].signing_key(5).public_key().verify(batch.signature, batch.signed)
        assert (batch.header.device, batch.header.number, batch.header.first_sequence) == (
            one.device,
            one.number,
            one.first,
        )
        sequences.setdefault(one.device, set()).update(range(one.first, one.first + one.count))
    assert all(found == set(range(1, len(found) + 1)) for found in sequences.values())
    assert len(uploads) > len(sequences)  # some were sent twice
    with pytest.raises(InvalidSignature):
        devices["B101-00001"].signing_key(6).public_key().verify(batch.signature, batch.signed)


def test_a_card_carries_balance_sequence_and_trip_from_tap_to_tap(day: BulkDay, records: list[Record]) -> None:
    of_card: dict[bytes, dict[int, Record]] = {}
    for record in records:
        done = record.kind is Kind.FINDING or record.outcome is Outcome.DONE
        if record.event is not Event.LOAD and (done or record.outcome is Outcome.UNKNOWN):
            of_card.setdefault(record.serial, {})[record.card_sequence] = record
    trips = 0
    for taps in of_card.values():
        assert sorted(taps) == list(range(len(taps)))
        for sequence in range(1, len(taps)):
            before, now = taps[sequence - 1], taps[sequence]
            assert now.balance_before_minor == before.balance_before_minor - before.amount_minor
            assert now.capp_before == before.capp_after
            trips += now.event is Event.EXIT
            if now.event is Event.EXIT:
                entered = TRANSIT_PROCESS.decode(now.capp_before)
                assert (entered.state, entered.entry_station.rstrip(b"\x00").decode()) == (
                    TransitState.ENTERED,
                    before.place,
                )
                assert entered.crc == checksum(now.capp_before)
                left = TRANSIT_PROCESS.decode(now.capp_after)
                assert (left.exit_amount_minor, left.crc) == (now.amount_minor, checksum(now.capp_after))
                assert sum(step.amount_minor for step in now.trace) in (now.amount_minor, now.amount_minor - 100)
    assert trips > 100


def test_there_are_as_many_taps_as_asked_for(day: BulkDay, records: list[Record]) -> None:
    assert len(day.taps.card) == EXTENT.taps
    distinct = {(record.device, record.journal_sequence) for record in records}
    taps = sum(len(FORMS[fault]) * count for fault, count in day.declared().items())
    assert len(distinct) == taps + 2 * len(day.loads.card)


def test_one_seed_gives_one_day_and_another_another(tmp_path: Path) -> None:
    def files(name: str, seed: int) -> dict[str, bytes]:
        folder = tmp_path / name
        write(BulkDay(Extent(cards=40, taps=160), seed=seed), folder, VAULT)
        return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.batch"))}

    assert files("one", 1) == files("again", 1) != files("other", 2)


def test_lost_batches_are_missing(tmp_path: Path) -> None:
    lost: Any = Rates(lost_batches=1.0)
    assert write(BulkDay(Extent(cards=20, taps=60), seed=1, rates=lost), tmp_path, VAULT) == []
