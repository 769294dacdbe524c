"""What endpoints and pages show of the exchange."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pydantic import BaseModel

from clearing.exchange.messages import MessageKind
from clearing.exchange.queries import Direction
from clearing.exchange.rules import AWAITED, ItemState, PackageState
from clearing.exchange.tables import PackageRow

STATES: Mapping[PackageState, tuple[str, str]] = {
    PackageState.MADE: ("待取走", "made"),
    PackageState.SENT: ("已发送", "sent"),
    PackageState.DISPUTED: ("部分争议", "part disputed"),
    PackageState.SETTLED: ("已了结", "settled"),
}
ITEMS: Mapping[ItemState, tuple[str, str]] = {
    ItemState.CLAIMED: ("待答复", "claimed"),
    ItemState.CONFIRMED: ("已确认", "confirmed"),
    ItemState.DISPUTED: ("争议中", "disputed"),
    ItemState.REFUSED: ("拒付", "refused"),
    ItemState.PAID: ("裁定支付", "paid after dispute"),
}
KINDS: Mapping[MessageKind, tuple[str, str]] = {
    MessageKind.PACKAGE: ("原始交易包", "package"),
    MessageKind.ACCOUNTING: ("记账结果", "accounting result"),
    MessageKind.DISPUTE: ("争议结果", "dispute result"),
}
DIRECTIONS: Mapping[Direction, tuple[str, str]] = {
    Direction.OUT: ("外地卡在本地", "their cards here: what we claim"),
    Direction.IN: ("本地卡在外地", "our cards there: what they claim"),
}


class MessageReceipt(BaseModel):
    """``result``: the published code, 1 received, 5 repeated."""

    kind: MessageKind
    number: int
    result: int


class MessageName(BaseModel):
    kind: MessageKind
    number: int


class PackageView(BaseModel):
    """Fen; ``due`` is the day by which the answer is to come."""

    direction: Direction
    partner: str
    number: int
    window: int | None
    cleared_on: date
    count: int
    amount_minor: int
    confirmed_minor: int | None
    disputed: int | None
    state: PackageState
    due: date | None
    overdue: bool
    reminders: int


def package_view(row: PackageRow, *, today: date) -> PackageView:
    waits = row.direction == Direction.OUT and row.state in AWAITED
    return PackageView(
        direction=Direction(row.direction),
        partner=row.partner,
        number=row.number,
        window=row.window,
        cleared_on=row.cleared_on,
        count=row.count,
        amount_minor=row.amount_minor,
        confirmed_minor=row.confirmed_minor,
        disputed=row.disputed,
        state=PackageState(row.state),
        due=row.due,
        overdue=waits and row.due is not None and today > row.due,
        reminders=row.reminders,
    )
