"""Who owes whom after a window: gross, netted between two, or netted against all; within a book, never across. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from clearing.ledger.rules import Transfer
from clearing.participants.banking import Netting
from clearing.settlement.positions import Nature, moves, nature_of, party_of
from rulebook.money import ZERO, Amount


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Obligation:
    """What one participant owes another in one book, above zero."""

    book: str
    debtor: str
    creditor: str
    amount_minor: int

    def __post_init__(self) -> None:
        if self.amount_minor <= 0 or self.debtor == self.creditor:
            raise ValueError(f"{self.debtor} cannot owe {self.creditor} {self.amount_minor} fen")


@dataclass(frozen=True, slots=True)
class Legs:
    """What goes through the bank account of a book: ``pay_in`` are calls to debtors, ``pay_out`` what creditors get, both by
    participant, above zero. ``own_minor`` is what the keeper of the book owes (above zero) or gets: its money is in the
    account already. pay in + own = pay out."""

    pay_in: Mapping[str, Amount]
    pay_out: Mapping[str, Amount]
    own_minor: int


def gross(transfers: Iterable[Transfer], *, book: str, keeper: str) -> tuple[Obligation, ...]:
    """Summed for each debtor and creditor, in their order. Only what is due counts (decision 11)."""
    sums: Counter[tuple[str, str]] = Counter()
    for transfer in transfers:
        if transfer.book == book and moves(transfer) and nature_of(transfer) is Nature.DUE:
            debtor, creditor = (party_of(code, keeper=keeper) for code in (transfer.debit, transfer.credit))
            if debtor != creditor:
                sums[debtor, creditor] += transfer.amount.minor
    return _obligations(book, sums)


def bilateral(obligations: Iterable[Obligation]) -> tuple[Obligation, ...]:
    """What is left when every two participants of a book set off what they owe each other."""
    sums: dict[str, Counter[tuple[str, str]]] = {}
    for one in obligations:
        of_book = sums.setdefault(one.book, Counter())
        first, second = sorted((one.debtor, one.creditor))
        of_book[first, second] += one.amount_minor if one.debtor == first else -one.amount_minor
    return tuple(
        sorted(
            Obligation(book=book, debtor=debtor, creditor=creditor, amount_minor=abs(minor))
            for book, of_book in sums.items()
            for (first, second), minor in of_book.items()
            if minor
            for debtor, creditor in [(first, second) if minor > 0 else (second, first)]
        )
    )


def multilateral(obligations: Iterable[Obligation]) -> dict[tuple[str, str], int]:
    """(book, participant) → fen; above zero the participant gets it. The values of a book add to nil."""
    nets: Counter[tuple[str, str]] = Counter()
    for one in obligations:
        nets[one.book, one.debtor] -= one.amount_minor
        nets[one.book, one.creditor] += one.amount_minor
    return dict(sorted(nets.items()))


def legs(obligations: Iterable[Obligation], netting: Netting, *, book: str, keeper: str) -> Legs:
    """What ``netting`` leaves to be paid in and out of ``book``."""
    ours = [one for one in obligations if one.book == book]
    if netting is Netting.MULTILATERAL:
        nets = {participant: minor for (_, participant), minor in multilateral(ours).items()}
        owed = {participant: -minor for participant, minor in nets.items() if minor < 0}
        due = {participant: minor for participant, minor in nets.items() if minor > 0}
    else:
        left = bilateral(ours) if netting is Netting.BILATERAL else ours
        owed, due = Counter(), Counter()
        for one in left:
            owed[one.debtor] += one.amount_minor
            due[one.creditor] += one.amount_minor
    return Legs(_without(owed, keeper), _without(due, keeper), owed.get(keeper, 0) - due.get(keeper, 0))


def covered(owed: Mapping[str, Amount], cover: Amount) -> dict[str, Amount]:
    """How far each of ``owed`` can be paid out of ``cover``: in full, or in proportion, never a fen above what is owed and to
    the fen what is covered. Left-over fen go to the largest remainders, in order of participant (``Amount.split``)."""
    wanted = {participant: amount for participant, amount in sorted(owed.items()) if amount > ZERO}
    total = sum(amount.minor for amount in wanted.values())
    if cover.minor >= total:
        return wanted
    if cover <= ZERO:
        return {}
    parts = cover.split([amount.minor for amount in wanted.values()])
    return {participant: part for participant, part in zip(wanted, parts, strict=True) if part > ZERO}


def _obligations(book: str, sums: Mapping[tuple[str, str], int]) -> tuple[Obligation, ...]:
    return tuple(
        Obligation(book=book, debtor=debtor, creditor=creditor, amount_minor=minor)
        for (debtor, creditor), minor in sorted(sums.items())
    )


def _without(sums: Mapping[str, int], keeper: str) -> dict[str, Amount]:
    return {participant: Amount(minor) for participant, minor in sorted(sums.items()) if participant != keeper}


def with_carried(fresh: Legs, netting: Netting, *, pay_in: Mapping[str, int], pay_out: Mapping[str, int]) -> Legs:
    """``fresh`` and what an aborted settlement left unpaid (fen by participant). Netted against all, a participant pays or
    gets the difference."""
    owed = Counter({participant: amount.minor for participant, amount in fresh.pay_in.items()})
    due = Counter({participant: amount.minor for participant, amount in fresh.pay_out.items()})
    owed.update(pay_in)
    due.update(pay_out)
    if netting is Netting.MULTILATERAL:
        both = {participant: min(owed[participant], due[participant]) for participant in owed.keys() | due.keys()}
        owed.subtract(both)
        due.subtract(both)
    own = fresh.own_minor + sum(pay_out.values()) - sum(pay_in.values())
    return Legs(_above_nil(owed), _above_nil(due), own)


def _above_nil(sums: Mapping[str, int]) -> dict[str, Amount]:
    return {participant: Amount(minor) for participant, minor in sorted(sums.items()) if minor > 0}
