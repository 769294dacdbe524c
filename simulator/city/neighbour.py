"""Another city's clearing office: its own issuer, keys and books, the same rules of exchange. Visible test keys only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TypeVar

from clearing.exchange.codec import decode, encode
from clearing.exchange.keys import CentreKey
from clearing.exchange.messages import AccountingResult, DisputeCode, DisputeResult, Package, Ruling, Verdict
from clearing.exchange.packing import Claimed, pack
from clearing.exchange.partners import Exchange, Partner
from clearing.exchange.rules import (
    DISPUTES,
    IssuerContext,
    answer,
    claims_of,
    faults_of_answer,
    judge,
)
from clearing.exchange.signing import delivery, is_delivered_by
from clearing.facts.rules import DenyList, deny_list_of
from clearing.verification.context import CardId, TransactionId
from clearing.verification.tac import right_claims
from hardware.vault.software import SoftwareVault
from rulebook.calendar import BUSINESS_ZONE, calendar_named
from rulebook.messages.facts import CardFact
from simulator.city.neighbour_cards import ISSUER, vault

NAME = "city-2000"
CENTRE = ISSUER
OUR_CENTRE = bytes.fromhex("01991000FFFFFFFF")
KEY = CentreKey.of_seed(b"TEST-CITY-2000-EXCHANGE-KEY-0001")


CLAIM_WITHIN = timedelta(days=30)
M = TypeVar("M", Package, AccountingResult, DisputeResult)


class NotAsAgreed(Exception):
    """What our city said is not what two cities have agreed on."""


@dataclass(slots=True)
class Office:
    """``our_key``: the public key of the city at hand. ``cards``: those the other city has issued. ``answered``: its accounting
    results by package; ``claimed``: its own packages; ``results``: what our city answered to them."""

    our_key: bytes
    cards: Mapping[CardId, CardFact]
    deny: DenyList = field(default_factory=lambda: deny_list_of([]))
    vault: SoftwareVault = field(default_factory=vault)
    paid: set[TransactionId] = field(default_factory=set)
    judged: dict[int, Package] = field(default_factory=dict)
    answered: dict[int, AccountingResult] = field(default_factory=dict)
    claimed: dict[int, Package] = field(default_factory=dict)
    results: dict[int, AccountingResult] = field(default_factory=dict)
    rulings: list[Ruling] = field(default_factory=list)
    ruled: int = 0

    def answer(self, content: bytes, signature: bytes, *, now: datetime) -> bytes:
        """Judge a package of our city; the accounting result. A repeat is answered as before."""
        package = self._read(content, signature, Package)
        if package.number not in self.answered:
            disputed = judge(package, self._right(package), self._context(now))
            self.judged[package.number] = package
            self.answered[package.number] = answer(package, disputed, now=now)
            kept = (each for each in package.transactions if _is_the_transaction(disputed.get(each.number)))
            self.paid |= {each.id for each in kept}
        return encode(self.answered[package.number])

    def claim(self, claims: Iterable[Claimed], *, cleared_on: date) -> list[bytes]:
        """Packages of what our city's cards paid over there."""
        partner = Partner(participant="city-1000", centre=OUR_CENTRE, issuers=(OUR_CENTRE,), public_key=self.our_key)
        exchange = Exchange(centre=CENTRE, partners=(partner,))
        last = {OUR_CENTRE: max(self.claimed, default=0)}
        packages = [p.package for p in pack(claims, exchange, cleared_on=cleared_on, last_numbers=last).packages]
        self.claimed |= {package.number: package for package in packages}
        return [encode(package) for package in packages]

    def take_answer(self, content: bytes, signature: bytes) -> AccountingResult:
        """What our city says of a package. Raises ``NotAsAgreed``."""
        result = self._read(content, signature, AccountingResult)
        if faults := faults_of_answer(result, self.claimed[result.number]):
            raise NotAsAgreed("; ".join(faults))
        self.results[result.number] = result
        return result

    def take_rulings(self, content: bytes, signature: bytes) -> DisputeResult:
        result = self._read(content, signature, DisputeResult)
        self.rulings += result.rulings
        return result

    def rule(self, verdict: Verdict, *, now: datetime) -> bytes:
        """End everything that is in dispute over there alike; the dispute result."""
        self.ruled += 1
        rulings = tuple(
            Ruling(number, each.number, verdict, each.amount_minor)
            for number, package in sorted(self.judged.items())
            for each in package.transactions
            if each.amount_minor and (code := self.answered[number].disputed.get(each.number)) and DISPUTES[code].proven
        )
        return encode(DisputeResult(CENTRE, OUR_CENTRE, self.ruled, now, rulings))

    @property
    def owes_minor(self) -> int:
        """What it has confirmed."""
        return sum(result.confirmed.minor for result in self.answered.values())

    @property
    def owed_minor(self) -> int:
        """What our city has confirmed."""
        return sum(result.confirmed.minor for result in self.results.values())

    def sign(self, content: bytes) -> bytes:
        return KEY.sign(delivery(content))

    def _read(self, content: bytes, signature: bytes, kind: type[M]) -> M:
        message = decode(content)
        if not is_delivered_by(self.our_key, signature, content):
            raise NotAsAgreed(f"{kind.__name__} {message.number} is not signed by our city's key")
        if not isinstance(message, kind) or (message.sender, message.receiver) != (OUR_CENTRE, CENTRE):
            raise NotAsAgreed(f"message {message.number} is no {kind.__name__} of our city for this one")
        return message

    def _right(self, package: Package) -> set[int]:
        claims = claims_of(package)
        right = right_claims(self.vault, claims.values())
        return {number for number, claim in claims.items() if claim in right}

    def _context(self, now: datetime) -> IssuerContext:
        return IssuerContext(
            issuers=frozenset({ISSUER}),
            cards=self.cards,
            deny=self.deny,
            known=self.paid,
            received_on=now.astimezone(BUSINESS_ZONE).date(),
            claim_within=CLAIM_WITHIN,
            calendar=calendar_named("china"),
        )


def _is_the_transaction(code: DisputeCode | None) -> bool:
    return code is None or DISPUTES[code].proven
