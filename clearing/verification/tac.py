"""The TACs of many records at once: the issuer's masters stay in the vault, a card's key lives for one chunk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from card_os.crypto.purse import load_tac_input, purchase_tac_input
from card_os.crypto.suites import TRIPLE_DES
from clearing.verification.context import CardId
from clearing.verification.joining import Claim
from hardware.vault.vault import KeyLabel, MasterKey, Vault
from rulebook.record import Event, Record

TAC_MASTER = MasterKey(KeyLabel.TAC)
_KEY_LENGTH = 16
_FACTOR = slice(2, 10)  # 0x15[12..19], the last eight bytes of the application serial (docs/doors.md)


def right_claims(vault: Vault, claims: Iterable[Claim]) -> frozenset[Claim]:
    """Those whose TAC is the one the card makes over their inputs."""
    every = list(claims)
    keys = _card_keys(vault, {(claim.inputs.issuer, claim.inputs.serial) for claim in every})
    return frozenset(claim for claim in every if _is_right(claim, keys))


def _card_keys(vault: Vault, cards: Iterable[CardId]) -> Mapping[CardId, bytes]:
    by_issuer: dict[bytes, list[bytes]] = {}
    for issuer, serial in sorted(cards):
        by_issuer.setdefault(issuer, []).append(serial)
    keys: dict[CardId, bytes] = {}
    for issuer, serials in by_issuer.items():
        column = vault.child_keys(TAC_MASTER, [issuer], b"".join(serial[_FACTOR] for serial in serials))
        keys.update(_named(issuer, serials, column))
    return keys


def _named(issuer: bytes, serials: Sequence[bytes], column: bytes) -> dict[CardId, bytes]:
    return {(issuer, serial): column[_KEY_LENGTH * row : _KEY_LENGTH * (row + 1)] for row, serial in enumerate(serials)}


def _is_right(claim: Claim, keys: Mapping[CardId, bytes]) -> bool:
    inputs = claim.inputs
    return TRIPLE_DES.tac(keys[inputs.issuer, inputs.serial], tac_input(inputs)) == claim.evidence.tac


def tac_input(record: Record) -> bytes:
    """The bytes under the TAC (standards.md §2.3): 24 of a load, 22 of a purchase."""
    if record.event is Event.LOAD:
        return load_tac_input(
            # Taken modulo 2**32 so that a nonsense record has a TAC that is merely wrong.
            new_balance_minor=(record.balance_before_minor + record.amount_minor) & 0xFFFFFFFF,
            online_sequence=record.card_sequence,
            amount_minor=record.amount_minor,
            transaction_type=record.transaction_type,
            terminal=record.sam_terminal,
            date=record.date,
            time=record.time,
        )
    return purchase_tac_input(
        amount_minor=record.amount_minor,
        transaction_type=record.transaction_type,
        terminal=record.sam_terminal,
        terminal_sequence=record.sam_sequence,
        date=record.date,
        time=record.time,
    )
