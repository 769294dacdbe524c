"""Access rights, tries, PIN, authentication and line protection.

A try is written as spent before anything is compared and given back after success: a card torn in between has lost a try,
never won one.
"""

from __future__ import annotations

import hmac

from card_os.crypto.authentication import external_cryptogram, social_cryptogram, whole_cryptogram
from card_os.crypto.secret import Secret
from card_os.crypto.secure_messaging import LineProtectionFailed, deciphered, without_mac
from card_os.crypto.suites import MAC_LENGTH, SM4, SUITES, Suite
from card_os.engine import commands
from card_os.engine.context import Context
from card_os.engine.files import KEY_COUNTER_AT, Directory, Key, key_body
from card_os.engine.refusal import Refusal
from card_os.profile.access import allows
from card_os.profile.files import KeyType
from card_os.profile.personalisation import PIN_LENGTHS
from card_os.wire.apdu import CommandApdu

_UNCOUNTED = 0xFF


def require_access(context: Context, access: int) -> None:
    """Refuses with 6982."""
    session = context.session
    if not allows(access, own_state=session.own_state, card_state=session.card_state):
        raise Refusal(0x6982)


def require_key(context: Context, directory: Directory, key_type: int, key_id: int, *, missing: int = 0x6A88) -> Key:
    """Refuses with ``missing``, and with 6982 where the key's use is not allowed."""
    key = context.files.key(directory, key_type, key_id)
    if key is None:
        raise Refusal(missing)
    require_access(context, key.use)
    return key


def suite_of(key: Key) -> Suite:
    """Refuses with 6985 where the key's algorithm byte names none."""
    suite = SUITES.get(key.algorithm)
    if suite is None:
        raise Refusal(0x6985)
    return suite


def get_challenge(context: Context, length: int) -> bytes:
    context.session.challenge = context.random(length)
    return context.session.challenge


def spend_try(context: Context, key: Key) -> None:
    """Refuses with 6983 where none is left."""
    if key.counter == _UNCOUNTED:
        return
    if not key.counter & 0xF:
        raise Refusal(0x6983)
    context.store.commit([(key.offset + KEY_COUNTER_AT, bytes((key.counter - 1,)))])


def _restored(key: Key) -> int:
    return key.counter if key.counter == _UNCOUNTED else key.counter >> 4 << 4 | key.counter >> 4


def restore_tries(context: Context, key: Key) -> None:
    if key.counter != _UNCOUNTED:
        context.store.commit([(key.offset + KEY_COUNTER_AT, bytes((_restored(key),)))])


def _wrong(key: Key) -> Refusal:
    return Refusal(0x6300 if key.counter == _UNCOUNTED else 0x63C0 | (key.counter & 0xF) - 1)


def _compare(context: Context, key: Key, presented: bytes, expected: bytes) -> None:
    spend_try(context, key)
    if not hmac.compare_digest(presented, expected):
        raise _wrong(key)
    restore_tries(context, key)


def _reach(context: Context, state: int) -> None:
    session = context.session
    session.own_state = state
    if session.directory is context.files.master_file:
        session.card_state = state


def verify(context: Context, command: commands.Verify) -> bytes:
    pin = require_key(context, context.session.directory, KeyType.PIN, command.key_id)
    _compare(context, pin, command.pin, pin.value)
    _reach(context, pin.next_state)
    return b""


def change_pin(context: Context, command: commands.ChangePin) -> bytes:
    pin = require_key(context, context.session.directory, KeyType.PIN, command.key_id)
    _compare(context, pin, command.old, pin.value)
    _replace_pin(context, pin, command.new)
    return b""


def reload_pin(context: Context, command: commands.ReloadPin) -> bytes:
    """RELOAD PIN: the MAC over the new PIN is computed as a TAC is: with 3DES single DES under left ⊕ right of the reload
    key (standards.md §1.1)."""
    pin = require_key(context, context.session.directory, KeyType.PIN, command.key_id)
    key = require_key(context, context.session.directory, KeyType.PIN_RELOAD, 0)
    _compare(context, key, command.mac, suite_of(key).tac(key.value, command.pin))
    _replace_pin(context, pin, command.pin)
    return b""


def _replace_pin(context: Context, pin: Key, value: Secret) -> None:
    header = bytes((pin.type, pin.use, pin.change, pin.version, pin.algorithm, pin.next_state, _restored(pin)))
    context.store.commit([(pin.offset, key_body(header, value))])


def external_authenticate(context: Context, command: commands.ExternalAuthenticate) -> bytes:
    """Four forms (standards.md §1.1, §2.6, §5.5): 8 bytes with either suite; 16 bytes are C ‖ R2 with 3DES and the whole
    cryptogram with SM4. Refuses with 6A88, 6982, 6985, 6984, 6983, 63Cx."""
    key = require_key(context, context.session.directory, KeyType.EXTERNAL, command.key_id)
    suite = suite_of(key)
    challenge = fresh_challenge(context, suite)
    presented = command.cryptogram
    if not command.second:
        expected = external_cryptogram(key.value, challenge, suite=suite)
    elif suite is SM4:
        presented += command.second
        expected = whole_cryptogram(key.value, challenge.ljust(suite.block, b"\x00"))
    else:
        expected = social_cryptogram(key.value, first=challenge.ljust(8, b"\x00"), second=command.second)
    _compare(context, key, presented, expected)
    _reach(context, key.next_state)
    return b""


def internal_authenticate(context: Context, command: commands.InternalAuthenticate) -> bytes:
    directory = context.session.directory
    key = require_key(context, directory, KeyType.TAC_OR_INTERNAL, command.key_id)
    if directory.purses:
        raise Refusal(0x6985)  # there 34 is the TAC key, which must sign nothing but transactions
    return social_cryptogram(key.value, first=command.first, second=command.second, suite=suite_of(key))


def internal_compute(context: Context, command: commands.InternalCompute) -> bytes:
    """Whole blocks enciphered or deciphered, or a MAC of 4 bytes as line protection has it with an IV of zeros (ours: FMCOS
    does not say how it pads). Refuses with 6A88, 6982, 6985, 6700."""
    key = require_key(context, context.session.directory, KeyType.TAC_OR_INTERNAL, command.key_id)
    suite = suite_of(key)
    if command.computation is commands.Computation.MAC:
        return suite.line_mac(key.value, command.data, b"")
    if len(command.data) % suite.block:
        raise Refusal(0x6700)
    compute = suite.encrypt if command.computation is commands.Computation.ENCRYPT else suite.decrypt
    return compute(key.value, command.data)


def unblock_pin(context: Context, command: commands.UnblockPin) -> bytes:
    """The enciphered PIN becomes the PIN, with all its tries. Refuses with 6984, 6A88, 6987, 6983, 6988, 6A80."""
    directory = context.session.directory
    pin = require_key(context, directory, KeyType.PIN, command.key_id)
    body, key = unprotected(context, directory, command.secured, KeyType.PIN_UNBLOCK)
    value = decipher(key, body)
    if len(value) not in PIN_LENGTHS:
        raise Refusal(0x6A80)
    _replace_pin(context, pin, value)
    return b""


def line_key(context: Context) -> Key:
    """The selected DF's. Refuses with 6A88."""
    return require_key(context, context.session.directory, KeyType.LINE_PROTECTION, 0)


def decipher(key: Key, cryptogram: bytes) -> Secret:
    """Refuses with 6988."""
    try:
        return deciphered(key.value, cryptogram, suite=suite_of(key))
    except LineProtectionFailed as failure:
        raise Refusal(0x6988) from failure


def unprotected(
    context: Context, directory: Directory, command: CommandApdu, key_type: KeyType = KeyType.LINE_PROTECTION
) -> tuple[bytes, Key]:
    """The data before the MAC, and key 00 of that type in ``directory``, which made it. Refuses with 6A88, 6982, 6984, 6987,
    6983, 6988. The MAC is checked before anything is deciphered."""
    key = require_key(context, directory, key_type, 0)
    suite = suite_of(key)
    challenge = fresh_challenge(context, suite)
    if len(command.data) < MAC_LENGTH:
        raise Refusal(0x6987)
    spend_try(context, key)
    try:
        body = without_mac(command, key.value, challenge=challenge, suite=suite)
    except LineProtectionFailed as failure:
        raise Refusal(0x6988) from failure
    restore_tries(context, key)
    return body, key


def fresh_challenge(context: Context, suite: Suite) -> bytes:
    """What the command before gave out. Refuses with 6984 where it gave none, or one of 16 bytes and the key is no SM4 key."""
    if not 0 < len(context.challenge) <= suite.block:
        raise Refusal(0x6984)
    return context.challenge
