"""A claim of one participant on another, in one book."""

from __future__ import annotations

from backoffice.problems import Refused
from clearing.cases.rules import CaseKind, Subject
from clearing.participants.rules import City
from rulebook.money import Amount


def dispute(
    of: City, *, number: str, book: str, claimant: str, respondent: str, amount_minor: int, note: str
) -> Subject:
    """The respondent sees to it until the deadline. Raises ``Refused`` 422 with every fault."""
    faults = []
    if book not in of.keepers:
        faults.append({"field": "book", "message": f"is {book!r}; it must be one of {', '.join(sorted(of.keepers))}"})
    accounts = {}
    for field, participant in (("claimant", claimant), ("respondent", respondent)):
        found = of.settlement_account(participant, book)
        if found is None:
            faults.append({"field": field, "message": f"is {participant!r}, who has no account to settle by in {book}"})
        accounts[field] = found or ""
    if claimant == respondent:
        faults.append({"field": "respondent", "message": "is the claimant; a claim is on somebody else"})
    if not note.strip():
        faults.append({"field": "note", "message": "is empty; say what is claimed and why"})
    if faults:
        raise Refused(422, "The dispute was refused", reason="dispute_refused", errors=faults)
    return Subject(
        id=f"dispute:{claimant}:{number}",
        kind=CaseKind.DISPUTE,
        book=book,
        owner=respondent,
        amount=Amount(amount_minor),
        account=accounts["respondent"],
        claimant=accounts["claimant"],
        detail=note.strip(),
    )
