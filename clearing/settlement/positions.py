"""Who stands where at the end of a window, book by book; books never net against each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from clearing.ledger.accounts import Kind
from clearing.ledger.rules import Phase, Transfer
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
    }
)
_MOVES = frozenset({Phase.SINGLE, Phase.POST})


def party_of(account_code: str, *, keeper: str) -> str:
    """The participant an account counts for."""
    kind, _, owner = account_code.partition(":")
    return owner if Kind(kind) in _OF_A_PARTICIPANT else keeper


def positions(
    transfers: Iterable[Transfer], *, parties: Mapping[str, tuple[str, ...]], keepers: Mapping[str, str]
) -> tuple[Position, ...]:
    """In order of book and participant; a participant without movement stands at nil. Reservations do not count."""
    sums: dict[tuple[str, str], tuple[int, int]] = {
        (book, participant): (0, 0) for participant, books in parties.items() for book in books
    }
    for transfer in transfers:
        if transfer.phase in _MOVES:
            minor, keeper = transfer.amount.minor, keepers[transfer.book]
            for account, debit, credit in ((transfer.debit, minor, 0), (transfer.credit, 0, minor)):
                key = (transfer.book, party_of(account, keeper=keeper))
                debits, credits_ = sums.get(key, (0, 0))
                sums[key] = (debits + debit, credits_ + credit)
    return tuple(Position(book, participant, *sums[book, participant]) for book, participant in sorted(sums))


def add_to_nil(every: Iterable[Position]) -> bool:
    """Whether the positions of each book add up to nothing."""
    nets: dict[str, int] = {}
    for position in every:
        nets[position.book] = nets.get(position.book, 0) + position.net_minor
    return not any(nets.values())
