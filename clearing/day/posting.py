"""What an engine's sums and single claims become: transfers of the ledger and remarks of the window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeAlias
from urllib.parse import quote

import pyarrow as pa

from clearing.day.booking import SET
from clearing.day.model import Day
from clearing.day.schema import NOT_PRICEABLE, PRICED
from clearing.fare_checks.rules import NotPriceable, reprice
from clearing.ledger.accounts import TRANSIT, Kind, code
from clearing.ledger.rules import Purpose, Transfer
from clearing.settlement.model import Remark
from clearing.verification.context import KnownCard, TransactionId
from clearing.verification.reasons import RemarkKind
from rulebook.money import Amount
from rulebook.record import Record
from rulebook.tariff import RiderClass

Row: TypeAlias = dict[str, Any]
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, order=True)
class FareSet:
    """Fares that make one transfer. ``bearer``: of a concession; empty for what the cards paid."""

    business_day: date
    operator: str
    line: str
    bearer: str = ""

    @classmethod
    def of(cls, day: Day, numbers: Sequence[int], bearer: str = "") -> FareSet:
        """``numbers`` are those of ``booking.SET``."""
        business_day, operated_by, line = numbers
        name = line.to_bytes(8).rstrip(b"\x00").decode("ascii")
        return cls(_EPOCH + timedelta(days=business_day), day.operators[operated_by], name, bearer)

    def id(self, window: int, purpose: Purpose) -> str:
        parts = (
            "set",
            f"{window:06}",
            f"{self.business_day:%F}",
            self.operator,
            _named(self.line),
            purpose,
            self.bearer,
        )
        return ":".join(filter(None, parts))

    def transfer(self, window: int, minor: int, count: int) -> Transfer:
        """Fares come off the cards, concessions from who bears them."""
        purpose = Purpose.SUBSIDY if self.bearer else Purpose.FARE
        debit = code(Kind.SUBSIDY_RECEIVABLE, self.bearer) if self.bearer else code(Kind.VALUE_ON_CARDS)
        return Transfer(
            id=self.id(window, purpose),
            book=TRANSIT,
            debit=debit,
            credit=code(Kind.OPERATOR_PAYABLE, self.operator),
            amount=Amount(minor),
            purpose=purpose,
            business_day=self.business_day,
            reference=f"{count} records",
        )


def _named(line: str) -> str:
    """No two lines have one name in ids, whatever terminals call them."""
    return {"": "-", "-": "%2D"}.get(line) or quote(line, safe="")


def sets_of(fares: pa.Table, subsidies: pa.Table, day: Day) -> dict[FareSet, tuple[int, int]]:
    """Fen and count of each set."""
    return {
        FareSet.of(day, [row[name] for name in SET], row.get("bearer", "")): (row["minor"], row["count"])
        for table in (fares, subsidies)
        for row in table.to_pylist()
    }


def added(every: Iterable[Mapping[FareSet, tuple[int, int]]]) -> dict[FareSet, tuple[int, int]]:
    minor, count = Counter[FareSet](), Counter[FareSet]()
    for sets in every:
        for key, (fen, records) in sets.items():
            minor[key] += fen
            count[key] += records
    return {key: (minor[key], count[key]) for key in sorted(minor)}


def transaction_of(row: Row) -> TransactionId:
    card: bytes = row["card"]
    return TransactionId(card[:8], card[8:], row["purse"], row["load"], row["card_sequence"])


@dataclass(frozen=True, slots=True)
class Single:
    """A claim with a transfer or remark of its own. ``card`` is the card register's, ``record`` what the TAC covers."""

    row: Row
    card: KnownCard | None
    record: Record
    day: Day

    @property
    def id(self) -> TransactionId:
        return transaction_of(self.row)

    @property
    def operator(self) -> str:
        return self.day.operator_of(self.row["device"])

    def entries(self) -> Iterator[Transfer | Remark]:
        """As ``settlement.transfers.booked`` says of one, without what goes into sets."""
        row = self.row
        value, open_, payable = code(Kind.VALUE_ON_CARDS), code(Kind.OPEN_TAPS), Kind.OPERATOR_PAYABLE
        if row["held"] and row["held_before"] < 0:
            yield from self._moved(Purpose.HELD, value, open_, row["amount"])
        if row["settled"] and row["held_before"] >= 0:
            yield from self._moved(Purpose.RELEASE, open_, value, row["held_before"])
        if not row["settled"]:
            return
        more = row["amount"] - row["expected"]
        if row["pricing"] == PRICED and more > 0:
            owed = code(Kind.REFUNDS_OWED, row["card"][8:].hex().upper())
            yield from self._moved(Purpose.REFUND, code(payable, self.operator), owed, more)
        yield from self._remarks()

    def _remarks(self) -> Iterator[Remark]:
        row, subject = self.row, str(self.id)
        more = row["amount"] - row["expected"]
        if row["load"] and not row["load_posted"]:
            yield Remark(RemarkKind.LOAD_NOT_POSTED, subject, amount_minor=row["amount"])
        if row["pricing"] == NOT_PRICEABLE:
            yield Remark(RemarkKind.NOT_PRICEABLE, subject, self.operator, row["amount"], self._why_not_priceable())
        if row["pricing"] != PRICED:
            return
        if row["concession"] and row["registered"] != row["rider"]:
            detail = f"{tuple(RiderClass)[row['rider']]} / {self.card.rider_class if self.card else ''}"
            yield Remark(RemarkKind.CLASS_DIFFERS, subject, self.operator, row["concession"], detail)
        if more:
            kind = RemarkKind.CHARGED_MORE if more > 0 else RemarkKind.CHARGED_LESS
            yield Remark(kind, subject, self.operator, abs(more), f"{row['amount']} / {row['expected']}")

    def _why_not_priceable(self) -> str:
        try:
            reprice(self.record, self.day.inputs.tariffs)
        except NotPriceable as why:
            return str(why)
        raise AssertionError(f"{self.id} has a fare after all")

    def _moved(self, purpose: Purpose, debit: str, credit: str, minor: int) -> Iterator[Transfer]:
        """Nothing for nothing: a metro entry moves no money."""
        if minor:
            yield Transfer(
                id=f"{self.id}:{purpose}",
                book=TRANSIT,
                debit=debit,
                credit=credit,
                amount=Amount(minor),
                purpose=purpose,
                business_day=_EPOCH + timedelta(days=self.row["business_day"]),
                reference=f"{self.record.device}/{self.record.journal_sequence}",
            )
