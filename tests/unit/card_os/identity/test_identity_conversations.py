"""Conversations with the identity application as data: command, expected status, expected data, why."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from card_os.profile.identity import DISCOVERY, PROPERTIES
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from card_os.wire import identity as wire
from card_os.wire.apdu import CommandApdu
from card_os.wire.tlv import Tlv

PIN, PUK, NEW, WRONG = (wire.padded(text) for text in ("123456", "12345678", "654321", "000000"))
CHUID, PRINTED, CERTIFICATE = 0x5FC102, 0x5FC109, 0x5FC105
DIGEST = bytes(range(32))


@dataclass(frozen=True)
class Step:
    command: CommandApdu
    sw: int
    why: str
    data: bytes | None = None


@dataclass(frozen=True)
class Managed:
    """Prove the management key."""


MANAGED = Managed()


def raw(text: str) -> CommandApdu:
    return CommandApdu.parse(bytes.fromhex(text))


def steps(parts: tuple[CommandApdu, ...], sw: int, why: str) -> tuple[Step, ...]:
    return *(Step(part, 0x9000, f"{why}: chained") for part in parts[:-1]), Step(parts[-1], sw, why)


def put(tag: int, content: bytes, sw: int, why: str) -> tuple[Step, ...]:
    return steps(wire.put_data(tag, content), sw, why)


def sign(slot: int, sw: int, why: str, *, algorithm: int = 0x11, data: bytes = DIGEST) -> tuple[Step, ...]:
    return steps(wire.sign(algorithm, slot, data), sw, why)


def step_generate(slot: int, algorithm: int) -> Step:
    return Step(wire.generate_key_pair(slot, algorithm), 0x9000, f"key pair in {slot:02X}")


SELECT = Step(cmd.select_name(wire.IDENTITY_AID), 0x9000, "select", PROPERTIES)
RIGHT = Step(wire.verify(PIN), 0x9000, "right PIN")
ASK = wire.verify(None)

CONVERSATIONS: dict[str, tuple[Step | Managed, ...]] = {
    "selecting": (
        SELECT,
        Step(cmd.select_name(wire.IDENTITY_AID[:9]), 0x9000, "without version", PROPERTIES),
        Step(cmd.select_name(wire.IDENTITY_AID[:5]), 0x9000, "as Yubico's tools do", PROPERTIES),
        RIGHT,
        SELECT,
        Step(ASK, 0x9000, "selecting it again takes nothing away"),
        Step(cmd.select_name(b"UNKNOWN"), 0x6A82, "no such application"),
        Step(ASK, 0x9000, "and it stays selected"),
        Step(cmd.select_fid(names.MASTER_FILE), 0x9000, "another one"),
        SELECT,
        Step(ASK, 0x63C3, "does"),
    ),
    "the card says what it is": (
        Step(wire.get_data(0x7E), 0x9000, "discovery object", DISCOVERY),
        Step(wire.GET_VERSION, 0x9000, "Yubico's version", bytes((1, 0, 0))),
    ),
    "verifying": (
        Step(ASK, 0x63C3, "not verified, three tries"),
        Step(wire.verify(WRONG), 0x63C2, "wrong"),
        Step(ASK, 0x63C2, "asking costs nothing"),
        RIGHT,
        Step(ASK, 0x9000, "verified"),
        Step(raw("0020FF80"), 0x9000, "given up"),
        Step(ASK, 0x63C3, "tries are back"),
        RIGHT,
        Step(wire.verify(WRONG), 0x63C2, "a wrong one"),
        Step(ASK, 0x63C2, "takes the right away"),
        Step(raw("0020000008" + PIN.hex()), 0x6A88, "there is no global PIN"),
        Step(raw("0020018008" + PIN.hex()), 0x6A86, "P1"),
        Step(raw("0020FF8008" + PIN.hex()), 0x6A86, "giving up with data"),
        Step(raw("0020008006" + PIN.hex()[:12]), 0x6A80, "not padded"),
        Step(ASK, 0x63C2, "which costs no try"),
    ),
    "three wrong PINs block it, the PUK opens it": (
        Step(wire.verify(WRONG), 0x63C2, "two left"),
        Step(wire.verify(WRONG), 0x63C1, "one left"),
        Step(wire.verify(WRONG), 0x63C0, "none left"),
        Step(wire.verify(PIN), 0x6983, "too late"),
        Step(ASK, 0x6983, "blocked"),
        Step(wire.change_reference_data(wire.PIN, PIN, b"x" * 8), 0x6983, "blocked goes before form"),
        Step(wire.reset_retry_counter(WRONG, NEW), 0x63C2, "wrong PUK"),
        Step(wire.reset_retry_counter(PUK, b"12345\xff\xff\xff"), 0x6A80, "five digits are no PIN"),
        Step(wire.reset_retry_counter(PUK, NEW), 0x9000, "right PUK"),
        Step(ASK, 0x63C3, "open, not verified"),
        Step(wire.verify(NEW), 0x9000, "the new PIN"),
        Step(wire.reset_retry_counter(WRONG, NEW), 0x63C2, "the PUK has all its tries; a wrong one"),
        Step(ASK, 0x63C3, "takes the PIN's right away"),
    ),
    "three wrong PUKs are the end": (
        *(Step(wire.reset_retry_counter(WRONG, NEW), sw, "wrong PUK") for sw in (0x63C2, 0x63C1, 0x63C0)),
        Step(wire.reset_retry_counter(PUK, NEW), 0x6983, "too late"),
        RIGHT,
    ),
    "changing": (
        Step(wire.change_reference_data(wire.PIN, WRONG, NEW), 0x63C2, "wrong old PIN"),
        Step(wire.change_reference_data(wire.PIN, PIN, b"ABCDEFGH"), 0x6A80, "letters are no PIN"),
        Step(wire.change_reference_data(wire.PIN, WRONG, b"12\xff45678"), 0x6A80, "filling inside; costs no try"),
        Step(wire.change_reference_data(wire.PIN, PIN, NEW), 0x9000, "changed"),
        Step(ASK, 0x9000, "and verified"),
        Step(wire.verify(PIN), 0x63C2, "the old one is wrong"),
        Step(wire.change_reference_data(wire.PUK, PUK, b"ABCDEFGH"), 0x9000, "a PUK may have letters"),
        Step(wire.reset_retry_counter(b"ABCDEFGH", PIN), 0x9000, "and works"),
        Step(wire.change_reference_data(0x00, PIN, NEW), 0x6A88, "no global PIN"),
        Step(raw("0024008008" + PIN.hex()), 0x6A80, "half of it"),
        Step(raw("0024018010" + (PIN + NEW).hex()), 0x6A86, "P1"),
    ),
    "data objects": (
        Step(wire.get_data(CHUID), 0x6A82, "empty"),
        *put(CHUID, b"content", 0x6982, "only the manager writes"),
        MANAGED,
        *put(CHUID, b"content", 0x9000, "written"),
        Step(wire.get_data(CHUID), 0x9000, "read", b"\x53\x07content"),
        *put(CHUID, b"\x00" * 3395, 0x9000, "the longest"),
        Step(wire.get_data(CHUID), 0x9000, "read", b"\x53\x82\x0d\x43" + bytes(3395)),
        *put(CHUID, bytes(3396), 0x6A84, "too long"),
        *put(CHUID, b"", 0x9000, "removed"),
        Step(wire.get_data(CHUID), 0x6A82, "empty again"),
        *put(0x7E, b"x", 0x6A81, "the card makes this one itself"),
        *put(0x5FC1FF, b"x", 0x6A81, "unknown"),
        Step(wire.get_data(0x5FC1FF), 0x6A82, "unknown"),
        Step(raw("00CB3F00055C035FC102"), 0x6A86, "P2"),
        Step(raw("00CB3FFF055D035FC102"), 0x6A80, "no tag list"),
        Step(raw("00CB3FFF055C045FC102"), 0x6A80, "ends early"),
        Step(raw("00CB3FFF"), 0x6A80, "nothing"),
        Step(raw("00DB3FFF055C035FC102"), 0x6A80, "no content"),
    ),
    "printed information is behind the PIN": (
        MANAGED,
        *put(PRINTED, b"name", 0x9000, "written"),
        Step(wire.get_data(PRINTED), 0x6982, "without PIN"),
        RIGHT,
        Step(wire.get_data(PRINTED), 0x9000, "with PIN", b"\x53\x04name"),
    ),
    "a chain is one command": (
        MANAGED,
        Step(raw("10DB3FFF055C035FC102"), 0x9000, "begun"),
        Step(raw("00DB3FFF0353016B"), 0x9000, "ended"),
        Step(wire.get_data(CHUID), 0x9000, "both parts", b"\x53\x01k"),
        Step(raw("10DB3FFF055C035FC102"), 0x9000, "begun"),
        Step(ASK, 0x63C3, "another command"),
        Step(raw("00DB3FFF0353016B"), 0x6A80, "ends it"),
        Step(raw("1020008008" + PIN.hex()), 0x6884, "VERIFY is not chained"),
        Step(raw("90DB3FFF055C035FC102"), 0x6E00, "class"),
    ),
    "generating": (
        Step(wire.generate_key_pair(0x9A, 0x11), 0x6982, "only the manager"),
        MANAGED,
        step_generate(0x9A, 0x11),
        step_generate(0x9A, 0x07),
        Step(wire.generate_key_pair(0x9A, 0x14), 0x6A80, "no P-384"),
        Step(wire.generate_key_pair(0x82, 0x11), 0x6A86, "no retired keys"),
        Step(raw("0047009A05AC03810111"), 0x6A80, "no algorithm"),
        Step(raw("0047009A08AC06800111AA0102"), 0x6A80, "policies are the card's"),
        Step(raw("0047019A05AC03800111"), 0x6A86, "P1"),
    ),
    "9A wants the PIN once": (
        *sign(0x9A, 0x6A86, "no key"),
        MANAGED,
        step_generate(0x9A, 0x11),
        *sign(0x9A, 0x6982, "no PIN"),
        RIGHT,
        *sign(0x9A, 0x9000, "PIN"),
        *sign(0x9A, 0x9000, "still"),
        *sign(0x9A, 0x6A86, "of another algorithm", algorithm=0x07),
        *sign(0x9A, 0x6A80, "too long a digest", data=bytes(33)),
        *sign(0x9A, 0x6A80, "no digest", data=b""),
        *steps(wire.agree(0x11, 0x9A, b"\x04" + bytes(64)), 0x6A80, "is not for key agreement"),
        *steps(wire.general_authenticate(0x11, 0x9A, Tlv(0x81, DIGEST)), 0x6A80, "no answer asked for"),
        Step(raw("0087119A00"), 0x6A80, "no template"),
    ),
    "9C wants the PIN just before": (
        MANAGED,
        step_generate(0x9C, 0x11),
        *sign(0x9C, 0x6982, "no PIN"),
        RIGHT,
        *sign(0x9C, 0x9000, "just verified"),
        *sign(0x9C, 0x6982, "not any more"),
        RIGHT,
        Step(wire.GET_VERSION, 0x9000, "something between"),
        *sign(0x9C, 0x6982, "not just before"),
        step_generate(0x9C, 0x07),
        RIGHT,
        *sign(0x9C, 0x9000, "a chained command is one", algorithm=0x07, data=b"\x00" * 255 + b"\x02"),
    ),
    "9D agrees, 9E wants no PIN": (
        MANAGED,
        step_generate(0x9D, 0x11),
        step_generate(0x9E, 0x11),
        *sign(0x9E, 0x9000, "no PIN"),
        *sign(0x9D, 0x6982, "PIN"),
        RIGHT,
        *steps(wire.agree(0x11, 0x9D, b"\x04" + bytes(64)), 0x6A80, "no point of the curve"),
        *steps(wire.agree(0x11, 0x9D, b"\x04"), 0x6A80, "no point"),
        step_generate(0x9D, 0x07),
        *sign(0x9D, 0x6A80, "above the modulus", algorithm=0x07, data=b"\xff" * 256),
        *sign(0x9D, 0x6A80, "too short", algorithm=0x07, data=b"\x01" * 255),
        *steps(wire.agree(0x07, 0x9D, bytes(256)), 0x6A80, "RSA agrees on nothing"),
    ),
    "what is not there": (
        Step(raw("00F70080"), 0x6D00, "Yubico's metadata"),
        Step(raw("00FFFFFF00"), 0x6D00, "set management key"),
        Step(raw("00B0950000"), 0x6D00, "a command of other applications"),
        Step(raw("805C000204"), 0x6A82, "no purse here"),
        Step(raw("0087039C047C028100"), 0x6A86, "no key"),
        Step(raw("0087039B047C028100"), 0x9000, "management key, 3DES"),
        Step(raw("0087009B047C028100"), 0x9000, "the default algorithm"),
        Step(raw("0087089B047C028100"), 0x6A86, "its key is not AES"),
        Step(raw("00FD000001AA"), 0x6700, "version with data"),
    ),
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversation(desk, name):
    for step in CONVERSATIONS[name]:
        if isinstance(step, Managed):
            desk.manage()
            continue
        answer = desk.ask(step.command)
        assert f"{answer.sw} {step.why}" == f"{step.sw:04X} {step.why}"
        if step.data is not None:
            assert answer.data == step.data, step.why
