"""What participants did in a window, counted from its transfers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from clearing.ledger.accounts import Kind
from clearing.ledger.rules import Phase, Purpose, Transfer
from clearing.participants.contracts import Basis


@dataclass(frozen=True, slots=True, order=True)
class Activity:
    """``count`` pieces that moved ``amount_minor`` fen."""

    count: int = 0
    amount_minor: int = 0

    def __add__(self, other: Activity) -> Activity:
        return Activity(self.count + other.count, self.amount_minor + other.amount_minor)


Activities: TypeAlias = Mapping[tuple[str, Basis], Activity]
"""By participant and basis."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """``credit``: what the account's owner does is credited to it, and a debit takes it back. ``pieces``: one each."""

    basis: Basis
    credit: bool
    pieces: bool


_FARES = _Counted(Basis.FARES, credit=True, pieces=False)
_COUNTED: Mapping[tuple[Purpose, Kind], _Counted] = {
    (Purpose.FARE, Kind.OPERATOR_PAYABLE): _Counted(Basis.FARES, credit=True, pieces=True),
    (Purpose.RELEASE, Kind.OPERATOR_PAYABLE): _Counted(Basis.FARES, credit=True, pieces=True),
    (Purpose.FOREIGN_FARE, Kind.OPERATOR_PAYABLE): _Counted(Basis.FARES, credit=True, pieces=True),
    (Purpose.FARE_ELSEWHERE, Kind.OTHER_CITY_PAYABLE): _Counted(Basis.FARES, credit=True, pieces=True),
    (Purpose.SUBSIDY, Kind.OPERATOR_PAYABLE): _FARES,  # of taps that are counted by what their cards paid
    (Purpose.APPORTIONMENT, Kind.OPERATOR_PAYABLE): _FARES,  # counted by whose gate it was
    (Purpose.REFUND, Kind.OPERATOR_PAYABLE): _FARES,
    (Purpose.LOAD, Kind.AGENT_PREFUNDED): _Counted(Basis.LOADS, credit=False, pieces=True),
    (Purpose.LOAD, Kind.AGENT_WITH_LIMIT): _Counted(Basis.LOADS, credit=False, pieces=True),
    (Purpose.REFUND, Kind.AGENT_PREFUNDED): _Counted(Basis.REFUNDS, credit=True, pieces=True),
    (Purpose.REFUND, Kind.AGENT_WITH_LIMIT): _Counted(Basis.REFUNDS, credit=True, pieces=True),
    (Purpose.BILL, Kind.UTILITY_PAYABLE): _Counted(Basis.BILLS, credit=True, pieces=True),
    (Purpose.BILL, Kind.AGENT_WITH_LIMIT): _Counted(Basis.BILLS, credit=False, pieces=True),
}
_MOVES = frozenset({Phase.SINGLE, Phase.POST})


def activities_of(transfers: Iterable[Transfer], pieces: Mapping[str, int]) -> dict[tuple[str, Basis], Activity]:
    """``pieces``: of how many a transfer that was posted for a set is, by its id; any other is one."""
    found: dict[tuple[str, Basis], Activity] = {}
    for transfer in transfers:
        if transfer.phase not in _MOVES:
            continue
        for account, credit in ((transfer.debit, False), (transfer.credit, True)):
            kind, _, owner = account.partition(":")
            counted = _COUNTED.get((transfer.purpose, Kind(kind)))
            if counted is not None:
                sign = 1 if counted.credit is credit else -1
                count = pieces.get(transfer.id, 1) if counted.pieces else 0
                key = (owner, counted.basis)
                found[key] = found.get(key, Activity()) + Activity(sign * count, sign * transfer.amount.minor)
    return dict(sorted(found.items()))
