"""The cards a running city brings with it: their last sequences, balances and deposits, read from a file. Pure.

One row for each purse of a card. Sequences are those of the last transaction the city knows of, so that nothing up to them can
be paid again; empty where the purse has made none.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clearing.day.counters import COUNTER, order_of
from clearing.day.keys import card_hash, keys_of
from clearing.day.schema import CARD_LENGTH, COUNTER_SHIFT, Columns, Flags, Numbers, columns_of_table, stacked, taken
from clearing.opening.sheets import LISTED, ROW, Fault, Form, read_sheet, repeats, shared

FILE = "cards"
_LARGEST_SEQUENCE = 2**COUNTER_SHIFT - 1
_LARGEST_AMOUNT = 2**32 - 1
"""Four bytes on the card."""

_SEQUENCE = Form("[0-9]{0,9}", f"empty, or 0 to {_LARGEST_SEQUENCE}", _LARGEST_SEQUENCE)
_AMOUNT = Form("[0-9]{1,12}", f"whole fen, 0 to {_LARGEST_AMOUNT}", _LARGEST_AMOUNT)
FORMS = {
    "issuer": Form("[0-9A-Fa-f]{16}", "8 bytes in hexadecimal: 0x15[0..7]"),
    "serial": Form("[0-9A-Fa-f]{20}", "10 bytes in hexadecimal: 0x15[10..19]"),
    "product": Form("[a-z0-9-]{1,40}", "up to 40 lower-case letters, digits and hyphens"),
    "purse": Form("[12]", "1 (deposit) or 2 (electronic purse)"),
    "last_offline": _SEQUENCE,
    "last_online": _SEQUENCE,
    "balance_minor": _AMOUNT,
    "deposit_minor": _AMOUNT,
}
NO_SEQUENCE = -1
EVERY_BIT = -1
"""Of a counter's window: as if everything up to the highest had been posted."""


@dataclass(frozen=True, slots=True)
class Product:
    """What the cards of one product bring, fen."""

    name: str
    cards: int
    balance_minor: int
    deposit_minor: int


def read_cards(content: bytes, our_issuers: Collection[bytes]) -> tuple[pa.Table, list[Fault]]:
    """Good rows and every fault. Columns: ``ROW``, card (36 hexadecimal digits: issuer, serial), product, purse, last_offline
    and last_online (-1: none), balance_minor, deposit_minor."""
    texts, faults = read_sheet(content, FILE, FORMS)
    card = pc.binary_join_element_wise(pc.ascii_upper(texts["issuer"]), pc.ascii_upper(texts["serial"]), "")
    table = pa.table(
        {
            ROW: texts[ROW],
            "card": card,
            "product": texts["product"],
            "purse": texts["purse"].cast(pa.int16()),
            **{name: _sequences(texts[name]) for name in ("last_offline", "last_online")},
            **{name: texts[name].cast(pa.int64()) for name in ("balance_minor", "deposit_minor")},
        }
    )
    return table, faults + _foreign(texts, our_issuers) + _twice(table)


def _sequences(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(column, ""), str(NO_SEQUENCE), column).cast(pa.int32())


def _foreign(texts: pa.Table, our_issuers: Collection[bytes]) -> list[Fault]:
    ours = pa.array(sorted(issuer.hex().upper() for issuer in our_issuers), pa.string())
    other = texts.filter(pc.invert(pc.is_in(pc.ascii_upper(texts["issuer"]), value_set=ours))).slice(0, LISTED)
    wanted = ", ".join(ours.to_pylist())
    return [
        Fault(FILE, row, "issuer", f"is {issuer}; only our own cards are migrated, of {wanted}")
        for row, issuer in zip(other[ROW].to_pylist(), other["issuer"].to_pylist(), strict=True)
    ]


def _twice(table: pa.Table) -> list[Fault]:
    # Only cards that share a hash with another row can stand twice: a handful, compared by their bytes.
    alike = table.filter(pa.array(shared(card_hash(_bytes_of(table["card"])).view(np.int64))))
    again = repeats(alike, _joined(alike, "card", "purse"))
    once = alike.filter(pc.invert(pc.is_in(alike[ROW], value_set=pa.array([row for row, _ in again], pa.int64()))))
    paid = once.filter(pc.greater(once["deposit_minor"], 0))
    return [
        *(
            Fault(FILE, row, "serial", f"the same purse of the same card stands in line {first}")
            for row, first in again
        ),
        *(
            Fault(FILE, row, "deposit_minor", f"the card has its deposit in line {first}; its other purses have 0")
            for row, first in repeats(paid, paid["card"])
        ),
    ]


def _joined(table: pa.Table, *names: str) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(*(table[name].cast(pa.string()) for name in names), "/")


def products_of(cards: pa.Table) -> tuple[Product, ...]:
    """In order of name. A card with several purses counts once."""
    counted = cards.append_column("first", pa.array(_first_of(cards, "product", "card").astype(np.int64)))
    sums = [(name, "sum") for name in ("first", "balance_minor", "deposit_minor")]
    rows = counted.group_by("product").aggregate(sums).sort_by("product").to_pylist()
    return tuple(
        Product(row["product"], row["first_sum"], row["balance_minor_sum"], row["deposit_minor_sum"]) for row in rows
    )


def card_count(cards: pa.Table) -> int:
    return int(_first_of(cards, "card").sum())


def _first_of(cards: pa.Table, *names: str) -> Flags:
    """Which rows are the first of their card (and what else is named)."""
    alike = shared(card_hash(_bytes_of(cards["card"])).view(np.int64))
    found = cards.filter(pa.array(alike))
    first: Flags = ~alike
    again = [row for row, _ in repeats(found, _joined(found, *names))]
    return first | (alike & ~np.isin(cards[ROW].to_numpy(), again))


def opening_counters(cards: pa.Table) -> Columns:
    """The columns of ``clearing.day.counters.COUNTER``, in its order: every purse's taps and loads from the one after the last.

    To ``counters.seen`` everything up to the last is posted, also what is more than 63 before it."""
    card = _bytes_of(cards["card"])
    purse: Numbers = cards["purse"].to_numpy().astype(np.int64)
    parts = [
        _counters(card, purse, cards[name].to_numpy().astype(np.int64), load)
        for name, load in (("last_offline", False), ("last_online", True))
    ]
    every = stacked(parts, COUNTER)
    return taken(every, order_of(every["key"], every["card"]))


def _bytes_of(hexadecimal: pa.ChunkedArray) -> NDArray[np.void]:
    digits = columns_of_table(pa.table({"card": hexadecimal.cast(pa.binary(2 * CARD_LENGTH))}))["card"].tobytes()
    return np.frombuffer(bytes.fromhex(digits.decode()), dtype=f"V{CARD_LENGTH}")


def _counters(card: NDArray[np.void], purse: Numbers, last: Numbers, load: bool) -> Columns:
    used = last > NO_SEQUENCE
    card, purse, last = card[used], purse[used], last[used]
    nothing = np.zeros(len(last), dtype=np.int64)
    return {
        "key": keys_of(card, purse, np.full(len(last), load), nothing),
        "card": card,
        "highest": last.astype(COUNTER["highest"]),
        "window": np.full(len(last), EVERY_BIT, dtype=COUNTER["window"]),
        "next": (last + 1).astype(COUNTER["next"]),
        "inside": np.full(len(last), NO_SEQUENCE, dtype=COUNTER["inside"]),
    }
