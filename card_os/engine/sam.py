"""The PSAM's side of a purchase, and its general keys: INIT FOR DESCRYPT, DES CRYPT (standards.md §3, §5.5)."""

from __future__ import annotations

import hmac
import struct

from card_os.crypto import purse as macs
from card_os.crypto.mac import fold, retail_mac
from card_os.crypto.purse import TransactionType
from card_os.crypto.session import purchase_session_key
from card_os.crypto.suites import MAC_LENGTH, SUITES, TRIPLE_DES
from card_os.engine import commands
from card_os.engine.context import Context
from card_os.engine.files import ElementaryFile, Key, key_types
from card_os.engine.refusal import Refusal
from card_os.engine.security import require_key, suite_of
from card_os.engine.state import SamKey, SamTransaction
from card_os.profile.files import SamUse, sam_usage
from card_os.wire.identifiers import SFI_SAM_TERMINAL, SFI_SAM_TRANSACTION_NUMBER

_NUMBER = struct.Struct(">I")
_USE = 0x1F  # of the usage byte
CRYPTOGRAM = 8
_ENCRYPTING = frozenset({SamUse.ENCRYPTION, SamUse.MAC_AND_ENCRYPTION})
_AUTHENTICATING = frozenset({SamUse.TAC, SamUse.MAC, SamUse.MAC_AND_ENCRYPTION})
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
        suite.child(master.value, command.factors[::-1]),
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
    usage = sam_usage(SamUse.PURCHASE, len(command.factors))
    if command.algorithm in SUITES:
        for key_id in key_types(directory, usage):
            key = require_key(context, directory, usage, key_id)
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
    """INIT FOR DESCRYPT: the child of a master at the factors, the one that comes last first (standards.md §2.5). Refuses with
    6A88, 6982, 6985 (a purchase key computes nothing but MAC1; ours: one for MAC and encryption, as the social-internal
    master is, computes on what somebody chooses under a session key only)."""
    master = require_key(context, context.session.directory, command.usage, command.key_id)
    suite, use = suite_of(master), SamUse(command.usage & _USE)
    if use is SamUse.PURCHASE or (use is SamUse.MAC_AND_ENCRYPTION and not command.random):
        raise Refusal(0x6985)
    child = suite.child(master.value, command.factors[::-1])
    if use is SamUse.TAC:
        if suite is not TRIPLE_DES:
            raise Refusal(0x6985)  # ours: nothing says how another suite's TAC is made in steps
        child = fold(child)
    context.session.sam_key = SamKey(suite.session_key(child, command.random) if command.random else child, suite, use)
    return b""


def encrypt(context: Context, command: commands.SamEncrypt) -> bytes:
    """DES CRYPT 00. Eight bytes are an authentication's, of whatever suite; more are whole blocks. Refuses with 6985 where no
    session was begun or its key does not encrypt, 6700."""
    key = _key_for(context, _ENCRYPTING)
    if len(command.data) == CRYPTOGRAM:
        return key.suite.cryptogram(key.value, command.data)
    if len(command.data) % key.suite.block:
        raise Refusal(0x6700)
    return key.suite.encrypt(key.value, command.data)


def mac(context: Context, command: commands.SamMac) -> bytes:
    """DES CRYPT 05, 3DES only: ISO/IEC 9797-1 algorithm 3, or algorithm 1 where the key has 8 bytes (a folded TAC key, a
    session key); the left 4 bytes. Refuses with 6985."""
    key = _key_for(context, _AUTHENTICATING)
    if key.suite is not TRIPLE_DES:
        raise Refusal(0x6985)
    return retail_mac(key.value, command.blocks, command.iv)[:MAC_LENGTH]


def _key_for(context: Context, uses: frozenset[SamUse]) -> SamKey:
    key = context.session.sam_key
    if key is None or key.use not in uses:
        raise Refusal(0x6985)
    return key
