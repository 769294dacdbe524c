"""Prepaid money day by day: what is held for others, whether the float covers it, what was refunded and what came back. Pure.

FLOAT-2: the float is unused prepaid value and money on its way. So it has to cover what holders own, what agents paid in
before, and what was taken off cards and is not paid to operators yet, less what funds bear of that and have not paid in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum, unique

from clearing.ledger.accounts import Kind, Side
from clearing.reports.requirements import FLOAT_COVER, REPORT_DAY

_ONE_DAY = timedelta(days=1)


@unique
class Part(StrEnum):
    """What a figure is to the float."""

    COVER = "cover"  # the float itself
    HOLDERS = "holders"  # card holders own it
    IN_TRANSIT = "in-transit"  # on its way to or from participants
    LENT = "lent"  # value sold that the agent has not paid for
    OWN = "own"  # the company's


@unique
class Figure(StrEnum):
    FLOAT = "float"
    VALUE = "value-on-cards"
    DEPOSITS = "deposits"
    OPEN_TAPS = "open-taps"
    REFUNDS = "refunds-owed"
    AGENTS = "agents-prepaid"
    PARTICIPANTS = "participants"
    CREDIT = "agents-credit"
    OWN = "own"


@dataclass(frozen=True, slots=True)
class FigureRule:
    """``kinds``: whose accounts it sums. Positive on ``side``."""

    zh: str
    en: str
    part: Part
    side: Side
    kinds: tuple[Kind, ...]


FIGURES: Mapping[Figure, FigureRule] = {
    Figure.FLOAT: FigureRule("备付金存款", "float at bank", Part.COVER, Side.DEBIT, (Kind.FLOAT_AT_BANK,)),
    Figure.VALUE: FigureRule("卡内余额", "value on cards", Part.HOLDERS, Side.CREDIT, (Kind.VALUE_ON_CARDS,)),
    Figure.DEPOSITS: FigureRule("押金", "deposits held", Part.HOLDERS, Side.CREDIT, (Kind.DEPOSITS_ON_CARDS,)),
    Figure.OPEN_TAPS: FigureRule("挂账交易", "open taps", Part.HOLDERS, Side.CREDIT, (Kind.OPEN_TAPS,)),
    Figure.REFUNDS: FigureRule("应退持卡人", "refunds owed", Part.HOLDERS, Side.CREDIT, (Kind.REFUNDS_OWED,)),
    Figure.AGENTS: FigureRule("代理预付款", "prepaid by agents", Part.IN_TRANSIT, Side.CREDIT, (Kind.AGENT_PREFUNDED,)),
    Figure.PARTICIPANTS: FigureRule(
        "在途资金",
        "in transit to participants",
        Part.IN_TRANSIT,
        Side.CREDIT,
        (Kind.OPERATOR_PAYABLE, Kind.SUBSIDY_RECEIVABLE, Kind.OTHER_CITY_PAYABLE, Kind.RETENTION),
    ),
    Figure.CREDIT: FigureRule("代理赊销", "sold by agents on credit", Part.LENT, Side.DEBIT, (Kind.AGENT_WITH_LIMIT,)),
    Figure.OWN: FigureRule("公司自有", "the company's own", Part.OWN, Side.CREDIT, (Kind.FEES,)),
}
FIGURE_OF: Mapping[Kind, Figure] = {kind: figure for figure, rule in FIGURES.items() for kind in rule.kinds}


@unique
class Flow(StrEnum):
    """What moved on a day."""

    REFUNDS_ARISEN = "refunds-arisen"
    REFUNDS_MADE = "refunds-made"
    DEPOSITS_TAKEN = "deposits-taken"
    DEPOSITS_RETURNED = "deposits-returned"


@dataclass(frozen=True, slots=True)
class FlowRule:
    zh: str
    en: str
    kind: Kind
    side: Side


FLOWS: Mapping[Flow, FlowRule] = {
    Flow.REFUNDS_ARISEN: FlowRule("新增应退", "refunds arisen", Kind.REFUNDS_OWED, Side.CREDIT),
    Flow.REFUNDS_MADE: FlowRule("已退款", "refunds made", Kind.REFUNDS_OWED, Side.DEBIT),
    Flow.DEPOSITS_TAKEN: FlowRule("收取押金", "deposits taken", Kind.DEPOSITS_ON_CARDS, Side.CREDIT),
    Flow.DEPOSITS_RETURNED: FlowRule("退还押金", "deposits returned", Kind.DEPOSITS_ON_CARDS, Side.DEBIT),
}


@dataclass(frozen=True, slots=True)
class Movement:
    """Fen that a business day's entries debited and credited to all accounts of one kind."""

    business_day: date
    kind: Kind
    debits: int
    credits: int

    def on(self, side: Side) -> int:
        """Net, positive on ``side``."""
        return self.credits - self.debits if side is Side.CREDIT else self.debits - self.credits


@dataclass(frozen=True, slots=True)
class DayReport:
    """Balances at the end of a business day and what moved on it, fen."""

    business_day: date
    balances: Mapping[Figure, int]
    flows: Mapping[Flow, int]

    @property
    def float_minor(self) -> int:
        return self.balances[Figure.FLOAT]

    @property
    def required_minor(self) -> int:
        """What the float has to cover."""
        return self._sum(Part.HOLDERS) + self._sum(Part.IN_TRANSIT)

    @property
    def surplus_minor(self) -> int:
        """Below zero: not covered. In balanced books it is the company's own less what agents owe."""
        return self.float_minor - self.required_minor

    @property
    def cover(self) -> int | None:
        """Parts of ten thousand, rounded down; None where there is nothing to cover."""
        return self.float_minor * 10_000 // self.required_minor if self.required_minor > 0 else None

    @property
    def covered(self) -> bool:
        return self.cover is None or self.cover >= FLOAT_COVER.value

    def _sum(self, part: Part) -> int:
        return sum(minor for figure, minor in self.balances.items() if FIGURES[figure].part is part)


def daily(movements: Iterable[Movement], first: date, last: date) -> tuple[DayReport, ...]:
    """One for every day from ``first`` to ``last``. ``movements``: of all time up to ``last``; later ones are left out."""
    balances: Counter[Figure] = Counter()
    of_day: dict[date, list[Movement]] = {}
    for movement in movements:
        if movement.kind in FIGURE_OF and movement.business_day < first:
            _move(balances, movement)
        elif movement.kind in FIGURE_OF:
            of_day.setdefault(movement.business_day, []).append(movement)
    reports = []
    for day in days(first, last):
        for movement in of_day.get(day, ()):
            _move(balances, movement)
        reports.append(DayReport(day, {figure: balances[figure] for figure in Figure}, _flows(of_day.get(day, ()))))
    return tuple(reports)


def days(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def _move(balances: Counter[Figure], movement: Movement) -> None:
    figure = FIGURE_OF[movement.kind]
    balances[figure] += movement.on(FIGURES[figure].side)


def _flows(movements: Iterable[Movement]) -> dict[Flow, int]:
    every = list(movements)
    return {
        flow: sum(m.credits if rule.side is Side.CREDIT else m.debits for m in every if m.kind is rule.kind)
        for flow, rule in FLOWS.items()
    }


@dataclass(frozen=True, slots=True, order=True)
class Quarter:
    """``str`` is ``2026Q3``."""

    year: int
    number: int

    @classmethod
    def of(cls, day: date) -> Quarter:
        return cls(day.year, (day.month + 2) // 3)

    @classmethod
    def parse(cls, text: str) -> Quarter:
        """Raises ``ValueError``."""
        year, q, number = text.partition("Q")
        if not (q and year.isascii() and year.isdigit() and len(year) == 4 and number in ("1", "2", "3", "4")):
            raise ValueError(f"quarter is {text!r}; write it like 2026Q3")
        return cls(int(year), int(number))

    def __str__(self) -> str:
        return f"{self.year}Q{self.number}"

    @property
    def first(self) -> date:
        return date(self.year, 3 * self.number - 2, 1)

    @property
    def last(self) -> date:
        return self.next.first - _ONE_DAY

    @property
    def next(self) -> Quarter:
        return Quarter(self.year + 1, 1) if self.number == 4 else Quarter(self.year, self.number + 1)

    @property
    def due(self) -> date:
        """By when it is to be reported."""
        return self.next.first.replace(day=REPORT_DAY.value)


@dataclass(frozen=True, slots=True)
class QuarterReport:
    """``days``: those of the quarter that have begun, from the first one on which anything is in the books. Averages are
    rounded down to the fen."""

    quarter: Quarter
    days: tuple[DayReport, ...]

    @classmethod
    def of(cls, quarter: Quarter, movements: Iterable[Movement], *, today: date) -> QuarterReport:
        """``movements``: of all time up to the quarter's end or ``today``."""
        every, last = list(movements), min(quarter.last, today)
        begun = min((movement.business_day for movement in every), default=last + _ONE_DAY)
        return cls(quarter, daily(every, max(quarter.first, begun), last))

    @property
    def average_float_minor(self) -> int:
        return _average([day.float_minor for day in self.days])

    @property
    def average_value_minor(self) -> int:
        return _average([day.balances[Figure.VALUE] for day in self.days])

    @property
    def uncovered(self) -> tuple[date, ...]:
        return tuple(day.business_day for day in self.days if not day.covered)

    @property
    def flows(self) -> Mapping[Flow, int]:
        return {flow: sum(day.flows[flow] for day in self.days) for flow in Flow}


def _average(values: Sequence[int]) -> int:
    return sum(values) // len(values) if values else 0
