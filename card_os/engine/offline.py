"""Transactions with a PSAM: purchase, cash withdrawal, compound purchase (standards.md §1.2, §1.3, §2.3)."""

from __future__ import annotations

import hmac
import struct
from typing import Any

from card_os.crypto import purse as macs
from card_os.crypto.purse import TransactionType
from card_os.crypto.secret import Secret
from card_os.crypto.session import purchase_session_key
from card_os.engine import commands, records
from card_os.engine.context import Context
from card_os.engine.files import ElementaryFile
from card_os.engine.purse import (
    PURSE_OF,
    RANDOM,
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
from card_os.engine.state import PurseEvent
from card_os.engine.store import Change, fits
from card_os.profile.access import Level, access_byte
from card_os.profile.files import KeyType, Structure
from card_os.wire.commands import ELECTRONIC_DEPOSIT

_ANSWER = struct.Struct(">IH3sBB4s")
_NEVER = access_byte(Level.NEVER)
_RECORDS = frozenset({Structure.FIXED, Structure.VARIABLE, Structure.CYCLIC})
_ROOM_OF_THE_DEBIT = 256  # purse, log record and pointers, with their places in the journal
_EVENTS = {
    TransactionType.DEPOSIT_CASH: PurseEvent.INITIALIZE_CASH,
    TransactionType.DEPOSIT_PURCHASE: PurseEvent.INITIALIZE_PURCHASE,
    TransactionType.PURCHASE: PurseEvent.INITIALIZE_PURCHASE,
    TransactionType.COMPOUND: PurseEvent.INITIALIZE_COMPOUND,
}


def initialize(context: Context, command: commands.InitializeOffline) -> bytes:
    """The deposit account needs its PIN, except for amount 0 (ours). Refuses with 6A82, 9403, 6982, 9401, 9402."""
    number = PURSE_OF[command.kind]
    file, purse = purse_of(context, number)
    key, suite = transaction_key(context, KeyType.PURCHASE, command.key_id)
    if number == ELECTRONIC_DEPOSIT and command.amount_minor:
        require_access(context, file.write)
    if command.amount_minor > purse.balance_minor:
        raise Refusal(0x9401)
    require_sequence(purse.offline_sequence)
    random = context.random(RANDOM)
    begin(context, _EVENTS[command.kind], command, random, Secret(key.value), suite)
    limit = purse.limit_minor.to_bytes(3, "big")
    return _ANSWER.pack(purse.balance_minor, purse.offline_sequence, limit, key.version, key.algorithm, random)


def update_capp_cache(context: Context, command: commands.UpdateCappCache) -> bytes:
    """Held until the debit; the same record again replaces what was held. Record 0 of a cyclic file is a new one; otherwise
    P1 is the record whose first byte it is, and where there is none, its number (both are seen: standards.md §1.3).
    Refuses with 6985, 6A82, 6981, 6982, 6987, 6A83, 6700, 6A84 (more than one debit can change)."""
    session = context.session
    session.advance(PurseEvent.CACHE)
    file = session.directory.by_sfi.get(command.sfi)
    if file is None:
        raise Refusal(0x6A82)
    if file.structure not in _RECORDS:
        raise Refusal(0x6981)
    if file.write == _NEVER:
        raise Refusal(0x6982)  # the log is the card's own: its record of this very purchase must not be written over
    if file.protection:
        raise Refusal(0x6987)  # ours: the cache knows no line protection
    place = (command.sfi, _record_of(context, file, command.number))
    changes = _cached_change(context, file, place[1], command.data)
    others = [change for held, change in session.capp_cache.items() if held != place]
    if not fits([*changes, *(part for held in others for part in held)], spare=_ROOM_OF_THE_DEBIT):
        raise Refusal(0x6A84)
    session.capp_cache[place] = changes
    return b""


def _record_of(context: Context, file: ElementaryFile, called: int) -> int:
    """Its number, 0 for a new one: a record may be called by number and by first byte, and is one place in the cache."""
    new = called == 0 and file.structure is Structure.CYCLIC
    return 0 if new else records.number_of(context.store, file, called)


def _cached_change(context: Context, file: ElementaryFile, number: int, data: bytes) -> list[Change]:
    if number == 0 and file.structure is Structure.CYCLIC:
        return records.append(context.store, file, data)
    return records.update(context.store, file, number, data)


def debit(context: Context, command: commands.Debit) -> bytes:
    """Answers TAC ‖ MAC2. Refuses with 6985, 9302."""
    begun = take(context, PurseEvent.CASH if command.cash else PurseEvent.DEBIT)
    file, purse = purse_of(context, PURSE_OF[begun.transaction_type])
    sequence = purse.offline_sequence
    session_key = purchase_session_key(
        begun.key,
        card_random=begun.card_random,
        offline_sequence=sequence,
        terminal_sequence=command.terminal_sequence,
        suite=begun.suite,
    )
    details: dict[str, Any] = {
        "amount_minor": begun.amount_minor,
        "transaction_type": begun.transaction_type,
        "terminal": begun.terminal,
        "date": command.date,
        "time": command.time,
    }
    if not hmac.compare_digest(command.mac1, macs.purchase_mac1(session_key, suite=begun.suite, **details)):
        raise Refusal(0x9302)
    mac2 = macs.purchase_mac2(session_key, amount_minor=begun.amount_minor, suite=begun.suite)
    tac_key, suite = transaction_key(context, KeyType.TAC_OR_INTERNAL, 0)
    tac = macs.purchase_tac(tac_key.value, terminal_sequence=command.terminal_sequence, suite=suite, **details)
    changed = purse._replace(
        balance_minor=purse.balance_minor - begun.amount_minor,
        offline_sequence=sequence + 1,
        offline_proof=proof(begun, sequence, mac2, tac),
    )
    changes = [stored(file, changed), *log(context, file, begun, sequence, changed, (command.date, command.time))]
    for held in context.session.capp_cache.values():
        changes += held
    context.session.capp_cache.clear()
    context.store.commit(changes)
    return tac + mac2
