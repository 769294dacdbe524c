"""Statements of a window: pure rendering, the same bytes for the same result."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from clearing.ledger.rules import Purpose
from clearing.participants.rules import Participant
from clearing.settlement.model import NumberedTransfer, Position, WindowResult
from clearing.settlement.positions import Nature, moves, nature_of, party_of
from rulebook.money import Amount

PURPOSES: dict[Purpose, tuple[str, str]] = {
    Purpose.OPENING: ("期初余额", "opening balance"),
    Purpose.PREFUNDING: ("预付款", "prefunding"),
    Purpose.LOAD: ("充值", "load"),
    Purpose.FARE: ("车费", "fare"),
    Purpose.FOREIGN_FARE: ("异地卡车费", "fare of another city's card"),
    Purpose.FARE_ELSEWHERE: ("本地卡异地车费", "our card's fare in another city"),
    Purpose.SUBSIDY: ("优惠补贴", "concession"),
    Purpose.HELD: ("挂账交易", "held on open taps"),
    Purpose.RELEASE: ("挂账释放", "released from open taps"),
    Purpose.REFUND: ("应退持卡人", "refund owed"),
    Purpose.DEPOSIT: ("押金", "deposit"),
    Purpose.FEE: ("手续费", "fee"),
    Purpose.CONTRIBUTION: ("基金收入", "contribution"),
    Purpose.BENEFIT: ("统筹支付", "benefit from the pool"),
    Purpose.PERSONAL: ("个人账户支付", "paid from personal account"),
    Purpose.BILL: ("代收账单", "bill collected"),
    Purpose.REVERSAL: ("冲正", "reversal"),
    Purpose.APPORTIONMENT: ("共线票款分摊", "part of shared rides"),
    Purpose.RETENTION: ("质量保证金", "retention"),
    Purpose.SETTLEMENT: ("清算支付", "settlement payment"),
    Purpose.ADJUSTMENT: ("调账", "adjustment"),
}
NATURES: dict[Nature, tuple[str, str]] = {
    Nature.PAID: ("资金收付", "paid in or out"),
    Nature.PREPAID: ("预付款内", "from prepaid money"),
    Nature.DUE: ("待清算", "to settle"),
}
_RANK = {nature: rank for rank, nature in enumerate(Nature)}


@dataclass(frozen=True, slots=True)
class Line:
    """One transfer as one participant sees it; both sides are filled when both accounts are its own."""

    number: int
    business_day: str
    id: str
    purpose: Purpose
    nature: Nature
    counterparty: str
    debit_minor: int
    credit_minor: int


@dataclass(frozen=True, slots=True)
class Total:
    nature: Nature
    purpose: Purpose
    count: int
    debit_minor: int
    credit_minor: int


@dataclass(frozen=True, slots=True)
class Statement:
    """A participant's window in one book: opening balance, every movement by nature and number, closing balance; and how
    much of that is to be settled. Balances above zero are owed to the participant."""

    window: int
    book: str
    participant: str
    opening_minor: int
    lines: tuple[Line, ...]

    @property
    def debit_minor(self) -> int:
        return sum(line.debit_minor for line in self.lines)

    @property
    def credit_minor(self) -> int:
        return sum(line.credit_minor for line in self.lines)

    @property
    def closing_minor(self) -> int:
        return self.opening_minor + self.credit_minor - self.debit_minor

    @property
    def net_minor(self) -> int:
        """What is to be settled of this window."""
        return sum(line.credit_minor - line.debit_minor for line in self.lines if line.nature is Nature.DUE)

    @property
    def totals(self) -> tuple[Total, ...]:
        """By nature and purpose, in the order of their enums."""
        return tuple(
            Total(nature, purpose, len(lines), sum(x.debit_minor for x in lines), sum(x.credit_minor for x in lines))
            for nature in Nature
            for purpose in Purpose
            if (lines := [line for line in self.lines if (line.nature, line.purpose) == (nature, purpose)])
        )


def statement(result: WindowResult, *, participant: str, book: str, keeper: str) -> Statement:
    """``keeper`` of the book: whose the accounts are that name no participant."""
    every = (_line(numbered, participant, keeper) for numbered in result.transfers if numbered.transfer.book == book)
    # What was paid in comes first: numbers follow ids, and a load's would stand before the money it was paid from.
    lines = sorted((line for line in every if line is not None), key=lambda line: (_RANK[line.nature], line.number))
    opening = sum(p.opening_minor for p in result.positions if (p.book, p.participant) == (book, participant))
    return Statement(result.number, book, participant, opening, tuple(lines))


def _line(numbered: NumberedTransfer, participant: str, keeper: str) -> Line | None:
    transfer = numbered.transfer
    debited, credited = (party_of(code, keeper=keeper) for code in (transfer.debit, transfer.credit))
    if not moves(transfer) or participant not in (debited, credited):
        return None
    minor = transfer.amount.minor
    return Line(
        number=numbered.link.number,
        business_day=transfer.business_day.isoformat(),
        id=transfer.id,
        purpose=transfer.purpose,
        nature=nature_of(transfer),
        counterparty=credited if debited == participant else debited,
        debit_minor=minor if debited == participant else 0,
        credit_minor=minor if credited == participant else 0,
    )


STATEMENT_HEADER = (
    *("序号 number", "日期 day", "交易号 id", "用途 purpose", "对方 counterparty", "性质 nature"),
    *("借 debit", "贷 credit", "余额 balance"),
)


def statement_csv(of: Statement) -> bytes:
    """UTF-8 with CRLF (RFC 4180); amounts in yuan. The opening balance, every line with the balance after it, the sums,
    the closing balance, and last what is to be settled."""
    blank = ("",) * 5
    rows: list[Sequence[object]] = [STATEMENT_HEADER]
    rows.append(("期初 opening", *blank, "", "", _yuan(of.opening_minor)))
    balance = of.opening_minor
    for x in of.lines:
        balance += x.credit_minor - x.debit_minor
        words = (x.number, x.business_day, x.id, x.purpose, x.counterparty, x.nature)
        rows.append((*words, _yuan(x.debit_minor), _yuan(x.credit_minor), _yuan(balance)))
    rows.append(("合计 total", *blank, _yuan(of.debit_minor), _yuan(of.credit_minor), ""))
    rows.append(("期末 closing", *blank, "", "", _yuan(of.closing_minor)))
    rows.append(("净额 net to settle", *blank, "", "", _yuan(of.net_minor)))
    return _csv(rows)


DAY_HEADER = (
    *("账簿 book", "参与方 participant", "名称 name"),
    *("期初 opening", "收付 paid", "预付 prepaid", "借 debit", "贷 credit", "净额 net", "期末 closing"),
)


def day_rows(result: WindowResult, participants: Mapping[str, Participant]) -> list[tuple[str, ...]]:
    """The whole window, one row for each participant of each book, each book ended by its sum. In every row opening + paid
    + prepaid + credit - debit = closing, and net = credit - debit is what is to be settled."""
    rows: list[tuple[str, ...]] = []
    for book in sorted({position.book for position in result.positions}):
        columns = [(p, _columns(p)) for p in result.positions if p.book == book]
        rows += [
            (book, p.participant, _name(p.participant, participants), *map(_yuan, minors)) for p, minors in columns
        ]
        sums = [sum(column) for column in zip(*(minors for _, minors in columns), strict=True)]
        rows.append((book, "", "合计 total", *map(_yuan, sums)))
    return rows


def day_csv(result: WindowResult, participants: Mapping[str, Participant]) -> bytes:
    return _csv([DAY_HEADER, *day_rows(result, participants)])


def _columns(p: Position) -> tuple[int, ...]:
    moved = (p.opening_minor, p.paid_minor, p.prepaid_minor, p.debits_minor, p.credits_minor)
    return (*moved, p.net_minor, p.closing_minor)


def _name(id_: str, participants: Mapping[str, Participant]) -> str:
    participant = participants.get(id_)
    return f"{participant.zh} {participant.en}" if participant else id_


def _yuan(minor: int) -> str:
    return str(Amount(minor))


def _csv(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8")
