"""PIN and PUK of the identity application (73 part 2 §3.2.1 to §3.2.3).

A try is written as spent before anything is compared and given back by the commit that follows success. Of several reasons
to refuse, a blocked PIN or PUK (6983) goes before a new value of the wrong form (6A80), that before a wrong old one (63Cx).
"""

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

_DIGITS = frozenset(b"0123456789")
_SHORTEST_PIN = 6


def _reference(context: Context, reference: int) -> Key:
    key = context.files.key(context.session.directory, KeyType.PIN, reference)
    if key is None:
        raise Refusal(0x6A88)
    return key


def _tries_left(key: Key) -> int:
    return key.counter & 0xF


def _require_tries(key: Key) -> None:
    if not _tries_left(key):
        raise Refusal(0x6983)


def _require_pin_form(value: bytes) -> None:
    """Six to eight ASCII digits, FF on the right (§2.4.3). A PUK is eight bytes of any kind."""
    digits = value.rstrip(b"\xff")
    if len(digits) < _SHORTEST_PIN or not _DIGITS.issuperset(digits):
        raise Refusal(0x6A80)


def _matches(context: Context, key: Key, presented: bytes) -> bool:
    """Refuses with 6983. After success the try is still spent: the caller's commit gives it back."""
    spend_try(context, key)
    return hmac.compare_digest(presented, key.value)


def _wrong(key: Key) -> Refusal:
    """``key`` as it was before the try."""
    return Refusal(0x63C0 | _tries_left(key) - 1)


def verify(context: Context, state: IdentityState, command: Verify) -> bytes:
    pin = _reference(context, wire.PIN)
    if command.forget:
        state.pin = False
    elif command.pin is None:
        _tell(pin, state)
    else:
        state.pin = _matches(context, pin, command.pin)
        if not state.pin:
            raise _wrong(pin)
        restore_tries(context, pin)
        state.pin_fresh = True
    return b""


def _tell(pin: Key, state: IdentityState) -> None:
    if not state.pin:
        _require_tries(pin)
        raise Refusal(0x63C0 | _tries_left(pin))


def change_reference_data(context: Context, state: IdentityState, command: ChangeReferenceData) -> bytes:
    """The counter comes back with the new value, in one commit. A changed PIN counts as verified, a wrong one takes the
    right away; the PUK opens nothing."""
    key = _reference(context, command.reference)
    is_pin = command.reference == wire.PIN
    _require_tries(key)
    if is_pin:
        _require_pin_form(command.new)
    right = _matches(context, key, command.old)
    if is_pin:
        state.pin = right
    if not right:
        raise _wrong(key)
    context.store.commit([_replaced(key, command.new)])
    return b""


def reset_retry_counter(context: Context, state: IdentityState, command: ResetRetryCounter) -> bytes:
    """The PUK's counter, the PIN and the PIN's counter change in one commit. A wrong PUK takes the PIN's right away; the
    right one does not give it."""
    puk, pin = _reference(context, wire.PUK), _reference(context, wire.PIN)
    _require_tries(puk)
    _require_pin_form(command.pin)
    if not _matches(context, puk, command.puk):
        state.pin = False
        raise _wrong(puk)
    context.store.commit([(puk.offset + KEY_COUNTER_AT, bytes((_full(puk),))), _replaced(pin, command.pin)])
    return b""


def _full(key: Key) -> int:
    return key.counter >> 4 << 4 | key.counter >> 4


def _replaced(key: Key, value: bytes) -> Change:
    header = bytes((key.type, key.use, key.change, key.version, key.algorithm, key.next_state, _full(key)))
    return key.offset, key_body(header, value)
