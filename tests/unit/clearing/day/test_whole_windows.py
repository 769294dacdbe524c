"""Windows as production computes them: how records came, and how often, changes no byte; how late, no total."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from card_os.profile.transit import TRANSIT_PROCESS, TransitProcess
from clearing.day import parquet
from clearing.day.entries import day_number
from clearing.day.keys import bucket_of, keys_of_ids
from clearing.day.model import CARDS
from clearing.day.parquet import Written
from clearing.files import Files
from clearing.intake.rules import merged, of_numbers
from clearing.ledger.rules import Purpose, Transfer
from clearing.opening.cards import opening_counters, read_cards
from clearing.opening.counters import write_counters
from clearing.participants.charging import NOTHING_RUNNING
from clearing.participants.documents import DocumentKind, demonstration_documents
from clearing.participants.rules import demonstration
from clearing.settlement.computing import Computer
from clearing.settlement.encoding import encode
from clearing.settlement.frozen import Frozen, FrozenPartDiffers, Piece, keep, read
from clearing.settlement.model import WindowResult
from clearing.settlement.positions import add_to_nil
from clearing.verification.context import TransactionId
from clearing.verification.reasons import Reason, RemarkKind, Status
from rulebook.calendar import BUSINESS_ZONE
from rulebook.money import Amount
from rulebook.record import Event, Outcome, Record
from rulebook.tariff.demonstration import demonstration_document

_MORNING = datetime(2026, 9, 15, 8, tzinfo=BUSINESS_ZONE)
_PROPERTY = settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass
class Office:
    """Clearing without its database: windows follow one another through files alone."""

    files: Files
    town: Any
    known: dict[tuple[str, int], Record] = field(default_factory=dict)
    documents: Mapping[DocumentKind, Mapping[str, Any]] = field(default_factory=dict)
    brought: tuple[Written, ...] = ()

    def computer(self) -> Computer:
        return Computer(self.files, self.town.vault, lambda device, number: self.known[device, number].encode())

    def pieces(self, batches: Iterable[Sequence[Record]]) -> tuple[Piece, ...]:
        """A batch is some records that follow one another in a journal."""
        pieces = []
        for batch in batches:
            self.known |= {(r.device, r.journal_sequence): r for r in batch}
            kept = self.files.raw.keep(b"head" + b"".join(r.encode() for r in batch))
            pieces.append(Piece(batch[0].device, batch[0].journal_sequence, len(batch), kept.sha256, 4))
        return tuple(pieces)

    def freeze(
        self, inputs: Any, batches: Iterable[Sequence[Record]], before: tuple[Frozen, WindowResult] | None = None
    ) -> Frozen:
        context = inputs.context
        first = before is None
        waiting = [] if before is None else _suspended(before[1])
        return Frozen(
            number=1 if before is None else before[0].number + 1,
            business_day=context.business_day,
            city=demonstration().model_dump(mode="json"),
            documents=self.documents,
            tariffs={1: demonstration_document()},
            records=self.pieces(batches),
            waiting=self.pieces([self.known[id_]] for id_ in waiting),
            covered={} if before is None else _covered(before[0]),
            devices=context.devices,
            sams=context.sams,
            deny=context.deny,
            cards=self._register(context),
            loads=context.loads,
            held={} if before is None else before[1].held,
            decided={},
            online=(PREFUNDED,) if first else (),
            links={} if before is None else {n.transfer.book: n.link for n in before[1].transfers},
            balances={} if before is None else {(p.book, p.participant): p.closing_minor for p in before[1].positions},
            counters=self.brought if before is None else before[1].counters,
            brought=self.brought,
            cleared=() if before is None else before[1].cleared,
            running=NOTHING_RUNNING if before is None else before[1].running,
        )

    def _register(self, context: Any) -> dict[int, bytes]:
        rows = sorted((issuer + serial, card) for (issuer, serial), card in context.cards.items())
        of_bucket: dict[int, list[Any]] = {}
        for name, card in rows:
            key = keys_of_ids([TransactionId(name[:8], name[8:], 0, False, 0)])
            row = {
                "card": name,
                "card_key_version": card.key_version,
                "rider_class": card.rider_class,
                "valid_from": day_number(card.valid_from),
                "valid_to": day_number(card.valid_to),
            }
            of_bucket.setdefault(int(bucket_of(key)[0]), []).append(row)
        return {
            bucket: self.files.frozen.keep(parquet.image(pa.Table.from_pylist(some, schema=CARDS)).to_pybytes()).sha256
            for bucket, some in of_bucket.items()
        }

    def close(self, frozen: Frozen) -> WindowResult:
        manifest = keep(frozen, self.files.frozen)
        assert read(manifest, self.files.frozen) == replace(frozen, records=tuple(sorted(frozen.records)))
        return self.computer().result(manifest)


PREFUNDED = Transfer(
    id="opening",
    book="transit",
    debit="float-at-bank",
    credit="agent-prefunded:agent-1",
    amount=Amount(5_000_000),
    purpose=Purpose.PREFUNDING,
    business_day=demonstration().effective_from,
)


def _suspended(result: WindowResult) -> list[tuple[str, int]]:
    return [row.decision.record for row in result.exceptions if row.decision.status is Status.SUSPENDED]


def _covered(frozen: Frozen) -> dict[str, Any]:
    came: dict[str, list[tuple[int, int]]] = {device: list(ranges) for device, ranges in frozen.covered.items()}
    for piece in frozen.records:
        came.setdefault(piece.device, []).append((piece.first, piece.first + piece.count - 1))
    return {device: merged(ranges) for device, ranges in came.items()}


def _whole(records: Iterable[Record]) -> list[list[Record]]:
    """Of each device what follows one another, in one batch."""
    of_device: dict[str, dict[int, Record]] = {}
    for record in records:
        of_device.setdefault(record.device, {})[record.journal_sequence] = record
    return [
        [rows[number] for number in range(first, last + 1)]
        for rows in of_device.values()
        for first, last in of_numbers(rows)
    ]


def _split(batches: Iterable[list[Record]], dice: random.Random) -> list[list[Record]]:
    """The same in pieces, some of them more than once, in any order."""
    pieces = []
    for batch in batches:
        cuts = sorted({0, len(batch), *(dice.randrange(len(batch) + 1) for _ in range(3))})
        pieces += [batch[a:b] for a, b in pairwise(cuts)]
    pieces += [dice.choice(pieces) for _ in range(3) if pieces]
    dice.shuffle(pieces)
    return pieces


@pytest.fixture
def office(town: Any, tmp_path: Path) -> Office:
    return Office(Files(tmp_path), town)


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 40), order=st.randoms(use_true_random=False))
@_PROPERTY
def test_order_repeats_and_splits_before_the_cut_off_change_no_byte(
    town: Any, office: Office, tell: Any, seed: int, steps: int, order: random.Random
) -> None:
    office.documents = demonstration_documents()
    inputs = tell(town, seed, steps)
    batches = _whole(inputs.records)
    expected = encode(office.close(office.freeze(inputs, batches)))
    assert encode(office.close(office.freeze(inputs, _split(batches, order)))) == expected


@given(seed=st.integers(0, 2**32), order=st.randoms(use_true_random=False))
@_PROPERTY
def test_what_comes_after_the_cut_off_leaves_every_total_as_it_was(
    town: Any, office: Office, tell: Any, seed: int, order: random.Random
) -> None:
    inputs = _honest_day(town, tell, seed)
    whole = office.close(office.freeze(inputs, _whole(inputs.records)))
    late = {id_ for id_ in {(r.device, r.journal_sequence) for r in inputs.records} if order.random() < 0.4}
    early = [r for r in inputs.records if (r.device, r.journal_sequence) not in late]
    first = office.freeze(inputs, _split(_whole(early), order))
    closed = office.close(first)
    # Some of what was there comes again with what is late.
    again = [r for r in inputs.records if (r.device, r.journal_sequence) in late or order.random() < 0.2]
    second = office.close(office.freeze(inputs, _split(_whole(again), order), (first, closed)))
    assert _totals(closed, second) == _totals(whole)
    assert second.held == whole.held
    assert add_to_nil(closed.positions)
    assert add_to_nil(second.positions)
    assert {p.participant: p.closing_minor for p in second.positions if p.book == "transit"} == {
        p.participant: p.closing_minor for p in whole.positions if p.book == "transit"
    }


def _honest_day(town: Any, tell: Any, seed: int) -> Any:
    """Every card transaction is told once, whatever becomes of it: which of two stories of one is believed may depend on the
    window they came in."""
    tell(town, seed, 0)
    dice = random.Random(seed)
    for card in (1, 2, 3):
        for sequence in range(dice.randrange(8)):
            device, line = dice.choice((("BUS-A-0001", "B101"), ("BUS-B-0001", "B201")))
            at = _MORNING + timedelta(minutes=dice.randrange(600))
            intent = town.intent(card, sequence, device=device, line=line, at=at, amount=dice.choice((100, 200, 50)))
            end = dice.randrange(10)
            if end == 0:
                town.outcome(intent, tac=b"\x01\x02\x03\x04")
            elif end == 1:
                town.outcome(intent, Outcome.UNKNOWN)
                town.finding(intent, dice.choice(("BUS-A-0001", "GATE-1")))
            elif end == 2:
                town.outcome(intent, Outcome.UNKNOWN)
            elif end > 3:
                town.outcome(intent)
    return town.inputs()


def _totals(*results: WindowResult) -> Counter[tuple[str, str]]:
    totals: Counter[tuple[str, str]] = Counter()
    for result in results:
        for position in result.positions:
            totals[position.book, position.participant] += position.net_minor
    return totals


def test_rides_of_a_shared_network_are_parted_as_agreed(town: Any, office: Office) -> None:
    """What the gate's operator owes the other follows from where each ride went, concession and all."""
    office.documents = {DocumentKind.APPORTIONMENT: demonstration_documents()[DocumentKind.APPORTIONMENT]}
    town.classes[2] = "student"
    entered = TransitProcess(entry_time="20260915080000", entry_station=b"1021\x00\x00\x00\x00", month="2609")
    metro = {"device": "GATE-1", "event": Event.EXIT, "place": "0411", "line": "", "at": _MORNING + timedelta(hours=1)}
    for card, card_class in ((1, 1), (2, 2)):
        ride = town.intent(
            card, 0, amount=500, card_class=card_class, capp_before=TRANSIT_PROCESS.encode(entered), **metro
        )
        town.outcome(ride)
    result = office.close(office.freeze(town.inputs(), _whole(town.records)))
    assert not [remark for remark in result.remarks if remark.kind is RemarkKind.NOT_SHARED]
    shares = {t.id: t.amount.minor for t in result.posted if t.purpose is Purpose.APPORTIONMENT}
    fares = [t for t in result.posted if t.purpose in (Purpose.FARE, Purpose.SUBSIDY)]
    assert {key.split(":")[3:5] == ["metro", "metro-2"] for key in shares} == {True}
    assert 0 < sum(shares.values()) < sum(t.amount.minor for t in fares)
    assert add_to_nil(result.positions)


def test_what_is_computed_again_is_the_same_files(town: Any, office: Office, tell: Any) -> None:
    inputs = tell(town, 7, 60)
    frozen = office.freeze(inputs, _whole(inputs.records))
    one = office.close(frozen)
    there = {path: path.read_bytes() for path in office.files.results.rglob("*.parquet")}
    office.computer().forget(keep(frozen, office.files.frozen))
    assert office.close(frozen) == one
    assert {path: path.read_bytes() for path in office.files.results.rglob("*.parquet")} == there


def test_a_preview_leaves_nothing_behind(town: Any, office: Office, tell: Any, tmp_path: Path) -> None:
    inputs = tell(town, 7, 60)
    scratch = Files(tmp_path / "scratch")
    frozen = office.freeze(inputs, _whole(inputs.records))
    for sha256 in frozen.cards.values():
        scratch.frozen.keep(office.files.frozen.read(sha256))
    seen = office.computer().preview(frozen, scratch)
    assert not office.files.results.exists()
    assert encode(seen) == encode(office.close(frozen))


def test_a_manifest_whose_part_was_changed_is_refused(town: Any, office: Office, tell: Any) -> None:
    inputs = tell(town, 7, 5)
    manifest = keep(office.freeze(inputs, _whole(inputs.records)), office.files.frozen)
    for path in office.files.frozen.folder.rglob("*"):
        if path.is_file() and path.read_bytes().startswith(b'[["BUS'):
            path.write_bytes(path.read_bytes().replace(b"BUS-A", b"BUS-Z"))
    with pytest.raises(FrozenPartDiffers, match=r"part records of the manifest"):
        office.computer().result(manifest)


@pytest.mark.parametrize("what", ["batch", "cards", "counters"])
def test_a_file_that_was_changed_or_lost_since_it_was_frozen_is_not_computed_from(
    town: Any, office: Office, tell: Any, what: str
) -> None:
    inputs = tell(town, 7, 30)
    first = office.freeze(inputs, _whole(inputs.records))
    frozen = office.freeze(inputs, _whole(inputs.records), (first, office.close(first)))
    manifest = keep(frozen, office.files.frozen)
    path = {
        "batch": office.files.raw.path(frozen.records[-1].stored_as),
        "cards": office.files.frozen.path(next(iter(frozen.cards.values()))),
        "counters": office.files.results / frozen.counters[-1].name,
    }[what]
    content = path.read_bytes()
    for changed in (content[:-1] + bytes([content[-1] ^ 1]), None):
        path.unlink() if changed is None else path.write_bytes(changed)
        with pytest.raises(FrozenPartDiffers, match=path.name):
            office.computer().result(manifest)
    path.write_bytes(content)
    assert office.computer().result(manifest)


_HEADER = "issuer,serial,product,purse,last_offline,last_online,balance_minor,deposit_minor"


def test_a_tap_from_before_the_migration_is_not_paid_again(town: Any, office: Office) -> None:
    """The old system has paid it, and our cleared records have nothing of it; in the first window as in later ones."""
    issuer, serial = next(iter(town.context().cards))
    line = f"{issuer.hex().upper()},{serial.hex().upper()},ordinary,2,99,,0,0"
    cards, faults = read_cards(f"{_HEADER}\n{line}\n".encode(), [issuer])
    assert not faults
    office.brought = tuple(write_counters(opening_counters(cards), office.files.results))
    old = [record for sequence in (3, 99) for record in town.tap(1, sequence)]
    new = [*town.tap(1, 100), *town.tap(1, 300)]
    first = office.freeze(town.inputs(), _whole([*old[:2], *new]))
    closed = office.close(first)
    second = office.close(office.freeze(town.inputs(), _whole(old[2:]), (first, closed)))
    for result in (closed, second):
        assert {row.decision.reason for row in result.exceptions} == {Reason.ENDED_BEFORE}
        assert not result.held
    assert sum(t.amount.minor for t in closed.posted if t.purpose is Purpose.FARE) == 200
    assert not second.posted
