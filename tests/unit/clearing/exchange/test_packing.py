"""The same claims make the same packages, whatever order they came in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from clearing.exchange.codec import encode
from clearing.exchange.packing import Claimed, Packing, pack
from clearing.exchange.partners import Exchange, Partner
from clearing.verification.joining import Claim
from rulebook.record import Event


def _pack(claims: list[Claimed], exchange: Exchange, ids: Any, last: int = 0) -> Packing:
    return pack(claims, exchange, cleared_on=ids.day, last_numbers={ids.theirs: last})


def test_order_does_not_matter(ridden: Callable[..., Claimed], exchange: Exchange, ids: Any) -> None:
    claims = [ridden(card, sequence) for card in (1, 2, 3) for sequence in range(3)]
    expected = [encode(packed.package) for packed in _pack(claims, exchange, ids).packages]
    random = Random(7)
    for _ in range(20):
        random.shuffle(claims)
        repeated = claims + random.sample(claims, 3)
        assert [encode(packed.package) for packed in _pack(repeated, exchange, ids).packages] == expected


def test_packages_are_full_and_numbered_without_gaps(
    ridden: Callable[..., Claimed], exchange: Exchange, ids: Any
) -> None:
    packing = _pack([ridden(1, sequence) for sequence in range(7)], exchange, ids, last=4)
    packages = [packed.package for packed in packing.packages]
    assert [package.number for package in packages] == [5, 6, 7]
    assert [[each.number for each in package.transactions] for package in packages] == [[1, 2, 3], [1, 2, 3], [1]]
    assert sum(package.amount.minor for package in packages) == 700


def test_each_knows_who_is_to_be_paid(ridden: Callable[..., Claimed], exchange: Exchange, ids: Any) -> None:
    claims = [ridden(1, 0, operator="bus-a"), ridden(1, 1, operator="bus-b")]
    (packed,) = _pack(claims[::-1], exchange, ids).packages
    assert packed.origins == (("bus-a", ids.day), ("bus-b", ids.day))


def test_two_terminals_with_one_story_claim_once(
    town: Any, ridden: Callable[..., Claimed], exchange: Exchange, ids: Any
) -> None:
    one = ridden(1, 0)
    found = town.finding(one.claim.inputs, "GATE-1")
    again = Claimed(Claim(one.claim.inputs, found), "bus-a", ids.day)
    (packed,) = _pack([again, one], exchange, ids).packages
    assert len(packed.package.transactions) == 1


def test_two_stories_of_one_transaction_both_go_out(
    ridden: Callable[..., Claimed], exchange: Exchange, ids: Any
) -> None:
    one, other = ridden(1, 0, amount=100), ridden(1, 0, amount=200)
    (packed,) = _pack([one, other], exchange, ids).packages
    assert [each.amount_minor for each in packed.package.transactions] == [100, 200]


def test_loads_are_not_exchanged(ridden: Callable[..., Claimed], exchange: Exchange, ids: Any) -> None:
    assert _pack([ridden(1, 0, event=Event.LOAD, transaction_type=2)], exchange, ids) == Packing((), ())


def test_an_issuer_without_agreement_is_named(ridden: Callable[..., Claimed], exchange: Exchange, ids: Any) -> None:
    claim = ridden(1, 0, issuer=ids.strange)
    packing = _pack([claim, ridden(2, 0)], exchange, ids)
    assert packing.without_partner == (claim,)
    assert len(packing.packages) == 1


def test_one_package_has_cards_of_one_issuer(ridden: Callable[..., Claimed], exchange: Exchange, ids: Any) -> None:
    both = replace_partner(exchange, issuers=(ids.theirs, ids.strange))
    packing = _pack([ridden(1, 0), ridden(1, 0, issuer=ids.strange)], both, ids)
    assert [(p.package.number, p.package.issuer) for p in packing.packages] == [(1, ids.theirs), (2, ids.strange)]


def replace_partner(exchange: Exchange, **changes: Any) -> Exchange:
    return exchange.model_copy(update={"partners": (exchange.partners[0].model_copy(update=changes),)})


def test_what_xml_cannot_carry_is_marked(ridden: Callable[..., Claimed], exchange: Exchange, ids: Any) -> None:
    claim = ridden(1, 0)
    odd = replace(claim, claim=Claim(replace(claim.claim.inputs, line="B\x01\x7f1"), claim.claim.evidence))
    (packed,) = _pack([odd], exchange, ids).packages
    assert packed.package.transactions[0].line == "B??1"
    encode(packed.package)


@pytest.mark.parametrize(
    ("partners", "said"),
    [
        ([("city-2000", 2, (2,)), ("city-2000", 3, (3,))], "participant city-2000"),
        ([("city-2000", 2, (2,)), ("city-3000", 2, (3,))], "centre"),
        ([("city-2000", 1, (2,))], "centre"),
        ([("city-2000", 2, (2,)), ("city-3000", 3, (2,))], "issuer"),
    ],
)
def test_nobody_is_a_partner_twice(partners: list[tuple[str, int, tuple[int, ...]]], said: str) -> None:
    with pytest.raises(ValueError, match=f"{said}.* more than once"):
        Exchange(
            centre=bytes([1] * 8),
            partners=tuple(
                Partner(
                    participant=name,
                    centre=bytes([centre] * 8),
                    issuers=tuple(bytes([issuer] * 8) for issuer in issuers),
                    public_key=bytes(32),
                )
                for name, centre, issuers in partners
            ),
        )
