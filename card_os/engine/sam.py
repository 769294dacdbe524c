"""The PSAM's side of a purchase, and the hospital PSAM's session (standards.md §3, §5.5)."""

from __future__ import annotations

import hmac
import struct

from card_os.crypto import purse as macs
from card_os.crypto.purse import TransactionType
from card_os.crypto.session import purchase_session_key
from card_os.crypto.suites import SUITES
from card_os.engine import commands
from card_os.engine.context import Context
from card_os.engine.files import ElementaryFile, Key, key_types
from card_os.engine.refusal import Refusal
from card_os.engine.security import require_key, suite_of
from card_os.engine.state import SamTransaction
from card_os.profile.files import KeyType
from card_os.wire.identifiers import SFI_SAM_TERMINAL, SFI_SAM_TRANSACTION_NUMBER

_NUMBER = struct.Struct(">I")
_LAST_NUMBER = 0xFFFFFFFF
_TYPES = frozenset(
    {
        TransactionType.DEPOSIT_CASH,
        TransactionType.DEPOSIT_PURCHASE,
        TransactionType.PURCHASE,
        TransactionType.COMPOUND,
    }
)


def initialize(context: Context, command: commands.SamInitialize) -> bytes:
    """Answers terminal sequence ‖ MAC1. The number moves only when CREDIT SAM FOR PURCHASE has seen the right MAC2.
    Refuses with 6A80 (type), 9403 (key version, algorithm), 6A82, 9402."""
    if command.transaction_type not in _TYPES:
        raise Refusal(0x6A80)
    master = _purchase_master(context, command)
    suite = SUITES[master.algorithm]
    number = _NUMBER.unpack(_read(context, _number_file(context)))[0]
    if number == _LAST_NUMBER:
        raise Refusal(0x9402)
    session_key = purchase_session_key(
        suite.child(master.value, (command.issuer, command.serial)),
        card_random=command.card_random,
        offline_sequence=command.offline_sequence,
        terminal_sequence=number,
        suite=suite,
    )
    mac1 = macs.purchase_mac1(
        session_key,
        amount_minor=command.amount_minor,
        transaction_type=command.transaction_type,
        terminal=_terminal(context),
        date=command.date,
        time=command.time,
        suite=suite,
    )
    mac2 = macs.purchase_mac2(session_key, amount_minor=command.amount_minor, suite=suite)
    context.session.sam = SamTransaction(mac2, number)
    return _NUMBER.pack(number) + mac1


def _purchase_master(context: Context, command: commands.SamInitialize) -> Key:
    directory = context.session.directory
    if command.algorithm in SUITES:
        for key_id in key_types(directory, KeyType.SAM_PURCHASE):
            key = require_key(context, directory, KeyType.SAM_PURCHASE, key_id)
            if (key.version, key.algorithm) == (command.key_version, command.algorithm):
                return key
    raise Refusal(0x9403)


def _number_file(context: Context) -> ElementaryFile:
    return _present(context.session.directory.by_sfi.get(SFI_SAM_TRANSACTION_NUMBER))


def _terminal(context: Context) -> bytes:
    return _read(context, _present(context.files.master_file.by_sfi.get(SFI_SAM_TERMINAL)))


def _present(file: ElementaryFile | None) -> ElementaryFile:
    if file is None:
        raise Refusal(0x6A82)
    return file


def _read(context: Context, file: ElementaryFile) -> bytes:
    return context.store.read(file.offset, file.size)


def credit(context: Context, command: commands.SamCredit) -> bytes:
    """Refuses with 6985, 9302; either way the transaction is over."""
    begun, context.session.sam = context.session.sam, None
    if begun is None:
        raise Refusal(0x6985)
    if not hmac.compare_digest(command.mac2, begun.mac2):
        raise Refusal(0x9302)
    context.store.commit([(_number_file(context).offset, _NUMBER.pack(begun.number + 1))])
    return b""


def begin_session(context: Context, command: commands.SamSession) -> bytes:
    """SESK = 3DES(child of the master at city, then card, random)."""
    master = require_key(context, context.session.directory, KeyType.SAM_SESSION, command.key_id)
    suite = suite_of(master)
    child = suite.child(master.value, (command.city_factor, command.card_factor))
    context.session.sam_key = suite.session_key(child, command.random), suite
    return b""


def encrypt(context: Context, command: commands.SamEncrypt) -> bytes:
    """Refuses with 6985 where no session was begun."""
    if context.session.sam_key is None:
        raise Refusal(0x6985)
    key, suite = context.session.sam_key
    return suite.cryptogram(key, command.data)
