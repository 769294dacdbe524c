"""The city's participants as a document of two persons: what its next version must leave as it is. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from clearing.participants.effective import Document, Terms
from clearing.participants.rules import City, Participant


class CityDocument(Document):
    """In force as soon as it is approved: nothing in it has dates of its own."""

    city: City

    @property
    def terms(self) -> tuple[Terms, ...]:
        return ()


def as_document(city: City, *, version: int = 1) -> dict[str, Any]:
    """What ``CityDocument`` reads back."""
    return {"version": version, "city": city.model_dump(mode="json")}


def unmade_city(before: City, after: City) -> list[str]:
    """What of ``before`` the ledger and the bank stand on, and ``after`` would take away; each as a fault."""
    return sorted([*_of_participants(before, after), *_of_books(before, after)])


def _of_participants(before: City, after: City) -> Iterator[str]:
    kept = {participant.id: participant for participant in after.participants}
    for participant in before.participants:
        now = kept.get(participant.id)
        if now is None:
            yield f"participant {participant.id} has accounts in the ledger; it stays"
        else:
            yield from _of_participant(participant, now)


def _of_participant(before: Participant, after: Participant) -> Iterator[str]:
    for book, account in before.accounts:
        if (book, account) not in after.accounts:
            yield f"participant {before.id}: account {account} of {book} is in the ledger; it stays"
    if before.role is not after.role:
        yield f"participant {before.id}: role is {before.role} in the ledger; it cannot become {after.role}"


def _of_books(before: City, after: City) -> Iterator[str]:
    for name in ("effective_from", "opening"):
        if getattr(before, name) != getattr(after, name):
            yield f"{name}: the opening balances are posted; they stay"
    for book, keeper in before.keepers.items():
        if after.keepers.get(book) != keeper:
            yield f"keepers: {book} is kept by {keeper}; it stays"
    for book, at_bank in before.bank_accounts.items():
        now = after.bank_accounts.get(book)
        if now is None or (now.account, now.ledger) != (at_bank.account, at_bank.ledger):
            yield f"bank_accounts: statements of {book} are about account {at_bank.account.number}; it stays"


def unmade(before: Document | None, after: Document, *, today: date) -> list[str]:  # noqa: ARG001 - the table's form
    """For the table of kinds: of two ``CityDocument``, on whatever day."""
    assert isinstance(after, CityDocument)
    return unmade_city(before.city, after.city) if isinstance(before, CityDocument) else []
