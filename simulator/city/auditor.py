"""The auditor knows what every card really did and asks whether the ledger says the same, item by item.

design.md, "What must always hold", 1: value on cards by the ledger − balances on the cards = debits not yet received −
loads not yet confirmed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, unique
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import URL, NullPool, text

from backoffice.database import Database
from card_os.wire import commands
from card_os.wire import identifiers as names
from card_os.wire.apdu import ResponseApdu
from clearing.ledger.accounts import TRANSIT, Kind
from clearing.ledger.rules import Phase, Purpose
from simulator.city.witness import Movement, Witness


@unique
class ItemKind(StrEnum):
    DEBIT_NOT_RECEIVED = "debit_not_received"  # the card paid, no record of it has come
    LOAD_NOT_CONFIRMED = "load_not_confirmed"  # the card was loaded, its TAC has not come
    NEVER_HAPPENED = "never_happened"  # the ledger moved money for something no card did


@dataclass(frozen=True, slots=True)
class Item:
    """One card transaction that card and ledger do not both know; ``amount_minor`` fen, above zero."""

    kind: ItemKind
    transaction: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class LedgerMovement:
    """``transaction`` as ``TransactionId`` writes it: ``tap:issuer:serial:purse:sequence``, or ``load:…``. ``amount_minor``
    is below zero for what was taken back off "open taps"; a transaction's movements add up."""

    transaction: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Books:
    """What clearing says happened on cards. ``value_minor``: value on cards by the ledger. ``unfounded``: transfers of fares
    that are not the sum of the cleared records that name them. ``other_cities``: by participant, what
    its cards and ours came to, fen above zero owed to it; what was paid of that is left out."""

    movements: tuple[LedgerMovement, ...]
    value_minor: int
    unfounded: tuple[str, ...] = ()
    other_cities: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Audit:
    """``ledger_minor`` is value on cards by the ledger, ``cards_minor`` what is on the cards. ``disagreeing``: cards whose
    balance is not what was seen of them, and transfers that records do not add up to."""

    ledger_minor: int
    cards_minor: int
    items: tuple[Item, ...]
    disagreeing: tuple[str, ...]

    @property
    def explained(self) -> bool:
        """Whether the items account for the whole difference, and nothing was invented."""
        signs = {ItemKind.DEBIT_NOT_RECEIVED: 1, ItemKind.LOAD_NOT_CONFIRMED: -1, ItemKind.NEVER_HAPPENED: 0}
        by_items = sum(signs[item.kind] * item.amount_minor for item in self.items)
        invented = any(item.kind is ItemKind.NEVER_HAPPENED for item in self.items)
        return not invented and not self.disagreeing and self.ledger_minor - self.cards_minor == by_items


def audit(cards: Mapping[str, Witness], books: Books) -> Audit:
    """``cards`` by ``issuer:serial`` (upper-case hex)."""
    sums: Counter[str] = Counter()
    for movement in books.movements:
        sums[movement.transaction] += movement.amount_minor
    booked = {(transaction, minor) for transaction, minor in sums.items() if minor}
    done = {
        (_transaction(card, moved.movement, moved.sequence), moved.amount_minor): moved.movement
        for card, witness in cards.items()
        for moved in witness.moved
        if moved.amount_minor
    }
    items = [Item(_MISSING[done[key]], *key) for key in sorted(done.keys() - booked)]
    items += [Item(ItemKind.NEVER_HAPPENED, *key) for key in sorted(booked - done.keys())]
    balances = {card: balance_on(witness) for card, witness in cards.items()}
    disagreeing = tuple(sorted(card for card, minor in balances.items() if minor != cards[card].balance_minor))
    return Audit(books.value_minor, sum(balances.values()), tuple(items), (*disagreeing, *books.unfounded))


_MISSING = {Movement.DEBIT: ItemKind.DEBIT_NOT_RECEIVED, Movement.LOAD: ItemKind.LOAD_NOT_CONFIRMED}
_WORDS = {Movement.DEBIT: "tap", Movement.LOAD: "load"}
_PURSE = 2


def _transaction(card: str, movement: Movement, sequence: int) -> str:
    return f"{_WORDS[movement]}:{card}:{_PURSE}:{sequence:05d}"


def balance_on(card: Witness) -> int:
    """Fen on the purse, as the card itself says; it is taken out of its reader for that."""
    inner = card.card
    inner.reset()
    inner.transmit(commands.select_name(names.TRANSIT_AID).encode())
    answer = ResponseApdu.parse(inner.transmit(commands.get_balance().encode()))
    return int.from_bytes(answer.data, "big")


async def read_books(reader: URL, results: Path) -> Books:
    """What ledger and cleared records say of cards; as role reader, past the service that wrote them. ``results``: the folder
    that clearing keeps cleared records in."""
    database = Database(reader, poolclass=NullPool)
    try:
        async with database.reading() as session:
            transfers = (await session.execute(_TRANSFERS, {"book": TRANSIT})).all()
            value = await session.scalar(_VALUE, {"book": TRANSIT, "code": str(Kind.VALUE_ON_CARDS)})
            files = (await session.scalars(_FILES)).all()
            elsewhere: list[dict[str, Any]] = [dict(row._mapping) for row in await session.execute(_ELSEWHERE)]
            others = {
                row.owner: row.minor
                for row in await session.execute(_OTHER_CITIES, {"book": TRANSIT, "settled": str(Purpose.SETTLEMENT)})
            }
    finally:
        await database.close()
    paid = [row for name in files for row in _paid(results / name)]
    single = _movements([tuple(row) for row in transfers if row.purpose not in _IN_SETS])
    fares = {row.id: row.amount_minor for row in transfers if row.purpose in _IN_SETS}
    of_records: Counter[str] = Counter()
    for row in (*paid, *elsewhere):
        of_records[row["transfer"]] += row["amount"]
    unfounded = sorted(id_ for id_ in fares.keys() | of_records.keys() if fares.get(id_, 0) != of_records[id_])
    return Books((*single, *map(_tap, (*paid, *elsewhere))), int(value or 0), tuple(unfounded), others)


_TRANSFERS = text("SELECT id, purpose, phase, amount_minor FROM clearing.ledger_transfer WHERE book = :book")
_VALUE = text("SELECT credits_posted - debits_posted FROM clearing.ledger_account WHERE book = :book AND code = :code")
_FILES = text("SELECT DISTINCT name FROM clearing.cleared_file ORDER BY name")
# What our cards paid in another city, transaction by transaction, and which transfer that is.
_ELSEWHERE = text(
    "SELECT issuer || serial AS card, purse, sequence AS card_sequence, amount_minor AS amount,"
    " 'exchange:in:' || partner || ':' || package || ':' || business_day AS transfer"
    " FROM clearing.exchange_item WHERE direction = 'in' AND state = 'confirmed' AND amount_minor > 0"
)
_OTHER_CITIES = text(
    "SELECT split_part(CASE WHEN gets THEN credit ELSE debit END, ':', 2) AS owner,"
    " CAST(sum(CASE WHEN gets THEN amount_minor ELSE -amount_minor END) AS bigint) AS minor"
    " FROM (SELECT *, credit LIKE 'other-city-payable:%' AS gets FROM clearing.ledger_transfer) AS moved"
    " WHERE book = :book AND phase IN ('single', 'post') AND purpose <> :settled"
    " AND (gets OR debit LIKE 'other-city-payable:%') GROUP BY owner"
)
_IN_SETS = frozenset({Purpose.FARE, Purpose.FARE_ELSEWHERE})
_OF_TAPS = {Purpose.HELD: 1, Purpose.RELEASE: -1}
_COLUMNS = ["card", "purse", "card_sequence", "amount", "transfer"]


def _paid(file: Path) -> list[dict[str, Any]]:
    """Taps that a fare was paid for."""
    rows: list[dict[str, Any]] = pq.read_table(file, columns=_COLUMNS, filters=pc.field("transfer") != "").to_pylist()
    return rows


def _tap(row: Mapping[str, Any]) -> LedgerMovement:
    issuer, serial = (part.hex().upper() for part in (row["card"][:8], row["card"][8:]))
    return LedgerMovement(f"tap:{issuer}:{serial}:{row['purse']}:{row['card_sequence']:05d}", row["amount"])


def _movements(rows: Sequence[tuple[str, str, str, int]]) -> list[LedgerMovement]:
    """Taps onto "open taps" and back; loads by what posted them, whose id is that of the reservation and a suffix."""
    movements = []
    for id_, purpose, phase, minor in rows:
        if purpose in _OF_TAPS:
            movements.append(LedgerMovement(id_.rpartition(":")[0], _OF_TAPS[Purpose(purpose)] * minor))
        elif purpose == Purpose.LOAD and (phase == Phase.POST or id_.endswith("/anew")):
            word, issuer, serial, purse, sequence, _ = id_.split(":")
            transaction = f"{word}:{issuer.upper()}:{serial.upper()}:{purse}:{int(sequence):05d}"
            movements.append(LedgerMovement(transaction, minor))
    return movements
