"""What differences put into the ledger: new entries that name the original transfer, rows of a file until they are posted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clearing.day.posting import FareSet
from clearing.day.schema import CARD_LENGTH, columns_of_table
from clearing.ledger.accounts import TRANSIT, code
from clearing.ledger.accounts import Kind as AccountKind
from clearing.ledger.rules import Purpose, Transfer
from clearing.restatement.differences import REFUND, Differences
from clearing.restatement.rides import WindowFacts
from clearing.restatement.rules import OPERATOR, Kind
from clearing.restatement.sharing import changes_between_operators, row_of
from rulebook.money import Amount

ENTRY = pa.schema(
    [
        ("id", pa.string()),
        ("business_day", pa.date32()),  # of the rides
        ("operator", pa.string()),
        ("line", pa.string()),
        ("kind", pa.string()),
        ("whom", pa.string()),  # a card's serial, a fund, or who bears the loss
        ("minor", pa.int64()),  # above zero: as ``kind`` says; below: taken back
        ("rides", pa.int64()),
        ("debit", pa.string()),  # empty: reported, nothing moves (a loss the operator bears)
        ("credit", pa.string()),
        ("reference", pa.string()),  # the id of the original transfer
    ]
)

PURPOSES: Mapping[Kind, Purpose] = {
    Kind.REFUND: Purpose.REFUND,
    Kind.SUBSIDY: Purpose.SUBSIDY,
    Kind.LOSS: Purpose.ADJUSTMENT,
    Kind.SHARE: Purpose.APPORTIONMENT,
}


@dataclass(frozen=True, slots=True)
class Bookkeeping:
    """``number``: the restatement's. ``accounts``: the code of the account by which each who may bear a loss settles."""

    number: str
    accounts: Mapping[str, str]

    def table(
        self, found: Differences, sets: Sequence[tuple[int, FareSet]], facts: Mapping[int, WindowFacts]
    ) -> pa.Table:
        """``ENTRY``, in order of id."""
        sums = [
            self._row(sets[key[0]], key[1], key[2], minor, found.rides[key])
            for key, minor in found.minor.items()
            if minor
        ]
        sums += [row_of(change, self.number) for change in changes_between_operators(found.alike, sets, facts)]
        table = pa.concat_tables([pa.Table.from_pylist(sums, schema=ENTRY), self._refunds(found.refunds, sets)])
        return table.sort_by("id").combine_chunks()

    def _row(self, of: tuple[int, FareSet], kind: Kind, whom: str, minor: int, rides: int) -> dict[str, Any]:
        window, fares = of
        gives, gets = self._gives(kind, whom), code(AccountKind.OPERATOR_PAYABLE, fares.operator)
        debit, credit = (gives, gets) if minor > 0 else (gets, gives)
        return _of_set(fares, window) | {
            "id": f"{_id(self.number, fares, window, kind)}:{whom}",
            "kind": str(kind),
            "whom": whom,
            "minor": minor,
            "rides": rides,
            "debit": debit if gives else "",
            "credit": credit if gives else "",
        }

    def _gives(self, kind: Kind, whom: str) -> str:
        if kind is Kind.SUBSIDY:
            return code(AccountKind.SUBSIDY_RECEIVABLE, whom)
        return "" if whom == OPERATOR else self.accounts[whom]

    def _refunds(self, refunds: Sequence[pa.Table], sets: Sequence[tuple[int, FareSet]]) -> pa.Table:
        """One for each card and set."""
        if not refunds:
            return ENTRY.empty_table()
        every = pa.concat_tables(refunds).cast(REFUND)
        summed = every.group_by(["set", "card"]).aggregate([("minor", "sum"), ("minor", "count")])
        columns = columns_of_table(summed.cast(_SUMMED))
        serials = _hexadecimal(columns["card"])
        of_set = columns["set"]
        told = [_of_set(fares, window) for window, fares in sets]
        ids = [f"{_id(self.number, fares, window, Kind.REFUND)}:" for window, fares in sets]
        payable = [code(AccountKind.OPERATOR_PAYABLE, fares.operator) for _, fares in sets]
        by_set = (
            {name: _taken([row[name] for row in told], of_set, ENTRY.field(name).type) for name in told[0]}
            if told
            else {}
        )
        rows: dict[str, Any] = by_set | {
            "id": _joined(_taken(ids, of_set, pa.string()), serials),
            "kind": pa.array([str(Kind.REFUND)] * len(of_set), pa.string()),
            "whom": serials,
            "minor": pa.array(columns["minor_sum"]),
            "rides": pa.array(columns["minor_count"]),
            "debit": _taken(payable, of_set, pa.string()),
            "credit": _joined(pa.array([code(AccountKind.REFUNDS_OWED, "?")[:-1]] * len(of_set), pa.string()), serials),
        }
        return pa.table([rows[name] for name in ENTRY.names], schema=ENTRY)


_SUMMED = pa.schema([*REFUND.remove(2), pa.field("minor_sum", pa.int64()), pa.field("minor_count", pa.int64())])


def transfers(entries: pa.Table, business_day: date) -> Iterator[Transfer]:
    """Those of ``entries`` that move something, on the day on which they are posted."""
    for row in entries.select(["id", "kind", "minor", "debit", "credit", "reference"]).to_pylist():
        if row["debit"]:
            yield Transfer(
                id=row["id"],
                book=TRANSIT,
                debit=row["debit"],
                credit=row["credit"],
                amount=Amount(abs(row["minor"])),
                purpose=PURPOSES[Kind(row["kind"])],
                business_day=business_day,
                reference=row["reference"],
            )


def _id(number: str, fares: FareSet, window: int, kind: Kind) -> str:
    return f"restatement:{number}:{fares.id(window, Purpose.FARE)}:{kind}"


def _of_set(fares: FareSet, window: int) -> dict[str, Any]:
    """What a set's entries share. The original transfer is the one that paid the fares of the set."""
    return {
        "business_day": fares.business_day,
        "operator": fares.operator,
        "line": fares.line,
        "reference": fares.id(window, Purpose.FARE),
    }


def _taken(values: Sequence[Any], which: NDArray[np.int64], kind: pa.DataType) -> pa.Array:
    return pa.array(values, kind).take(pa.array(which))


def _joined(left: pa.Array, right: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(left, right, "")


ISSUER_LENGTH = 8
_DIGITS = np.frombuffer(b"0123456789ABCDEF", dtype=np.uint8)


def _hexadecimal(cards: NDArray[np.void]) -> pa.Array:
    """The serials, as ``refunds-owed`` accounts name them."""
    octets = np.ascontiguousarray(cards).view(np.uint8).reshape(len(cards), CARD_LENGTH)[:, ISSUER_LENGTH:]
    digits = np.ascontiguousarray(_DIGITS[np.stack([octets >> 4, octets & 15], axis=-1)])
    width = 2 * (CARD_LENGTH - ISSUER_LENGTH)
    return pa.array(digits.reshape(-1).view(f"S{width}").astype(str).tolist(), pa.string())
