"""What agreements between participants add to a window at its close: parts of shared rides, then charges and holds. Pure.

Charges are counted on fares as they are after sharing, and a hold is of what is left to be paid out after both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from clearing.apportionment.agreement import Agreements
from clearing.apportionment.sharing import Rides, Unshared, shared
from clearing.ledger.rules import Transfer
from clearing.participants.activities import activities_of
from clearing.participants.charging import NOTHING_RUNNING, Running, charged
from clearing.participants.contracts import Contracts, Party
from clearing.participants.documents import DocumentKind
from clearing.participants.rules import City
from clearing.settlement.positions import Nature, moves, nature_of
from rulebook.tariff import Tariff


@dataclass(frozen=True, slots=True)
class Agreed:
    """In force when the window was frozen. ``accounts``: by which account each participant gives and gets in a book."""

    contracts: Contracts
    agreements: Agreements
    accounts: Mapping[Party, str]

    @classmethod
    def of(cls, documents: Mapping[DocumentKind, Mapping[str, Any]], city: City) -> Agreed:
        """Of published documents; a kind that is not there was never published."""
        none = {"version": 1}
        return cls(
            Contracts.model_validate(documents.get(DocumentKind.CONTRACTS, none)),
            Agreements.model_validate(documents.get(DocumentKind.APPORTIONMENT, none)),
            city.settlement_accounts(),
        )


@dataclass(frozen=True, slots=True)
class ByAgreement:
    """``transfers`` to post besides those that were given, in order of their ids. ``running`` is what the next window begins
    with. ``unshared``: rides that no line explains; their money stays with whose gate charged it."""

    transfers: tuple[Transfer, ...]
    running: Running
    unshared: tuple[Unshared, ...]


def by_agreement(
    window: int,
    business_day: date,
    agreed: Agreed,
    *,
    transfers: Iterable[Transfer],
    pieces: Mapping[str, int],
    rides: Iterable[Rides],
    tariffs: Mapping[int, Tariff],
    running: Running = NOTHING_RUNNING,
) -> ByAgreement:
    """``transfers``: all else that the window has, once each. ``pieces``: of how many a transfer for a set is, by its id.
    ``rides``: those between two stations of operators that are in an agreement (others change nothing)."""
    given = tuple(transfers)
    sharing = shared(window, rides, agreements=agreed.agreements, tariffs=tariffs)
    so_far = (*given, *sharing.transfers)
    charges = charged(
        window,
        business_day,
        contracts=agreed.contracts,
        activities=activities_of(so_far, pieces),
        nets=nets(so_far, agreed.accounts),
        accounts=agreed.accounts,
        running=running,
    )
    made = sorted((*sharing.transfers, *charges.transfers), key=lambda transfer: transfer.id)
    return ByAgreement(tuple(made), charges.running, sharing.unshared)


def nets(transfers: Iterable[Transfer], accounts: Mapping[Party, str]) -> dict[Party, int]:
    """What each has to get (above zero) or to pay of ``transfers`` by its account (fen); what is paid already does not count
    (decision 11)."""
    party_of = {(book, account): (book, participant) for (book, participant), account in accounts.items()}
    sums = Counter[Party]()
    for transfer in transfers:
        if moves(transfer) and nature_of(transfer) is Nature.DUE:
            for account, sign in ((transfer.debit, -1), (transfer.credit, 1)):
                party = party_of.get((transfer.book, account))
                if party is not None:
                    sums[party] += sign * transfer.amount.minor
    return dict(sums)
