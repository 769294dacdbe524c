"""Transactions with the host: load, unload, overdraft limit (standards.md §1.2, §2.3). Unload and overdraft compute what is
ours by definition: ``card_os.crypto.own_transactions``."""

from __future__ import annotations

import hmac
import struct
from typing import Any

from card_os.crypto import own_transactions as own
from card_os.crypto import purse as macs
from card_os.crypto.purse import TransactionType
from card_os.crypto.secret import Secret
from card_os.crypto.session import load_session_key
from card_os.crypto.suites import Suite
from card_os.engine import commands
from card_os.engine.context import Context
from card_os.engine.files import ElementaryFile
from card_os.engine.purse import (
    PURSE_OF,
    RANDOM,
    Purse,
    begin,
    log,
    proof,
    purse_of,
    require_sequence,
    stored,
    take,
    transaction_key,
)
from card_os.engine.refusal import Refusal
from card_os.engine.security import require_access
from card_os.engine.state import PurseEvent, PurseTransaction
from card_os.profile.files import KeyType

_ANSWER = struct.Struct(">IHBB4s4s")
_OVERDRAFT_ANSWER = struct.Struct(">IH3sBB4s4s")
_LOADS = frozenset({TransactionType.LOAD, TransactionType.DEPOSIT_LOAD, TransactionType.MEDICAL_LOAD})
_KEYS = {
    TransactionType.UNLOAD: (KeyType.UNLOAD, PurseEvent.INITIALIZE_UNLOAD),
    TransactionType.OVERDRAFT: (KeyType.OVERDRAFT, PurseEvent.INITIALIZE_OVERDRAFT),
}
_LOAD = (KeyType.LOAD, PurseEvent.INITIALIZE_LOAD)


def initialize(context: Context, command: commands.InitializeOnline) -> bytes:
    """Amount 0 of a load or unload tells the counters and needs no PIN (ours). Refuses with 6A82, 9403, 6982, 6A84 (the
    purse's limit), 9401 (unload), 9402."""
    file, purse = purse_of(context, PURSE_OF[command.kind])
    key_type, event = _KEYS.get(command.kind, _LOAD)
    key, suite = transaction_key(context, key_type, command.key_id)
    if command.amount_minor or command.kind is TransactionType.OVERDRAFT:
        require_access(context, file.write)
    _require_possible(file, purse, command)
    require_sequence(purse.online_sequence)
    random = context.random(RANDOM)
    session_key = load_session_key(key.value, card_random=random, online_sequence=purse.online_sequence, suite=suite)
    begin(context, event, command, random, session_key, suite)
    head = (purse.balance_minor, purse.online_sequence)
    mac1 = _mac1(session_key, suite, purse, command)
    if command.kind is TransactionType.OVERDRAFT:
        limit = purse.limit_minor.to_bytes(3, "big")
        return _OVERDRAFT_ANSWER.pack(*head, limit, key.version, key.algorithm, random, mac1)
    return _ANSWER.pack(*head, key.version, key.algorithm, random, mac1)


def _require_possible(file: ElementaryFile, purse: Purse, command: commands.InitializeOnline) -> None:
    if command.kind in _LOADS and purse.actual_minor + command.amount_minor > file.extra:
        raise Refusal(0x6A84)
    if command.kind is TransactionType.UNLOAD and command.amount_minor > max(purse.actual_minor, 0):
        raise Refusal(0x9401)  # ours: credit is not paid out


def _mac1(key: Secret, suite: Suite, purse: Purse, command: commands.InitializeOnline) -> bytes:
    if command.kind is TransactionType.OVERDRAFT:
        return own.overdraft_mac1(
            key,
            balance_minor=purse.balance_minor,
            limit_minor=purse.limit_minor,
            terminal=command.terminal,
            suite=suite,
        )
    return macs.load_mac1(
        key,
        balance_minor=purse.balance_minor,
        amount_minor=command.amount_minor,
        transaction_type=command.kind,
        terminal=command.terminal,
        suite=suite,
    )


def _details(begun: PurseTransaction, command: commands.CreditForLoad | commands.DebitForUnload) -> dict[str, Any]:
    return {
        "amount_minor": begun.amount_minor,
        "transaction_type": begun.transaction_type,
        "terminal": begun.terminal,
        "date": command.date,
        "time": command.time,
        "suite": begun.suite,
    }


def _require_mac2(presented: bytes, expected: bytes) -> None:
    if not hmac.compare_digest(presented, expected):
        raise Refusal(0x9302)


def credit_for_load(context: Context, command: commands.CreditForLoad) -> bytes:
    """Answers the TAC. Refuses with 6985, 9302."""
    begun = take(context, PurseEvent.CREDIT)
    file, purse = purse_of(context, PURSE_OF[begun.transaction_type])
    details = _details(begun, command)
    _require_mac2(command.mac2, macs.load_mac2(begun.key, **details))
    balance, sequence = purse.balance_minor + begun.amount_minor, purse.online_sequence
    tac_key, suite = transaction_key(context, KeyType.TAC_OR_INTERNAL, 0)
    details["suite"] = suite
    tac = macs.load_tac(tac_key.value, new_balance_minor=balance, online_sequence=sequence, **details)
    _settle(context, file, purse._replace(balance_minor=balance), begun, command, tac)
    return tac


def debit_for_unload(context: Context, command: commands.DebitForUnload) -> bytes:
    """Answers MAC3. Refuses with 6985, 9302."""
    begun = take(context, PurseEvent.UNLOAD)
    file, purse = purse_of(context, PURSE_OF[begun.transaction_type])
    details = _details(begun, command)
    _require_mac2(command.mac2, own.unload_mac2(begun.key, **details))
    balance = purse.balance_minor - begun.amount_minor
    mac3 = own.unload_mac3(begun.key, new_balance_minor=balance, online_sequence=purse.online_sequence, **details)
    _settle(context, file, purse._replace(balance_minor=balance), begun, command, mac3)
    return mac3


def update_overdraw_limit(context: Context, command: commands.UpdateOverdrawLimit) -> bytes:
    """Answers the TAC. Refuses with 6985, 9302, 9401 (the overdraft used is more than the new limit)."""
    begun = take(context, PurseEvent.OVERDRAFT)
    file, purse = purse_of(context, PURSE_OF[begun.transaction_type])
    details: dict[str, Any] = {
        "limit_minor": command.limit_minor,
        "terminal": begun.terminal,
        "date": command.date,
        "time": command.time,
    }
    _require_mac2(command.mac2, own.overdraft_mac2(begun.key, suite=begun.suite, **details))
    balance, sequence = purse.actual_minor + command.limit_minor, purse.online_sequence
    if balance < 0:
        raise Refusal(0x9401)
    tac_key, suite = transaction_key(context, KeyType.TAC_OR_INTERNAL, 0)
    tac = own.overdraft_tac(tac_key.value, new_balance_minor=balance, online_sequence=sequence, suite=suite, **details)
    changed = purse._replace(balance_minor=balance, limit_minor=command.limit_minor)
    _settle(context, file, changed, begun, command, tac)
    return tac


def _settle(
    context: Context,
    file: ElementaryFile,
    purse: Purse,
    begun: PurseTransaction,
    command: commands.CreditForLoad | commands.DebitForUnload | commands.UpdateOverdrawLimit,
    tac: bytes,
) -> None:
    """One commit: purse with the sequence counted up, proof (the host's MAC2 and ``tac``), log."""
    sequence = purse.online_sequence
    changed = purse._replace(online_sequence=sequence + 1, online_proof=proof(begun, sequence, command.mac2, tac))
    entries = log(context, file, begun, sequence, changed, (command.date, command.time))
    context.store.commit([stored(file, changed), *entries])
