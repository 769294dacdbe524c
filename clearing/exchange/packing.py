"""What goes out: a window's claims on other issuers, put into packages. Pure: the same claims make the same packages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from clearing.exchange.messages import ClaimedTransaction, Package
from clearing.exchange.partners import Exchange
from clearing.verification.context import TransactionId
from clearing.verification.joining import Claim
from rulebook.record import Record


@dataclass(frozen=True, slots=True)
class Claimed:
    """A card transaction of another issuer that the window accepted but for that. ``operator`` is the device register's;
    ``business_day`` the transaction's."""

    claim: Claim
    operator: str
    business_day: date

    @property
    def id(self) -> TransactionId:
        return TransactionId.of(self.claim.inputs)

    @property
    def order(self) -> tuple[object, ...]:
        """By issuer and card transaction; of several claims on one, in the order in which rules look at them."""
        return (self.id, self.claim.order)


@dataclass(frozen=True, slots=True)
class Packed:
    """A package, and of each of its transactions, in order, who is to be paid and the business day."""

    package: Package
    origins: tuple[tuple[str, date], ...]


@dataclass(frozen=True, slots=True)
class Packing:
    """``without_partner``: claims on issuers with whom there is no agreement; nobody will pay them."""

    packages: tuple[Packed, ...]
    without_partner: tuple[Claimed, ...]


def pack(
    claims: Iterable[Claimed], exchange: Exchange, *, cleared_on: date, last_numbers: Mapping[bytes, int]
) -> Packing:
    """``last_numbers``: by partner's centre, the number of the last package made; nothing yet is 0. Equal claims under
    one card transaction, as two terminals may report them, go out once; loads never do."""
    found = sorted(_once(each for each in claims if not each.id.load), key=lambda each: each.order)
    numbers = dict(last_numbers)
    packages: list[Packed] = []
    without: list[Claimed] = []
    for issuer, of_issuer in groupby(found, key=lambda each: each.id.issuer):
        partner = exchange.partner_of(issuer)
        if partner is None:
            without += of_issuer
            continue
        for chunk in _chunks(list(of_issuer), exchange.transactions_per_package):
            number = numbers[partner.centre] = numbers.get(partner.centre, 0) + 1
            transactions = tuple(_transaction(place, each.claim) for place, each in enumerate(chunk, start=1))
            package = Package(exchange.centre, partner.centre, number, cleared_on, issuer, transactions)
            packages.append(Packed(package, tuple((each.operator, each.business_day) for each in chunk)))
    return Packing(tuple(packages), tuple(without))


def _once(claims: Iterable[Claimed]) -> Iterator[Claimed]:
    """Of claims that say the same of one transaction, the first in order."""
    seen: set[tuple[TransactionId, bytes]] = set()
    for each in sorted(claims, key=lambda each: each.order):
        content = (each.id, content_of(each.claim))
        if content not in seen:
            seen.add(content)
            yield each


def content_of(claim: Claim) -> bytes:
    """``ClaimedTransaction.content`` of what would be sent."""
    return _transaction(0, claim).content


def _chunks(claims: list[Claimed], size: int) -> Iterator[list[Claimed]]:
    for start in range(0, len(claims), size):
        yield claims[start : start + size]


def _transaction(number: int, claim: Claim) -> ClaimedTransaction:
    record: Record = claim.inputs
    return ClaimedTransaction(
        number=number,
        event=record.event,
        line=_printable(record.line),
        place=_printable(record.place),
        issuer=record.issuer,
        serial=record.serial,
        purse=record.purse,
        sequence=record.card_sequence,
        balance_before_minor=record.balance_before_minor,
        amount_minor=record.amount_minor,
        key_version=record.key_version,
        algorithm=record.algorithm,
        transaction_type=record.transaction_type,
        sam_terminal=record.sam_terminal,
        sam_sequence=record.sam_sequence,
        stamp=record.date + record.time,
        tac=claim.evidence.tac,
    )


def _printable(text: str) -> str:
    """A record's texts may hold control characters, which XML cannot carry; the TAC does not cover them."""
    return "".join(character if character.isprintable() else "?" for character in text)
