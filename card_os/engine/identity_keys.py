"""GENERATE ASYMMETRIC KEY PAIR and GENERAL AUTHENTICATE (73 part 2 §3.3.2, §3.2.4)."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from card_os.crypto import asymmetric
from card_os.crypto.block import BLOCK_CIPHERS, BlockCipher
from card_os.crypto.secret import Secret
from card_os.engine.context import Context
from card_os.engine.identity_commands import GenerateKeyPair, ManagementStep, UseKey
from card_os.engine.identity_state import IdentityState, Proof
from card_os.engine.identity_store import ObjectStore
from card_os.engine.keymaker import KeyMaker
from card_os.engine.refusal import Refusal
from card_os.profile.files import KeyType
from card_os.profile.identity import KeyAlgorithm, KeySlot, PinPolicy
from card_os.wire import identity as wire
from card_os.wire.tlv import Tlv, encode_all


def _make_rsa(maker: KeyMaker) -> bytes:
    half = KeyAlgorithm.RSA_2048.private_length // 2
    return b"".join([prime.to_bytes(half, "big") for prime in maker.rsa_2048()])


def _make_p256(maker: KeyMaker) -> bytes:
    return maker.p256().to_bytes(KeyAlgorithm.P_256.private_length, "big")


def _rsa_public(key: bytes) -> tuple[Tlv, ...]:
    exponent = asymmetric.PUBLIC_EXPONENT.to_bytes(3, "big")
    return Tlv(wire.MODULUS, asymmetric.rsa_modulus(key)), Tlv(wire.EXPONENT, exponent)


def _p256_public(key: bytes) -> tuple[Tlv, ...]:
    return (Tlv(wire.POINT, asymmetric.p256_point(key)),)


@dataclass(frozen=True, slots=True)
class _Operations:
    """``agree`` None: the algorithm has no key agreement."""

    make: Callable[[KeyMaker], bytes]
    public: Callable[[bytes], tuple[Tlv, ...]]
    answer: Callable[[bytes, bytes], bytes]
    agree: Callable[[bytes, bytes], bytes] | None


_OPERATIONS = {
    KeyAlgorithm.RSA_2048: _Operations(_make_rsa, _rsa_public, asymmetric.rsa_private, None),
    KeyAlgorithm.P_256: _Operations(_make_p256, _p256_public, asymmetric.p256_sign, asymmetric.p256_agree),
}


def generate(context: Context, objects: ObjectStore, command: GenerateKeyPair) -> bytes:
    """The new pair takes the place of the old one at once. Refuses with 6A81 on a card without a key maker."""
    if context.key_maker is None:
        raise Refusal(0x6A81)
    operations, identifier = _OPERATIONS[command.algorithm], command.algorithm.identifier
    assert identifier is not None, "the parser knows no algorithm without identifier"
    private = operations.make(context.key_maker)
    objects.write(command.slot.reference, bytes((identifier,)) + private)
    return Tlv(wire.PUBLIC_KEY, encode_all(operations.public(private))).encode()


def use(objects: ObjectStore, state: IdentityState, *, fresh: bool, command: UseKey) -> bytes:
    """Refuses with 6A86 (no such key or algorithm), 6982 (PIN), 6A80 (data)."""
    stored = objects.read(command.slot.reference)
    if stored is None or stored[0] != command.algorithm:
        raise Refusal(0x6A86)
    _require_pin(command.slot, state, fresh=fresh)
    operation, data = _operation(command, stored[0])
    try:
        answer = operation(Secret(stored[1:]), data)
    except ValueError as problem:
        raise Refusal(0x6A80) from problem
    return _template(Tlv(wire.RESPONSE, answer))


def _require_pin(slot: KeySlot, state: IdentityState, *, fresh: bool) -> None:
    satisfied = {PinPolicy.NEVER: True, PinPolicy.ONCE: state.pin, PinPolicy.ALWAYS: state.pin and fresh}
    if not satisfied[slot.pin]:
        raise Refusal(0x6982)


def _operation(command: UseKey, identifier: int) -> tuple[Callable[[bytes, bytes], bytes], bytes]:
    operations = next(found for row, found in _OPERATIONS.items() if row.identifier == identifier)
    items = dict(command.items)
    if items.pop(wire.RESPONSE, None) != b"" or len(items) != 1:
        raise Refusal(0x6A80)
    ((tag, data),) = items.items()
    if tag == wire.CHALLENGE:
        return operations.answer, data
    if tag == wire.EXPONENTIATION and operations.agree is not None and command.slot.agrees:
        return operations.agree, data
    raise Refusal(0x6A80)


def _template(item: Tlv) -> bytes:
    return Tlv(wire.TEMPLATE, item.encode()).encode()


def manage(context: Context, state: IdentityState, command: ManagementStep) -> bytes:
    """Single (81, then 82) or mutual (80, then 80 and 81) authentication. The card encrypts nothing chosen by the host
    before the host has proved itself. Refuses with 6A86, 6982, 6A80."""
    pending, state.pending = state.pending, None
    cipher, key = _management_key(context, command.algorithm)
    given = {tag for tag, value in command.items.items() if value}
    asked = command.items.keys() - given
    if not given and asked in ({wire.CHALLENGE}, {wire.WITNESS}):
        return _give(context, state, cipher, key, witness=asked == {wire.WITNESS})
    if given == {wire.RESPONSE} and not asked:
        expected = None if pending is None or pending[0] is not Proof.CHALLENGE else cipher.encrypt(key, pending[1])
        _prove(state, command.items[wire.RESPONSE], expected)
        return b""
    if given == {wire.WITNESS, wire.CHALLENGE} and asked <= {wire.RESPONSE}:
        return _prove_and_answer(state, pending, cipher, key, command.items)
    raise Refusal(0x6A80)


def _management_key(context: Context, algorithm: int) -> tuple[BlockCipher, Secret]:
    key = context.files.key(context.session.directory, KeyType.EXTERNAL, wire.MANAGEMENT_KEY)
    cipher = None if key is None else BLOCK_CIPHERS.get(key.algorithm)
    if key is None or cipher is None or algorithm not in cipher.identifiers:
        raise Refusal(0x6A86)
    return cipher, Secret(key.value)


def _give(context: Context, state: IdentityState, cipher: BlockCipher, key: Secret, *, witness: bool) -> bytes:
    value = context.random(cipher.block)
    state.pending = (Proof.WITNESS if witness else Proof.CHALLENGE, value)
    if witness:
        return _template(Tlv(wire.WITNESS, cipher.encrypt(key, value)))
    return _template(Tlv(wire.CHALLENGE, value))


def _prove(state: IdentityState, presented: bytes, expected: bytes | None) -> None:
    state.manager = expected is not None and hmac.compare_digest(presented, expected)
    if not state.manager:
        raise Refusal(0x6982)


def _prove_and_answer(
    state: IdentityState,
    pending: tuple[Proof, bytes] | None,
    cipher: BlockCipher,
    key: Secret,
    items: Mapping[int, bytes],
) -> bytes:
    if len(items[wire.CHALLENGE]) != cipher.block:
        raise Refusal(0x6A80)
    _prove(state, items[wire.WITNESS], pending[1] if pending and pending[0] is Proof.WITNESS else None)
    return _template(Tlv(wire.RESPONSE, cipher.encrypt(key, items[wire.CHALLENGE])))
