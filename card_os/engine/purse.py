"""The electronic purse: load, purchase, compound purchase, prove (standards.md §1.2, §1.3, §2).

Body of the purse file: balance4 onlineSequence2 offlineSequence2, then the last load and the last purchase as
``done1 type1 sequence2 mac4 tac4``, padded to 34 bytes. Each transaction is one commit: purse, log record and the cached
compound records change together.
"""

from __future__ import annotations

import hmac
import struct
from typing import Any, NamedTuple

from card_os.crypto import purse as macs
from card_os.crypto.purse import TransactionType
from card_os.crypto.secret import Secret
from card_os.crypto.session import load_session_key, purchase_session_key
from card_os.crypto.suites import Algorithm
from card_os.engine import commands, records
from card_os.engine.context import Context
from card_os.engine.files import ElementaryFile, Key
from card_os.engine.refusal import Refusal
from card_os.engine.security import require_access, require_key
from card_os.engine.state import PurseEvent, PurseTransaction
from card_os.engine.store import Change
from card_os.profile.access import Level, access_byte
from card_os.profile.files import KeyType, Structure

_PURSE = struct.Struct(">IHH12s12s2x")
_PROOF = struct.Struct(">BBH4s4s")
_LOAD_ANSWER = struct.Struct(">IHBB4s4s")
_PURCHASE_ANSWER = struct.Struct(">IH3xBB4s")
_LOG = struct.Struct(">H3xIB6s4s3s")
_LAST_SEQUENCE = 0xFFFF
_NEVER = access_byte(Level.NEVER)
_RANDOM = 4
_TOTAL, _ACTUAL = 0, 3


class Purse(NamedTuple):
    """The body as stored. The proofs are kept packed: only GET TRANSACTION PROVE looks into them."""

    balance_minor: int
    online_sequence: int
    offline_sequence: int
    load_proof: bytes
    purchase_proof: bytes


def _purse(context: Context) -> tuple[ElementaryFile, Purse]:
    """Refuses with 6A82 where the DF has no purse, 9303 or 6985 where it is locked."""
    directory = context.session.directory
    file = directory.purse
    if file is None:
        raise Refusal(0x6A82)
    context.require_open(directory)
    return file, Purse._make(_PURSE.unpack(context.store.read(file.offset, _PURSE.size)))


def get_balance(context: Context, command: commands.GetBalance) -> bytes:
    """There is no overdraft: its limit and use are 0."""
    _, purse = _purse(context)
    value = purse.balance_minor if command.value in (_TOTAL, _ACTUAL) else 0
    return value.to_bytes(4, "big")


def _key(context: Context, key_type: KeyType, key_id: int) -> Key:
    key = require_key(context, context.session.directory, key_type, key_id, missing=0x9403)
    if key.algorithm != Algorithm.TRIPLE_DES:
        raise Refusal(0x9403)
    return key


def initialize_for_load(context: Context, command: commands.InitializeForLoad) -> bytes:
    """Amount 0 tells the counters and needs no PIN (ours). Refuses with 6982, 9403, 6A84 (limit), 9402."""
    file, purse = _purse(context)
    if command.amount_minor:
        require_access(context, file.write)
    key = _key(context, KeyType.LOAD, command.key_id)
    _require_room(file, purse, command.amount_minor)
    _require_sequence(purse.online_sequence)
    random = context.random(_RANDOM)
    session_key = load_session_key(key.value, card_random=random, online_sequence=purse.online_sequence)
    mac1 = macs.load_mac1(
        session_key,
        balance_minor=purse.balance_minor,
        amount_minor=command.amount_minor,
        transaction_type=TransactionType.LOAD,
        terminal=command.terminal,
    )
    _begin(context, PurseEvent.INITIALIZE_LOAD, command, TransactionType.LOAD, random, session_key)
    return _LOAD_ANSWER.pack(purse.balance_minor, purse.online_sequence, key.version, key.algorithm, random, mac1)


def _require_room(file: ElementaryFile, purse: Purse, amount_minor: int) -> None:
    if purse.balance_minor + amount_minor > file.extra:
        raise Refusal(0x6A84)


def _require_sequence(sequence: int) -> None:
    if sequence == _LAST_SEQUENCE:
        raise Refusal(0x9402)


def _begin(
    context: Context,
    event: PurseEvent,
    command: commands.InitializeForLoad | commands.InitializeForPurchase,
    transaction_type: TransactionType,
    random: bytes,
    key: Secret,
) -> None:
    session = context.session
    session.drop_transactions()
    session.advance(event)
    session.transaction = PurseTransaction(command.amount_minor, command.terminal, transaction_type, random, key)


def credit_for_load(context: Context, command: commands.CreditForLoad) -> bytes:
    """Answers the TAC. Refuses with 6985, 9302."""
    begun = _take(context, PurseEvent.CREDIT)
    file, purse = _purse(context)
    details: dict[str, Any] = {
        "amount_minor": begun.amount_minor,
        "transaction_type": begun.transaction_type,
        "terminal": begun.terminal,
        "date": command.date,
        "time": command.time,
    }
    if not hmac.compare_digest(command.mac2, macs.load_mac2(begun.key, **details)):
        raise Refusal(0x9302)
    balance = purse.balance_minor + begun.amount_minor
    tac_key = _key(context, KeyType.TAC_OR_INTERNAL, 0)
    tac = macs.load_tac(tac_key.value, new_balance_minor=balance, online_sequence=purse.online_sequence, **details)
    proof = _PROOF.pack(1, begun.transaction_type, purse.online_sequence, command.mac2, tac)
    changed = purse._replace(balance_minor=balance, online_sequence=purse.online_sequence + 1, load_proof=proof)
    log = _log(context, file, begun, purse.online_sequence, command)
    context.store.commit([(file.offset, _PURSE.pack(*changed)), *log])
    return tac


def initialize_for_purchase(context: Context, command: commands.InitializeForPurchase) -> bytes:
    """Refuses with 9403, 9401, 9402."""
    _, purse = _purse(context)
    key = _key(context, KeyType.PURCHASE, command.key_id)
    if command.amount_minor > purse.balance_minor:
        raise Refusal(0x9401)
    _require_sequence(purse.offline_sequence)
    random = context.random(_RANDOM)
    event = PurseEvent.INITIALIZE_COMPOUND if command.compound else PurseEvent.INITIALIZE_PURCHASE
    kind = TransactionType.COMPOUND if command.compound else TransactionType.PURCHASE
    _begin(context, event, command, kind, random, Secret(key.value))
    return _PURCHASE_ANSWER.pack(purse.balance_minor, purse.offline_sequence, key.version, key.algorithm, random)


def update_capp_cache(context: Context, command: commands.UpdateCappCache) -> bytes:
    """Held until the debit. Record 0 of a cyclic file is a new one. Refuses with 6985, 6A82, 6982, 6A83, 6700."""
    session = context.session
    session.advance(PurseEvent.CACHE)
    file = session.directory.by_sfi.get(command.sfi)
    if file is None:
        raise Refusal(0x6A82)
    if file.write == _NEVER:
        raise Refusal(0x6982)  # the log is the card's own: its record of this very purchase must not be written over
    _cached_change(context, command.sfi, command.number, command.data)
    session.capp_cache[command.sfi, command.number] = command.data
    return b""


def _cached_change(context: Context, sfi: int, number: int, data: bytes) -> list[Change]:
    file = context.session.directory.by_sfi[sfi]
    if number == 0 and file.structure is Structure.CYCLIC:
        return records.append(context.store, file, data)
    if file.structure is Structure.TRANSPARENT:
        raise Refusal(0x6981)
    return records.update(context.store, file, number, data)


def debit(context: Context, command: commands.Debit) -> bytes:
    """Answers TAC ‖ MAC2. Refuses with 6985, 9302."""
    begun = _take(context, PurseEvent.DEBIT)
    file, purse = _purse(context)
    session_key = purchase_session_key(
        begun.key,
        card_random=begun.card_random,
        offline_sequence=purse.offline_sequence,
        terminal_sequence=command.terminal_sequence,
    )
    details: dict[str, Any] = {
        "amount_minor": begun.amount_minor,
        "transaction_type": begun.transaction_type,
        "terminal": begun.terminal,
        "date": command.date,
        "time": command.time,
    }
    if not hmac.compare_digest(command.mac1, macs.purchase_mac1(session_key, **details)):
        raise Refusal(0x9302)
    mac2 = macs.purchase_mac2(session_key, amount_minor=begun.amount_minor)
    tac_key = _key(context, KeyType.TAC_OR_INTERNAL, 0)
    tac = macs.purchase_tac(tac_key.value, terminal_sequence=command.terminal_sequence, **details)
    proof = _PROOF.pack(1, begun.transaction_type, purse.offline_sequence, mac2, tac)
    changed = purse._replace(
        balance_minor=purse.balance_minor - begun.amount_minor,
        offline_sequence=purse.offline_sequence + 1,
        purchase_proof=proof,
    )
    changes = [(file.offset, _PURSE.pack(*changed)), *_log(context, file, begun, purse.offline_sequence, command)]
    for (sfi, number), data in context.session.capp_cache.items():
        changes += _cached_change(context, sfi, number, data)
    context.session.capp_cache.clear()
    context.store.commit(changes)
    return tac + mac2


def _take(context: Context, event: PurseEvent) -> PurseTransaction:
    """The begun transaction; it is over whatever comes of ``event``."""
    session = context.session
    session.advance(event)
    begun, session.transaction = session.transaction, None
    assert begun is not None, "a state that allows this event has a transaction"
    return begun


def _log(
    context: Context,
    file: ElementaryFile,
    begun: PurseTransaction,
    sequence: int,
    command: commands.CreditForLoad | commands.Debit,
) -> list[Change]:
    log = context.session.directory.by_sfi.get(file.count)
    if log is None:
        return []
    record = _LOG.pack(sequence, begun.amount_minor, begun.transaction_type, begun.terminal, command.date, command.time)
    return records.append(context.store, log, record)


def get_transaction_prove(context: Context, command: commands.GetTransactionProve) -> bytes:
    """MAC2 ‖ TAC of the last load or the last purchase, if it is the one asked for; otherwise 9406."""
    _, purse = _purse(context)
    is_load = command.transaction_type == TransactionType.LOAD
    done, kind, sequence, mac, tac = _PROOF.unpack(purse.load_proof if is_load else purse.purchase_proof)
    if not done or (kind, sequence) != (command.transaction_type, command.sequence):
        raise Refusal(0x9406)
    return bytes(mac + tac)
