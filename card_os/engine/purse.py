"""The purses of a DF: their bodies, balance, log and proofs (standards.md §1.2). ``online`` and ``offline`` change them.

Body: balance4 onlineSequence2 offlineSequence2, then the last on-line and the last off-line transaction as
``done1 type1 sequence2 mac4 tac4``, padded to 34 bytes; the deposit account (ED) has its overdraft limit in three more, as in
FMCOS. The balance includes the limit. Each transaction is one commit: purse, log record and cached compound records.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from card_os.crypto.purse import TransactionType
from card_os.crypto.secret import Secret
from card_os.crypto.suites import SUITES, Suite
from card_os.engine import commands, records
from card_os.engine.context import Context
from card_os.engine.files import DEPOSIT_BODY_SIZE, PURSE_BODY_SIZE, ElementaryFile, Key
from card_os.engine.refusal import Refusal
from card_os.engine.security import require_key
from card_os.engine.state import PurseEvent, PurseTransaction
from card_os.engine.store import Change
from card_os.profile.files import KeyType
from card_os.wire.commands import ELECTRONIC_DEPOSIT, ELECTRONIC_PURSE

_BODY = struct.Struct(">IHH12s12s2x")
_LIMIT_AT = PURSE_BODY_SIZE
_LIMIT = DEPOSIT_BODY_SIZE - PURSE_BODY_SIZE
_PROOF = struct.Struct(">BBH4s4s")
_LOG = struct.Struct(">H3sIB6s4s3s")
_LAST_SEQUENCE = 0xFFFF
RANDOM = 4

PURSE_OF: Mapping[int, int] = MappingProxyType(
    {
        kind: ELECTRONIC_PURSE
        if kind in (TransactionType.LOAD, TransactionType.PURCHASE, TransactionType.COMPOUND)
        else ELECTRONIC_DEPOSIT
        for kind in TransactionType
    }
)
ONLINE = frozenset(
    {
        TransactionType.DEPOSIT_LOAD,
        TransactionType.LOAD,
        TransactionType.MEDICAL_LOAD,
        TransactionType.UNLOAD,
        TransactionType.OVERDRAFT,
    }
)


class Purse(NamedTuple):
    """The body as stored. The proofs are kept packed: only GET TRANSACTION PROVE looks into them."""

    balance_minor: int
    online_sequence: int
    offline_sequence: int
    online_proof: bytes
    offline_proof: bytes
    limit_minor: int = 0

    @property
    def actual_minor(self) -> int:
        """Without the overdraft limit; below 0 where overdraft is used."""
        return self.balance_minor - self.limit_minor


def purse_of(context: Context, number: int) -> tuple[ElementaryFile, Purse]:
    """Refuses with 6A82 where the DF has no such purse."""
    file = context.session.directory.purses.get(number)
    if file is None:
        raise Refusal(0x6A82)
    purse = Purse._make((*_BODY.unpack(context.store.read(file.offset, _BODY.size)), 0))
    if file.size == DEPOSIT_BODY_SIZE:
        limit = int.from_bytes(context.store.read(file.offset + _LIMIT_AT, _LIMIT), "big")
        purse = purse._replace(limit_minor=limit)
    return file, purse


def stored(file: ElementaryFile, purse: Purse) -> Change:
    body = _BODY.pack(*purse[:-1])
    if file.size == DEPOSIT_BODY_SIZE:
        body += purse.limit_minor.to_bytes(_LIMIT, "big")
    return file.offset, body


def get_balance(context: Context, command: commands.GetBalance) -> bytes:
    """4 bytes: 0 all that can be spent, 1 overdraft limit, 2 overdraft used, 3 the holder's own (standards.md §1.2)."""
    _, purse = purse_of(context, command.purse)
    actual = purse.actual_minor
    values = (purse.balance_minor, purse.limit_minor, max(-actual, 0), max(actual, 0))
    return values[command.value].to_bytes(4, "big")


def transaction_key(context: Context, key_type: KeyType, key_id: int) -> tuple[Key, Suite]:
    """Refuses with 9403 where there is no such key or no suite for its algorithm byte."""
    key = require_key(context, context.session.directory, key_type, key_id, missing=0x9403)
    suite = SUITES.get(key.algorithm)
    if suite is None:
        raise Refusal(0x9403)
    return key, suite


def require_sequence(sequence: int) -> None:
    if sequence == _LAST_SEQUENCE:
        raise Refusal(0x9402)


def begin(
    context: Context,
    event: PurseEvent,
    command: commands.InitializeOnline | commands.InitializeOffline,
    random: bytes,
    key: Secret,
    suite: Suite,
) -> None:
    session = context.session
    session.drop_transactions()
    session.advance(event)
    session.transaction = PurseTransaction(command.amount_minor, command.terminal, command.kind, random, key, suite)


def take(context: Context, event: PurseEvent) -> PurseTransaction:
    """The begun transaction; it is over whatever comes of ``event``. Refuses with 6985."""
    session = context.session
    session.advance(event)
    begun, session.transaction = session.transaction, None
    assert begun is not None, "a state that allows this event has a transaction"
    return begun


def proof(begun: PurseTransaction, sequence: int, mac: bytes, tac: bytes) -> bytes:
    return _PROOF.pack(1, begun.transaction_type, sequence, mac, tac)


def log(
    context: Context,
    file: ElementaryFile,
    begun: PurseTransaction,
    sequence: int,
    purse: Purse,
    at: tuple[bytes, bytes],
) -> list[Change]:
    """The record of a transaction done at (date, time); nothing where the purse has no log."""
    target = context.session.directory.by_sfi.get(file.count)
    if target is None:
        return []
    limit = purse.limit_minor.to_bytes(_LIMIT, "big")
    record = _LOG.pack(sequence, limit, begun.amount_minor, begun.transaction_type, begun.terminal, *at)
    return records.append(context.store, target, record)


def get_transaction_prove(context: Context, command: commands.GetTransactionProve) -> bytes:
    """MAC ‖ TAC of the last on-line or off-line transaction of its purse, if it is the one asked for; otherwise 9406."""
    number = PURSE_OF.get(command.transaction_type)
    if number is None:
        raise Refusal(0x9406)
    _, purse = purse_of(context, number)
    held = purse.online_proof if command.transaction_type in ONLINE else purse.offline_proof
    done, kind, sequence, mac, tac = _PROOF.unpack(held)
    if not done or (kind, sequence) != (command.transaction_type, command.sequence):
        raise Refusal(0x9406)
    return bytes(mac + tac)
