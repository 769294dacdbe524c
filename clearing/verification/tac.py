"""The TACs of many records at once: the issuer's masters stay in the vault, a card's key lives for one chunk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

from card_os.crypto.purse import load_tac_input, purchase_tac_input
from card_os.crypto.suites import SUITES, Algorithm
from clearing.verification.algorithms import algorithm_of
from clearing.verification.joining import Claim
from hardware.vault.vault import KeyLabel, MasterKey, UnknownKey, Vault
from rulebook.record import Event, Record

TAC_MASTER = MasterKey(KeyLabel.TAC)
_KEY_LENGTH = 16
_FACTOR = slice(2, 10)  # 0x15[12..19], the last eight bytes of the application serial (docs/doors.md)

_KeyId: TypeAlias = tuple[Algorithm, bytes, bytes]  # issuer, application serial


def tac_keys(vault: Vault, algorithm: Algorithm, issuer: bytes, factors: bytes) -> bytes | None:
    """For each 8-byte card factor the 16-byte TAC key. None where the vault holds no master of an algorithm other than 3DES:
    there is no card then that could have made the TAC, and one forged algorithm byte must not stop the day. Raises
    ``UnknownKey`` where that of 3DES is missing."""
    try:
        return vault.child_keys(replace(TAC_MASTER, algorithm=algorithm), [issuer], factors)
    except UnknownKey:
        if algorithm is Algorithm.TRIPLE_DES:
            raise
        return None


def right_claims(vault: Vault, claims: Iterable[Claim]) -> frozenset[Claim]:
    """Those whose TAC is the one the card makes over their inputs."""
    every = list(claims)
    keys = _card_keys(vault, {_key_id(claim.inputs) for claim in every})
    return frozenset(claim for claim in every if _is_right(claim, keys))


def _key_id(record: Record) -> _KeyId:
    return (algorithm_of(record.algorithm), record.issuer, record.serial)


def _card_keys(vault: Vault, cards: Iterable[_KeyId]) -> Mapping[_KeyId, bytes]:
    by_master: dict[tuple[Algorithm, bytes], list[bytes]] = {}
    for algorithm, issuer, serial in sorted(cards):
        by_master.setdefault((algorithm, issuer), []).append(serial)
    keys: dict[_KeyId, bytes] = {}
    for (algorithm, issuer), serials in by_master.items():
        column = tac_keys(vault, algorithm, issuer, b"".join(serial[_FACTOR] for serial in serials))
        for row, serial in enumerate(serials if column else ()):
            assert column is not None
            keys[algorithm, issuer, serial] = column[_KEY_LENGTH * row : _KEY_LENGTH * (row + 1)]
    return keys


def _is_right(claim: Claim, keys: Mapping[_KeyId, bytes]) -> bool:
    id_ = _key_id(claim.inputs)
    return id_ in keys and SUITES[id_[0]].tac(keys[id_], tac_input(claim.inputs)) == claim.evidence.tac


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
