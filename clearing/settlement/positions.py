"""Who stands where at the end of a window, book by book; books never net against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum, unique

from clearing.ledger.accounts import Kind
from clearing.ledger.rules import Phase, Purpose, Transfer
from clearing.settlement.model import Position

# Kinds whose accounts name a participant. All others (float, value on cards, a fund's pool, and the accounts kept for
# cards and persons) belong to the keeper of the book.
_OF_A_PARTICIPANT = frozenset(
    {
        Kind.AGENT_PREFUNDED,
        Kind.AGENT_WITH_LIMIT,
        Kind.OPERATOR_PAYABLE,
        Kind.SUBSIDY_RECEIVABLE,
        Kind.HOSPITAL_PAYABLE,
        Kind.OTHER_CITY_PAYABLE,
        Kind.UTILITY_PAYABLE,
    }
)
_MONEY = frozenset({Purpose.OPENING, Purpose.PREFUNDING, Purpose.CONTRIBUTION, Purpose.SETTLEMENT})
_PREPAID = frozenset({Kind.AGENT_PREFUNDED})
_MOVES = frozenset({Phase.SINGLE, Phase.POST})


@unique
class Nature(StrEnum):
    """What a transfer does to the position of its two parties."""

    PAID = "paid"  # money went in or out: nothing is left to settle
    PREPAID = "prepaid"  # covered by what was paid in before: nothing is left to settle
    DUE = "due"  # to be settled


def moves(transfer: Transfer) -> bool:
    """A reservation moves nothing."""
    return transfer.phase in _MOVES


def nature_of(transfer: Transfer) -> Nature:
    if transfer.purpose in _MONEY:
        return Nature.PAID
    kinds = {Kind(account.partition(":")[0]) for account in (transfer.debit, transfer.credit)}
    return Nature.PREPAID if kinds & _PREPAID else Nature.DUE


def party_of(account_code: str, *, keeper: str) -> str:
    """The participant an account counts for."""
    kind, _, owner = account_code.partition(":")
    return owner if Kind(kind) in _OF_A_PARTICIPANT else keeper


def positions(
    transfers: Iterable[Transfer],
    *,
    parties: Mapping[str, tuple[str, ...]],
    keepers: Mapping[str, str],
    opening: Mapping[tuple[str, str], int],
) -> tuple[Position, ...]:
    """In order of book and participant; a participant without movement stands as it stood. ``opening``: the balances that
    the window before left."""
    sums = {key: Counter[str]() for key in opening}
    sums |= {(book, participant): Counter() for participant, books in parties.items() for book in books}
    for transfer in filter(moves, transfers):
        keeper = keepers[transfer.book]
        for account, side in ((transfer.debit, -1), (transfer.credit, 1)):
            of_party = sums.setdefault((transfer.book, party_of(account, keeper=keeper)), Counter())
            of_party[_column(nature_of(transfer), side)] += _signed(transfer, side)
    return tuple(
        Position(book, participant, opening.get((book, participant), 0), **sums[book, participant])
        for book, participant in sorted(sums)
    )


def _column(nature: Nature, side: int) -> str:
    if nature is Nature.DUE:
        return "credits_minor" if side > 0 else "debits_minor"
    return f"{nature}_minor"


def _signed(transfer: Transfer, side: int) -> int:
    """What is due is summed by side, everything else with its sign."""
    return transfer.amount.minor if nature_of(transfer) is Nature.DUE else side * transfer.amount.minor


def add_to_nil(every: Iterable[Position]) -> bool:
    """Whether in each book what is to be settled, and the balances, add up to nothing."""
    sums: Counter[tuple[str, str]] = Counter()
    for position in every:
        sums[position.book, "net"] += position.net_minor
        sums[position.book, "closing"] += position.closing_minor
    return not any(sums.values())
