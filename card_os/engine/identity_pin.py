"""PIN and PUK of the identity application. A try is written as spent before anything is compared (see ``security``)."""

from __future__ import annotations

import hmac

from card_os.engine.context import Context
from card_os.engine.files import KEY_COUNTER_AT, Key, key_body
from card_os.engine.identity_commands import ChangeReferenceData, ResetRetryCounter, Verify
from card_os.engine.identity_state import IdentityState
from card_os.engine.refusal import Refusal
from card_os.engine.security import restore_tries, spend_try
from card_os.engine.store import Change
from card_os.profile.files import KeyType
from card_os.wire import identity as wire


def _reference(context: Context, reference: int) -> Key:
    key = context.files.key(context.session.directory, KeyType.PIN, reference)
    if key is None:
        raise Refusal(0x6A88)
    return key


def _tries_left(key: Key) -> int:
    return key.counter & 0xF


def _compare(context: Context, key: Key, presented: bytes) -> None:
    """Refuses with 6983 or 63Cx. After success the try is still spent: the caller's commit gives it back."""
    spend_try(context, key)
    if not hmac.compare_digest(presented, key.value):
        raise Refusal(0x63C0 | _tries_left(key) - 1)


def verify(context: Context, state: IdentityState, command: Verify) -> bytes:
    pin = _reference(context, wire.PIN)
    if command.forget:
        state.pin = False
    elif command.pin is None:
        if not state.pin:
            raise Refusal(0x63C0 | _tries_left(pin) if _tries_left(pin) else 0x6983)
    else:
        state.pin = False
        _compare(context, pin, command.pin)
        restore_tries(context, pin)
        state.pin = state.pin_fresh = True
    return b""


def change_reference_data(context: Context, state: IdentityState, command: ChangeReferenceData) -> bytes:
    """Old and new value; the counter comes back with the new one, in one commit."""
    key = _reference(context, command.reference)
    if command.reference == wire.PIN:
        state.pin = False
    _compare(context, key, command.old)
    context.store.commit([_replaced(key, command.new)])
    state.pin = state.pin or command.reference == wire.PIN
    return b""


def reset_retry_counter(context: Context, state: IdentityState, command: ResetRetryCounter) -> bytes:
    """The PUK's counter, the PIN and the PIN's counter change together. The PIN is not verified by it (ours)."""
    puk, pin = _reference(context, wire.PUK), _reference(context, wire.PIN)
    state.pin = False
    _compare(context, puk, command.puk)
    context.store.commit([(puk.offset + KEY_COUNTER_AT, bytes((_full(puk),))), _replaced(pin, command.pin)])
    return b""


def _full(key: Key) -> int:
    return key.counter >> 4 << 4 | key.counter >> 4


def _replaced(key: Key, value: bytes) -> Change:
    header = bytes((key.type, key.use, key.change, key.version, key.algorithm, key.next_state, _full(key)))
    return key.offset, key_body(header, value)
