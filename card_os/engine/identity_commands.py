"""Commands of the identity application as values, parsed once from the (reassembled) APDU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from card_os.crypto.secret import Secret
from card_os.engine.refusal import Refusal
from card_os.profile.identity import KEY_ALGORITHMS, KEY_SLOTS, KeyAlgorithm, KeySlot
from card_os.wire import identity as wire
from card_os.wire.apdu import CommandApdu
from card_os.wire.tlv import MalformedTlv, Tlv, parse


@dataclass(frozen=True, slots=True)
class Verify:
    """``pin`` None asks how things stand; ``forget`` gives the right up."""

    pin: Secret | None
    forget: bool


@dataclass(frozen=True, slots=True)
class ChangeReferenceData:
    reference: int
    old: Secret
    new: Secret


@dataclass(frozen=True, slots=True)
class ResetRetryCounter:
    puk: Secret
    pin: Secret


@dataclass(frozen=True, slots=True)
class GetData:
    tag: int


@dataclass(frozen=True, slots=True)
class PutData:
    tag: int
    content: bytes


@dataclass(frozen=True, slots=True)
class GenerateKeyPair:
    slot: KeySlot
    algorithm: KeyAlgorithm


@dataclass(frozen=True, slots=True)
class UseKey:
    """GENERAL AUTHENTICATE with a private key. ``items`` by tag."""

    slot: KeySlot
    algorithm: int
    items: Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class ManagementStep:
    """GENERAL AUTHENTICATE with the management key."""

    algorithm: int
    items: Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class GetVersion:
    pass


IdentityCommand: TypeAlias = (
    Verify
    | ChangeReferenceData
    | ResetRetryCounter
    | GetData
    | PutData
    | GenerateKeyPair
    | UseKey
    | ManagementStep
    | GetVersion
)


def parse_command(apdu: CommandApdu) -> IdentityCommand:
    """Refuses with 6D00, 6A86, 6A88, 6A80, 6700, 6A81."""
    parser = _PARSERS.get(apdu.ins)
    if parser is None:
        raise Refusal(0x6D00)
    return parser(apdu)


def _require(condition: bool, sw: int) -> None:
    if not condition:
        raise Refusal(sw)


def _objects(raw: bytes) -> tuple[Tlv, ...]:
    try:
        return parse(raw)
    except (MalformedTlv, ValueError) as problem:
        raise Refusal(0x6A80) from problem


def _verify(apdu: CommandApdu) -> IdentityCommand:
    _require(apdu.p1 in (0x00, 0xFF), 0x6A86)
    _require(apdu.p2 == wire.PIN, 0x6A88)
    forget = apdu.p1 == 0xFF
    if not apdu.data:
        return Verify(None, forget)
    _require(not forget, 0x6A86)
    _require(len(apdu.data) == wire.REFERENCE_LENGTH, 0x6A80)
    return Verify(Secret(apdu.data), False)


def _halves(apdu: CommandApdu) -> tuple[Secret, Secret]:
    _require(len(apdu.data) == 2 * wire.REFERENCE_LENGTH, 0x6A80)
    return Secret(apdu.data[: wire.REFERENCE_LENGTH]), Secret(apdu.data[wire.REFERENCE_LENGTH :])


def _change(apdu: CommandApdu) -> IdentityCommand:
    _require(apdu.p1 == 0, 0x6A86)
    _require(apdu.p2 in (wire.PIN, wire.PUK), 0x6A88)
    return ChangeReferenceData(apdu.p2, *_halves(apdu))


def _reset_retry(apdu: CommandApdu) -> IdentityCommand:
    _require(apdu.p1 == 0, 0x6A86)
    _require(apdu.p2 == wire.PIN, 0x6A88)
    return ResetRetryCounter(*_halves(apdu))


def _tag_and_rest(apdu: CommandApdu) -> tuple[int, tuple[Tlv, ...]]:
    _require((apdu.p1, apdu.p2) == (0x3F, 0xFF), 0x6A86)
    objects = _objects(apdu.data)
    _require(bool(objects) and objects[0].tag == 0x5C and 1 <= len(objects[0].value) <= 3, 0x6A80)
    return int.from_bytes(objects[0].value, "big"), objects[1:]


def _get_data(apdu: CommandApdu) -> IdentityCommand:
    tag, rest = _tag_and_rest(apdu)
    _require(not rest, 0x6A80)
    return GetData(tag)


def _put_data(apdu: CommandApdu) -> IdentityCommand:
    tag, rest = _tag_and_rest(apdu)
    _require(len(rest) == 1 and rest[0].tag == wire.CONTENT, 0x6A80)
    return PutData(tag, rest[0].value)


def _slot(reference: int) -> KeySlot:
    slot = KEY_SLOTS.get(reference)
    if slot is None:
        raise Refusal(0x6A86)
    return slot


def _generate(apdu: CommandApdu) -> IdentityCommand:
    _require(apdu.p1 == 0, 0x6A86)
    slot = _slot(apdu.p2)
    outer = _objects(apdu.data)
    _require(len(outer) == 1 and outer[0].tag == 0xAC, 0x6A80)
    inner = _objects(outer[0].value)
    _require(len(inner) == 1 and inner[0].tag == 0x80 and len(inner[0].value) == 1, 0x6A80)
    algorithm = KEY_ALGORITHMS.get(inner[0].value[0])
    if algorithm is None:
        raise Refusal(0x6A80)
    return GenerateKeyPair(slot, algorithm)


def _authenticate(apdu: CommandApdu) -> IdentityCommand:
    slot = None if apdu.p2 == wire.MANAGEMENT_KEY else _slot(apdu.p2)
    outer = _objects(apdu.data)
    _require(len(outer) == 1 and outer[0].tag == wire.TEMPLATE, 0x6A80)
    inner = _objects(outer[0].value)
    items = {item.tag: item.value for item in inner}
    _require(len(items) == len(inner), 0x6A80)
    return ManagementStep(apdu.p1, items) if slot is None else UseKey(slot, apdu.p1, items)


def _get_version(apdu: CommandApdu) -> IdentityCommand:
    _require((apdu.p1, apdu.p2) == (0, 0), 0x6A86)
    _require(not apdu.data, 0x6700)
    return GetVersion()


_PARSERS: dict[int, Callable[[CommandApdu], IdentityCommand]] = {
    0x20: _verify,
    0x24: _change,
    0x2C: _reset_retry,
    0xCB: _get_data,
    0xDB: _put_data,
    0x47: _generate,
    0x87: _authenticate,
    0xFD: _get_version,
}
