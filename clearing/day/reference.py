"""A window's day record by record: what the columns must say too. Only tests and benchmarks use it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

from clearing.day.reference_booking import booked
from clearing.intake.rules import Range, merged, missing, of_numbers
from clearing.ledger.rules import Transfer
from clearing.settlement.model import DecidedRecord, Remark
from clearing.verification.context import Context, CounterId, Settled, TransactionId, moment
from clearing.verification.joining import Claim, join, record_id
from clearing.verification.reasons import RemarkKind
from clearing.verification.rules import Judged, judge
from rulebook.record import Event, Kind, Record

Proof: TypeAlias = Callable[[Iterable[Claim]], Collection[Claim]]


@dataclass(frozen=True, slots=True)
class ObjectInputs:
    """``records`` in any order. ``waiting`` are records of earlier windows that were suspended there. ``covered``: journal
    sequences of each device that came before."""

    number: int
    context: Context
    records: tuple[Record, ...]
    waiting: tuple[Record, ...] = ()
    covered: Mapping[str, tuple[Range, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ObjectResult:
    """``posted``: a transfer for each card transaction. ``settled``, ``held``, ``next_sequence`` and ``inside`` are what the
    next window must know."""

    decided: tuple[DecidedRecord, ...]
    remarks: tuple[Remark, ...]
    posted: tuple[Transfer, ...]
    settled: Mapping[TransactionId, Settled]
    held: Mapping[TransactionId, int]
    next_sequence: Mapping[CounterId, int]
    inside: Mapping[CounterId, int]


def settle(inputs: ObjectInputs, proof: Proof) -> ObjectResult:
    """``proof`` answers which claims' TACs are right (``verification.tac.right_claims`` with the vault bound)."""
    context = inputs.context
    transactions = join((*inputs.records, *inputs.waiting))
    ours = context.policy.our_issuers
    right = proof([c for t in transactions if t.id.issuer in ours for c in t.claims()])
    judged = [judge(transaction, right, context) for transaction in transactions]
    entries = [entry for one in judged for entry in booked(one, context)]
    remarks = [e for e in entries if isinstance(e, Remark)]
    remarks += [*_journal_gaps(inputs), *_clock_faults(inputs.records), *_counter_gaps(judged, context)]
    remarks += _unfinished_trips(judged, context)
    return ObjectResult(
        decided=tuple(_decided(judged)),
        remarks=tuple(sorted(remarks)),
        posted=tuple(sorted((e for e in entries if isinstance(e, Transfer)), key=lambda t: t.id)),
        settled={one.transaction.id: one.settled.settled for one in judged if one.settled is not None},
        held=_held(judged, context),
        next_sequence=_next_sequences(judged, context),
        inside=_inside(judged, context),
    )


def _decided(judged: Iterable[Judged]) -> list[DecidedRecord]:
    rows = [
        DecidedRecord(decision, one.transaction.id, record.event.name, record.kind.name, record.amount_minor)
        for one in judged
        for decision, record in zip(one.decisions, one.transaction.records, strict=True)
    ]
    return sorted(rows, key=lambda row: row.decision.record)


def _journal_gaps(inputs: ObjectInputs) -> Iterator[Remark]:
    seen: dict[str, list[int]] = {}
    for device, sequence in map(record_id, inputs.records):
        seen.setdefault(device, []).append(sequence)
    for device, sequences in seen.items():
        operator = _operator(device, inputs.context)
        coverage = merged((*inputs.covered.get(device, ()), *of_numbers(sequences)))
        for first, last in missing(coverage):
            yield Remark(RemarkKind.JOURNAL_GAP, device, operator, detail=f"{first}–{last}")


def _clock_faults(records: Iterable[Record]) -> Iterator[Remark]:
    """Only intents are compared: an outcome repeats its intent's time."""
    by_device: dict[str, dict[int, Record]] = {}
    for record in records:
        if record.kind is Kind.INTENT:
            by_device.setdefault(record.device, {})[record.journal_sequence] = record
    for device, intents in by_device.items():
        times = [(sequence, at) for sequence, row in sorted(intents.items()) if (at := moment(row)) is not None]
        for (_, before), (sequence, at) in pairwise(times):
            if at < before:
                yield Remark(RemarkKind.CLOCK_WENT_BACK, device, detail=f"{sequence}: {before:%F %T} → {at:%F %T}")


def _sequences(judged: Iterable[Judged]) -> Mapping[CounterId, dict[int, bool]]:
    """Off-line sequences that records name, and whether that number is used up."""
    named: dict[CounterId, dict[int, bool]] = {}
    for one in judged:
        id_ = one.transaction.id
        if not id_.load:
            used = one.settled is not None or one.held is not None
            named.setdefault((id_.issuer, id_.serial, id_.purse), {})[id_.sequence] = used
    return named


def _events(judged: Iterable[Judged]) -> dict[CounterId, dict[int, Event]]:
    """Of taps that were posted or held, by sequence."""
    events: dict[CounterId, dict[int, Event]] = {}
    for one in judged:
        id_, claim = one.transaction.id, one.settled or one.held
        if claim is not None and not id_.load:
            events.setdefault((id_.issuer, id_.serial, id_.purse), {})[id_.sequence] = claim.inputs.event
    return events


def _unfinished_trips(judged: Iterable[Judged], context: Context) -> Iterator[Remark]:
    for counter, events in _events(judged).items():
        first = min(events)
        entries = [sequence for sequence, event in events.items() if event is Event.ENTRY]
        if (before := context.inside.get(counter)) is not None and first == before + 1:
            entries.append(before)
        for entry in entries:
            if events.get(entry + 1, Event.EXIT) is not Event.EXIT:
                yield Remark(RemarkKind.TRIP_UNFINISHED, str(TransactionId(*counter, False, entry)))


def _inside(judged: Iterable[Judged], context: Context) -> dict[CounterId, int]:
    """Of purses whose last purchase was an entry, that entry's sequence."""
    inside = dict(context.inside)
    for counter, events in _events(judged).items():
        if max(events) >= context.next_sequence.get(counter, 0):
            inside.pop(counter, None)
            if events[max(events)] is Event.ENTRY:
                inside[counter] = max(events)
    return dict(sorted(inside.items()))


def _counter_gaps(judged: Iterable[Judged], context: Context) -> Iterator[Remark]:
    for counter, named in _sequences(judged).items():
        start = context.next_sequence.get(counter, 0)
        used = [sequence for sequence, is_used in named.items() if is_used and sequence >= start]
        below = [sequence for sequence in named if used and sequence <= max(used)]
        for first, last in missing(of_numbers(below), start=start):
            yield Remark(RemarkKind.COUNTER_GAP, counter[1].hex().upper(), detail=f"{first}–{last}")


def _next_sequences(judged: Iterable[Judged], context: Context) -> dict[CounterId, int]:
    following = dict(context.next_sequence)
    for counter, named in _sequences(judged).items():
        used = [sequence + 1 for sequence, is_used in named.items() if is_used]
        following[counter] = max([following.get(counter, 0), *used])
    return dict(sorted(following.items()))


def _held(judged: Iterable[Judged], context: Context) -> dict[TransactionId, int]:
    held = {id_: minor for id_, minor in context.held.items() if id_ not in context.decided}
    for one in judged:
        if one.settled is not None:
            held.pop(one.transaction.id, None)
        elif one.held is not None:
            held.setdefault(one.transaction.id, one.held.inputs.amount_minor)
    return dict(sorted(held.items()))


def _operator(device: str, context: Context) -> str:
    known = context.devices.get(device)
    return known.operator if known else ""
