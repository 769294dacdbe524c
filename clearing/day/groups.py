"""One group of buckets: everything about a card's transaction is local to its bucket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clearing.day import counters as counting
from clearing.day.booking import CLAIM, NAMED
from clearing.day.cleared import REASONS, in_order, odd_ends, plain_ends
from clearing.day.counters import Gap, Unfinished, advanced, seen
from clearing.day.engine import Engine, book, judge
from clearing.day.fares import Fare, merged, shares_table
from clearing.day.keys import cards_of_ids, keys_of_ids
from clearing.day.model import Day, Journals
from clearing.day.odd import OddEnds, Proof, claims_of, judge_odd, known_cards
from clearing.day.parts import PartFile, column_of
from clearing.day.plans import ENTRIES
from clearing.day.posting import FareSet, Row, Single, sets_of, transaction_of
from clearing.day.proof import PROOF, entry_keys
from clearing.day.registers import cards_table, days_table, deny_table, devices_table, loads_table, while_away
from clearing.day.schema import ENTRY, Columns, Flags, arrow, columns_of_table, stacked, taken
from clearing.day.shared_rides import rides_of
from clearing.ledger.rules import Transfer
from clearing.settlement.model import DecidedRecord, Remark
from clearing.verification.context import TransactionId
from clearing.verification.joining import RecordId
from clearing.verification.reasons import RULES, RemarkKind, Status
from clearing.verification.rules import Decision, Judged
from clearing.verification.tac import right_claims
from hardware.vault.vault import Vault
from rulebook.record import Event, Kind, Outcome, Record


@dataclass(frozen=True, slots=True)
class Ended:
    """What a group of buckets adds to the window. ``rows`` are all its records in canonical order, ``counters`` those of its
    cards afterwards. ``held``: fen newly on "open taps"; ``released``: what is there no more. ``rides``: ``RIDES``."""

    rows: Columns
    counters: Columns
    counts: Counter[Status]
    exceptions: list[DecidedRecord]
    remarks: list[Remark]
    sets: dict[FareSet, tuple[int, int]]
    single: list[Transfer]
    rides: pa.Table
    held: dict[TransactionId, int] = field(default_factory=dict)
    released: list[TransactionId] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Clerk:
    """What every group is worked with. Registers are tables made once for all of them."""

    day: Day
    journals: Journals
    engine: Engine
    vault: Vault
    fares: dict[int, Fare]
    devices: pa.Table
    loads: pa.Table
    deny: pa.Table

    @classmethod
    def of(cls, day: Day, parts: Sequence[PartFile], engine: Engine, vault: Vault) -> Clerk:
        inputs = day.inputs
        return cls(
            day,
            Journals((*inputs.journals, *inputs.waiting)),
            engine,
            vault,
            merged(part.fares for part in parts),
            devices_table(day),
            loads_table(inputs),
            deny_table(inputs.deny),
        )

    def end(self, buckets: range, parts: Sequence[PartFile]) -> Ended:
        entries = _by_key(parts, buckets)
        register = self.day.inputs.register
        before = stacked([register.counters(bucket) for bucket in buckets], counting.COUNTER)
        cards = cards_table(pa.concat_tables([register.cards(bucket) for bucket in buckets]))
        plain = plain_ones(entries, before, self.day)
        ends = self._judge_plain(entries, plain, cards)
        odd = self._judge_odd(taken(entries, ~plain), cards)
        ended = plain_ends(entries, ends)
        claims = _claims(_plain_claims(entries, ended, ends), claims_of(odd, self.day, cards))
        fares = shares_table({**self.fares, **odd.fares})
        answers = book(self.engine, claims.drop_columns(NAMED), fares)
        rows = in_order(ended, plain, odd_ends(odd, self.day))
        after, gaps, unfinished = _advanced(before, taken({name: ended[name] for name in _COUNTED}, plain), odd)
        singles = claims.take(answers["single"]["row"]).to_pylist()
        booked = list(self._singles(singles, cards))
        return Ended(
            rows=rows,
            counters=after,
            counts=_counts(rows),
            exceptions=list(self._exceptions(rows)),
            remarks=[s for s in booked if isinstance(s, Remark)] + [*map(_gap, gaps), *map(_trip, unfinished)],
            sets=sets_of(answers["fares"], answers["subsidies"], self.day),
            single=[s for s in booked if isinstance(s, Transfer)],
            rides=rides_of(answers["rides"], answers["granted"], self.day),
            held={transaction_of(row): row["amount"] for row in singles if row["held"] and row["held_before"] < 0},
            released=[one.transaction.id for one in odd.judged if one.settled is not None],
        )

    def _judge_plain(self, entries: Columns, plain: Flags, cards: pa.Table) -> Columns:
        """``judging.ENDS`` of the plain ones."""
        inputs = self.day.inputs
        ours = _of_issuers(entries["card"], inputs.policy.our_issuers)
        claim = (entries["kind"] == Kind.OUTCOME) & (entries["outcome"] == Outcome.DONE)
        proven = np.flatnonzero(claim & ours & plain)
        right = np.zeros(len(ours), dtype=np.bool_)
        claims = taken({name: entries[name] for name in ("key", "card", *PROOF)}, proven)
        right[proven] = self.engine.macs_right(claims, entry_keys(self.vault, claims))
        of_row = {"row": np.arange(len(ours), dtype=np.int32), "plain": plain, "ours": ours, "tac_right": right}
        known = entries | of_row | {"away": while_away(entries, self.day)}
        tables = {
            "entries": arrow({name: known[name] for name in ENTRIES.names}),
            "devices": self.devices,
            "cards": cards,
            "loads": self.loads,
            "deny": self.deny,
            "days": days_table(inputs),
        }
        return columns_of_table(judge(self.engine, tables))

    def _judge_odd(self, entries: Columns, cards: pa.Table) -> OddEnds:
        proof: Proof = partial(right_claims, self.vault)
        return judge_odd(_record_ids(entries, self.day), self.journals.raw, day=self.day, cards=cards, proof=proof)

    def _singles(self, rows: Sequence[Row], cards: pa.Table) -> Iterator[Transfer | Remark]:
        known = known_cards(cards, {transaction_of(row).card for row in rows})
        for row in rows:
            record = Record.decode(self.journals.raw(self.day.devices[row["device"]], row["sequence"]))
            yield from Single(row, known.get(transaction_of(row).card), record, self.day).entries()

    def _exceptions(self, rows: Columns) -> Iterator[DecidedRecord]:
        """Claimed ones leave the window as a table of their own."""
        listed = np.isin(rows["reason"], _EXCEPTIONS)
        for row in _plain_rows(taken(rows, listed)):
            id_ = transaction_of(row)
            reason = REASONS[row["reason"]]
            operator = self.day.operators[row["operated_by"]] if row["operated_by"] >= 0 else ""
            numbers = [row["sequence"]] if row["records"] == 1 else [row["intent_sequence"], row["sequence"]]
            kinds = [Kind(row["kind"])] if row["records"] == 1 else [Kind.INTENT, Kind(row["kind"])]
            for sequence, kind in zip(numbers, kinds, strict=True):
                decision = Decision((self.day.devices[row["device"]], sequence), RULES[reason].status, reason, operator)
                yield DecidedRecord(decision, id_, Event(row["event"]).name, kind.name, row["amount"])


_EXCEPTIONS = [
    rank for rank, reason in enumerate(REASONS) if RULES[reason].status in (Status.REJECTED, Status.SUSPENDED)
]


_COUNTED = ("key", "card", "settled", "held", "event")


def _by_key(parts: Sequence[PartFile], buckets: range) -> Columns:
    """One column after the other: each is still at hand when it is put in order."""
    order = np.argsort(column_of(parts, "key", buckets))
    return {name: np.take(column_of(parts, name, buckets), order) for name in ENTRY.names or ()}


def plain_ones(entries: Columns, before: Columns, day: Day) -> Flags:
    """Of ``entries`` by key: alone under it, no finding, nothing of an earlier window, an outcome that says what happened."""
    key = entries["key"]
    repeated = np.zeros(len(key), dtype=np.bool_)
    same = key[1:] == key[:-1]
    repeated[1:] |= same
    repeated[:-1] |= same
    says = (entries["kind"] == Kind.INTENT) | ((entries["kind"] == Kind.OUTCOME) & (entries["outcome"] != Outcome.NONE))
    known = (
        entries["waiting"]
        | np.isin(key, keys_of_ids([*day.inputs.held, *day.inputs.decided]))
        | seen(before, key, entries["card"])
    )
    plain: Flags = says & ~repeated & ~known
    return plain


def _of_issuers(cards: NDArray[np.void], issuers: Collection[bytes]) -> Flags:
    issuer = np.ascontiguousarray(cards.view([("issuer", ">u8"), ("serial", "V10")])["issuer"])
    return np.isin(issuer, [int.from_bytes(one) for one in issuers])


def _record_ids(entries: Columns, day: Day) -> list[RecordId]:
    ids = []
    for device, sequence, intent in zip(
        *(entries[name].tolist() for name in ("device", "sequence", "intent_sequence")), strict=True
    ):
        ids += [(day.devices[device], one) for one in (intent, sequence) if one]
    return ids


def _plain_claims(entries: Columns, ended: Columns, ends: Columns) -> Columns:
    """``entries`` as they are: what is not plain neither settles here nor is held."""
    claims = {name: {**entries, **ended}[name] for name in CLAIM.names or () if name in entries or name in ended}
    for name in ("registered", "load_posted"):
        claims[name] = np.zeros(len(entries["key"]), dtype=CLAIM[name])
        claims[name][ends["row"]] = ends[name]
    return {**claims, "held_before": np.full(len(entries["key"]), -1, dtype=CLAIM["held_before"])}


def _claims(*parts: Columns) -> pa.Table:
    """``booking.CLAIM`` of all of them, numbered."""
    names = [name for name in CLAIM.names or () if name != "row"]
    every = pa.concat_tables(
        [arrow({name: part[name].astype(CLAIM[name], copy=False) for name in names}) for part in parts]
    )
    return every.append_column("row", pa.array(np.arange(every.num_rows, dtype=CLAIM["row"])))


def _advanced(before: Columns, plain: Columns, odd: OddEnds) -> tuple[Columns, list[Gap], list[Unfinished]]:
    """The cards' counters after every transaction of the group."""
    ids = [one.transaction.id for one in odd.judged]
    settled = np.array([one.settled is not None for one in odd.judged], dtype=np.bool_)
    held = np.array([one.held is not None for one in odd.judged], dtype=np.bool_)
    return advanced(
        before,
        np.concatenate([plain["key"], keys_of_ids(ids)]),
        np.concatenate([plain["card"], cards_of_ids(ids)]),
        np.concatenate([plain["settled"], settled]),
        np.concatenate([plain["settled"] | plain["held"], settled | held]),
        np.concatenate([plain["event"], np.array([_event(one) for one in odd.judged], dtype=plain["event"].dtype)]),
    )


def _counts(rows: Columns) -> Counter[Status]:
    by_reason = np.bincount(rows["reason"], weights=rows["records"], minlength=len(REASONS))
    counts: Counter[Status] = Counter()
    for reason, count in zip(REASONS, by_reason.tolist(), strict=True):
        counts[RULES[reason].status] += int(count)
    return counts


def _event(judged: Judged) -> int:
    """Of the claim that counts, if any does."""
    claim = judged.settled or judged.held
    return claim.inputs.event if claim else 0


def _trip(trip: Unfinished) -> Remark:
    id_ = TransactionId(trip.card[:8], trip.card[8:], trip.purse, False, trip.sequence)
    return Remark(RemarkKind.TRIP_UNFINISHED, str(id_))


def _gap(gap: Gap) -> Remark:
    return Remark(RemarkKind.COUNTER_GAP, gap.card[8:].hex().upper(), detail=f"{gap.first}–{gap.last}")


def _plain_rows(rows: Columns) -> list[Row]:
    columns = {name: column.tolist() for name, column in rows.items() if name != "card"}
    columns["card"] = [card.tobytes() for card in rows["card"]]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
