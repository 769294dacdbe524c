"""Original and restatement together are what the right tariff gives, for every participant; twice changes nothing more."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from card_os.profile.transit import TRANSIT_PROCESS, TransitProcess
from clearing.restatement.rules import OPERATOR, Correction, as_cleared, changes, restated
from clearing.restatement.workshop import RestatementWorkshop, days_done
from rulebook.calendar import BUSINESS_ZONE
from rulebook.record import Event

DAY = date(2026, 9, 15)
_PROPERTY = settings(deadline=None, max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])


def correction(number: str = "R-1", version: int = 2, **fields: Any) -> Correction:
    base = {"first_day": DAY - timedelta(days=40), "last_day": DAY + timedelta(days=2), "borne_by": "card-company"}
    return Correction(**{**base, "number": number, "tariff_version": version, "through_window": 9, **fields})


def fresh(past: Any) -> Any:
    """One fixture serves many examples."""
    past.files, past.windows, past.records, past.transfers = [], {}, {}, []
    past.folder = Path(past.columnar.folder) / f"example-{len(list(past.columnar.folder.iterdir()))}"
    past.folder.mkdir()
    return past


def the_right_tariffs(past: Any, helper: Any, versions: tuple[int, ...], borne_by: str) -> Counter[str]:
    """Accounts of operators, funds, holders and the company if all rides had been charged by the last of ``versions``."""
    sums: Counter[str] = Counter()
    brought = []
    for ride in past.rides():
        _, row, record, operator, granted = ride
        fares = [known for version in (None, *versions) if (known := helper.fare(record, version))]
        right = fares[-1] if fares else None
        paid = min([row["amount"], *(known.total for known in fares)])
        lost = right.total - paid if right and borne_by != OPERATOR else 0
        shares = dict(right.shares) if right and granted else {}
        sums[f"operator-payable:{operator}"] += paid + lost + sum(shares.values())
        sums["fees"] -= lost
        sums[f"refunds-owed:{record.serial.hex().upper()}"] += row["amount"] - paid
        for bearer, minor in shares.items():
            sums[f"subsidy-receivable:{bearer}"] -= minor
        brought.append((ride, paid + lost, right))
    sums.update(helper.balances(helper.sharing(1, brought)))
    return sums


def assert_same(found: Counter[str], wanted: Counter[str]) -> None:
    names = {name for name in found | wanted if not name.startswith(("value-on-cards", "open-taps"))}
    assert {name: found[name] for name in names if found[name]} == {
        name: wanted[name] for name in names if wanted[name]
    }


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 60), borne_by=st.sampled_from(["card-company", OPERATOR]))
@_PROPERTY
def test_original_and_restatement_are_what_the_right_tariff_gives(
    town: Any, past: Any, tell: Any, helper: Any, seed: int, steps: int, borne_by: str
) -> None:
    past = fresh(past)
    past.clear(tell(town, seed, steps))
    now = correction(borne_by=borne_by)
    entries = past.posted(now)
    assert_same(
        helper.balances([*past.transfers, *entries]), the_right_tariffs(past, helper, (now.tariff_version,), borne_by)
    )
    assert len({entry.id for entry in entries}) == len(entries)
    assert past.posted(correction("R-2", borne_by=borne_by), [now]) == []


@given(
    seed=st.integers(0, 2**32),
    steps=st.integers(1, 60),
    versions=st.lists(st.sampled_from([1, 2, 3]), min_size=2, max_size=3),
)
@_PROPERTY
def test_the_last_of_several_corrections_holds(
    town: Any, past: Any, tell: Any, helper: Any, seed: int, steps: int, versions: list[int]
) -> None:
    past = fresh(past)
    past.clear(tell(town, seed, steps))
    steps_ = [correction(f"R-{number}", version) for number, version in enumerate(versions)]
    entries = [entry for place, now in enumerate(steps_) for entry in past.posted(now, steps_[:place])]
    assert_same(
        helper.balances([*past.transfers, *entries]), the_right_tariffs(past, helper, tuple(versions), "card-company")
    )


@given(
    seed=st.integers(0, 2**32),
    steps=st.integers(1, 60),
    versions=st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=3),
)
@_PROPERTY
def test_the_columns_say_what_the_rules_say_of_each_ride(
    town: Any, past: Any, tell: Any, helper: Any, seed: int, steps: int, versions: list[int]
) -> None:
    past = fresh(past)
    past.clear(tell(town, seed, steps))
    bearers = ("card-company", OPERATOR, "metro")
    *earlier, now = [correction(f"R-{n}", version, borne_by=bearers[n]) for n, version in enumerate(versions)]
    wanted: Counter[Any] = Counter()
    for _, row, record, operator, granted in past.rides():
        after = as_cleared(row["amount"], helper.fare(record), granted=granted)
        for one in (*earlier, now):
            before = after
            after = restated(after, helper.fare(record, one.tariff_version), granted=granted, borne_by=one.borne_by)
        for (kind, whom), minor in changes(before, after).items():
            wanted[operator, record.line, str(kind), whom or record.serial.hex().upper()] += minor
    found: Counter[Any] = Counter()
    for entry in past.entries(past.restate(now, earlier), f"of-{now.number}"):
        if entry["kind"] == "share":
            continue  # between rides of a day, not of one
        found[entry["operator"], entry["line"], entry["kind"], entry["whom"]] += entry["minor"]
        assert (entry["debit"] == "") == (entry["kind"] == "loss" and entry["whom"] == OPERATOR)
    assert found == Counter({key: minor for key, minor in wanted.items() if minor})


MORNING = datetime(2026, 9, 15, 9, tzinfo=BUSINESS_ZONE)


def two_days(town: Any) -> Any:
    """Terminals of bus-a had version 2 (170 for a ride) and those of bus-b version 3 (30, and 30 by the fund), where
    version 1 (100) was in force: on two days card 1 rides once with each, card 2 twice with bus-a."""
    for day in (1, 0):
        at = MORNING - timedelta(days=day)
        town.tap(1, 2 - 2 * day, amount=170, at=at, tariff_version=2)
        town.tap(1, 3 - 2 * day, amount=30, at=at, tariff_version=3, device="BUS-B-0001", line="B201")
        town.tap(2, 2 - 2 * day, amount=170, at=at, tariff_version=2)
        town.tap(2, 3 - 2 * day, amount=170, at=at, tariff_version=2)
    return town.inputs()


CARD_1, CARD_2 = "03109910000000000001", "03109910000000000002"


def test_entries_name_their_original_and_what_they_are(town: Any, past: Any) -> None:
    past.clear(two_days(town))
    now = correction(version=1)
    entries = past.posted(now)
    assert {(e.id, e.debit, e.credit, e.amount.minor, e.purpose) for e in entries if "2026-09-14" in e.id} == {
        (
            f"restatement:R-1:set:000001:2026-09-14:bus-a:B101:fare:refund:{CARD_1}",
            "operator-payable:bus-a",
            f"refunds-owed:{CARD_1}",
            70,
            "refund",
        ),
        (
            f"restatement:R-1:set:000001:2026-09-14:bus-a:B101:fare:refund:{CARD_2}",
            "operator-payable:bus-a",
            f"refunds-owed:{CARD_2}",
            140,
            "refund",
        ),
        (
            "restatement:R-1:set:000001:2026-09-14:bus-b:B201:fare:loss:card-company",
            "fees",
            "operator-payable:bus-b",
            70,
            "adjustment",
        ),
        (
            "restatement:R-1:set:000001:2026-09-14:bus-b:B201:fare:subsidy:concession-fund",
            "operator-payable:bus-b",
            "subsidy-receivable:concession-fund",
            30,
            "subsidy",
        ),
    }
    assert len(entries) == 8
    originals = {transfer.id for transfer in past.transfers}
    assert all(entry.reference in originals for entry in entries)
    assert {entry.business_day for entry in entries} == {now.last_day}, "they are of the window they fall into"


def test_an_operators_own_loss_is_reported_and_moves_nothing(town: Any, past: Any) -> None:
    past.clear(two_days(town))
    now = correction(version=1, borne_by=OPERATOR)
    assert {entry.purpose for entry in past.posted(now)} == {"refund", "subsidy"}
    rows = past.entries(past.restate(now), "of-R-1")
    losses = [(row["operator"], row["minor"], row["rides"], row["debit"]) for row in rows if row["kind"] == "loss"]
    assert losses == [("bus-b", 70, 1, "")] * 2


@pytest.mark.parametrize(
    ("scope", "operators", "days"),
    [
        ({}, {"bus-a", "bus-b"}, {14, 15}),
        ({"lines": frozenset({"B201"})}, {"bus-b"}, {14, 15}),
        ({"operators": frozenset({"bus-a"})}, {"bus-a"}, {14, 15}),
        ({"first_day": DAY}, {"bus-a", "bus-b"}, {15}),
        ({"last_day": DAY - timedelta(days=1)}, {"bus-a", "bus-b"}, {14}),
        ({"lines": frozenset({"B201"}), "operators": frozenset({"bus-a"})}, set(), set()),
        ({"through_window": 0}, set(), set()),
    ],
)
def test_only_what_the_correction_covers(
    town: Any, past: Any, scope: dict[str, Any], operators: set[str], days: set[int]
) -> None:
    past.clear(two_days(town))
    rows = past.entries(past.restate(correction(version=1, **scope)), "of-R-1")
    assert {row["operator"] for row in rows} == operators
    assert {row["business_day"].day for row in rows} == days


def test_what_comes_in_a_later_window_is_for_a_later_restatement(town: Any, past: Any) -> None:
    inputs = two_days(town)
    late = [r for r in inputs.records if r.device == "BUS-B-0001"]
    result = past.clear(first := replace(inputs, records=tuple(r for r in inputs.records if r not in late)))
    one = correction(version=1, through_window=1)
    before = past.posted(one)
    kept = past.columnar.kept(first, result)
    past.clear(replace(inputs, number=2, records=tuple(late)), memory=kept)
    assert [e.id for e in past.posted(one)] == [e.id for e in before], "the first says what it said"
    two = past.posted(correction("R-2", version=1, through_window=2), [one])
    assert {(e.credit, e.amount.minor) for e in two} == {
        ("operator-payable:bus-b", 70),
        ("subsidy-receivable:concession-fund", 30),
    }
    assert {e.reference for e in two} == {f"set:000002:2026-09-{day}:bus-b:B201:fare" for day in (14, 15)}


def test_a_ride_that_another_operators_terminal_proved_is_its_own_operators(town: Any, past: Any) -> None:
    intent = town.intent(1, 0, amount=170, tariff_version=2)
    town.finding(intent, "GATE-1")
    past.clear(town.inputs())
    (entry,) = past.posted(correction(version=1))
    assert (entry.debit, entry.amount.minor) == ("operator-payable:bus-a", 70)


def test_what_a_shared_network_split_is_split_anew(town: Any, past: Any) -> None:
    entered = TRANSIT_PROCESS.encode(
        TransitProcess(entry_time="20260915080000", entry_station=b"0101\x00\x00\x00\x00", month="2609")
    )
    ride = {"device": "GATE-1", "event": Event.EXIT, "place": "0102", "line": "01", "capp_before": entered}
    for sequence in (0, 1):
        town.tap(1, sequence, amount=360, tariff_version=2, **ride)
    past.clear(town.inputs())
    split = {t.id: t.amount.minor for t in past.transfers if t.purpose == "apportionment"}
    assert split == {"shared:000001:2026-09-15:metro:metro-2": 480}
    refund, share = past.posted(correction(version=1))
    assert (refund.debit, refund.amount.minor) == ("operator-payable:metro", 120)
    assert (share.id, share.debit, share.credit, share.amount.minor, share.reference) == (
        "restatement:R-1:shared:000001:2026-09-15:metro:metro-2",
        "operator-payable:metro-2",
        "operator-payable:metro",
        80,
        "shared:000001:2026-09-15:metro:metro-2",
    )


def test_what_cannot_be_priced_stays_and_is_counted(town: Any, past: Any) -> None:
    town.tap(1, 0, amount=170, tariff_version=2)
    town.tap(1, 1, amount=170, tariff_version=2, line="NOLINE")
    past.clear(town.inputs())
    (day,) = past.restate(correction(version=1)).days
    assert (day.rides, day.unpriceable, day.entries.rows) == (2, 1, 1)


def test_a_dry_run_shows_the_trace_of_the_rides_that_differ_most(town: Any, past: Any) -> None:
    past.clear(two_days(town))
    examples = past.restate(correction(version=1)).examples
    assert [one.impact for one in examples] == [70] * 8
    (first, *_) = examples
    assert (first.charged, first.before, first.after) == (170, 170, 100)
    assert first.en[-1] == "charged to the card: 1.00 yuan"
    assert first.zh[0].startswith("规则100")


def test_a_run_that_was_killed_goes_on_to_the_same_bytes(town: Any, past: Any) -> None:
    past.clear(two_days(town))
    now = correction(version=1)
    whole = past.restate(now)
    folder = past.folder / "of-R-1"
    assert days_done(folder) == len(whole.days) == 2
    kept = folder / "2026-09-14.parquet"
    before = kept.stat().st_mtime_ns
    (folder / "2026-09-15.json").unlink()
    (folder / "2026-09-15.parquet").write_bytes(b"half")
    seen: list[tuple[int, int]] = []
    again = RestatementWorkshop(folder, lambda done, total: seen.append((done, total))).restate(past.inputs(now))
    assert again == whole
    assert kept.stat().st_mtime_ns == before
    assert seen == [(1, 2), (2, 2)]


def test_how_journals_are_cut_into_files_changes_no_byte(town: Any, past: Any) -> None:
    past.clear(two_days(town))
    whole = past.restate(correction(version=1), folder="a")
    past.columnar.batch = 1
    past.files.reverse()
    assert past.restate(correction(version=1), folder="b") == whole


def test_a_record_that_is_in_no_journal_is_named(town: Any, past: Any) -> None:
    past.clear(two_days(town))
    inputs = past.inputs(correction(version=1))
    with pytest.raises(LookupError, match="record 2 of BUS-A-0001 is in no raw journal"):
        RestatementWorkshop(past.folder / "x").restate(replace(inputs, journals={}))
