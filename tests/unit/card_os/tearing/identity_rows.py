"""The identity application's part of the table in ``conftest.py``, which loads this file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from card_os.crypto.block import BLOCK_CIPHERS
from card_os.crypto.suites import Algorithm
from card_os.engine import Card
from card_os.engine import identity_commands as of
from card_os.profile import personalisation as perso
from card_os.profile.identity import IDENTITY, IDENTITY_CARD, MEMORY_SIZE
from card_os.wire import commands as cmd
from card_os.wire import identity as wire
from card_os.wire.apdu import CommandApdu
from card_os.wire.tlv import Tlv, find
from simulator.softcard.keys import VisibleKeys
from simulator.softcard.memory import CardMemory

PIN, PUK, NEW, WRONG = (wire.padded(text) for text in ("123456", "12345678", "654321", "000000"))
CHUID, CERTIFICATE = 0x5FC102, 0x5FC105
SLOT, P_256, RSA_2048 = 0x9E, 0x11, 0x07
MANAGEMENT, MANAGEMENT_3DES = b"TEST-MANAGEMENT-", 0x03


def card_over(memory: CardMemory, kit: Any) -> Card:
    return Card(memory, kit.counting_random(), key_maker=VisibleKeys(1))


def image(kit: Any) -> bytes:
    """A card with an object, a certificate and a key pair, made by commands."""
    memory = CardMemory(bytes(MEMORY_SIZE))
    transport = kit.child_of_levels(kit.master("transport"), (kit.CHIP,))
    desk = kit.Desk(kit.blank_card(memory, kit.CHIP, transport, kit.counting_random()))
    desk.authenticate(0, transport)
    kit.create(desk, IDENTITY)
    assert IDENTITY.container is not None
    desk.send(perso.create_container(IDENTITY.container))
    for key, value in zip(IDENTITY.keys, (kit.child("maintenance"), MANAGEMENT), strict=True):
        desk.write_key(key, value, transport)
    for pin, value in zip(IDENTITY.pins, (PIN, PUK), strict=True):
        desk.send(perso.write_pin(pin, value, line_key=transport, challenge=desk.send(cmd.get_challenge(8))))
    kit.finish(desk, IDENTITY_CARD, transport, kit.child)
    desk = kit.Desk(card_over(memory, kit))
    desk.send(cmd.select_name(wire.IDENTITY_AID))
    desk.send(_sent(desk, *_managed(desk), *wire.put_data(CHUID, b"o" * 300)))
    desk.send(wire.generate_key_pair(SLOT, P_256))
    return memory.content


def _sent(desk: Any, *parts: CommandApdu) -> CommandApdu:
    """All but the last, which is answered."""
    for part in parts[:-1]:
        desk.send(part)
    return parts[-1]


def _managed(desk: Any) -> tuple[CommandApdu, ...]:
    """What proves the management key, the challenge having been asked for."""
    ask = wire.general_authenticate(MANAGEMENT_3DES, wire.MANAGEMENT_KEY, Tlv(wire.CHALLENGE, b""))
    challenge = find(desk.send(_sent(desk, *ask)), wire.TEMPLATE, wire.CHALLENGE)
    assert challenge is not None
    answer = BLOCK_CIPHERS[Algorithm.TRIPLE_DES].encrypt(MANAGEMENT, challenge)
    return wire.general_authenticate(MANAGEMENT_3DES, wire.MANAGEMENT_KEY, Tlv(wire.RESPONSE, answer))


def _put(tag: int, content: bytes) -> Callable[[Any], CommandApdu]:
    return lambda b: _sent(b.identity, *_managed(b.identity), *wire.put_data(tag, content))


def _generate(algorithm: int) -> Callable[[Any], CommandApdu]:
    return lambda b: _sent(b.identity, *_managed(b.identity), wire.generate_key_pair(SLOT, algorithm))


def _after_wrong_pins(count: int, command: CommandApdu) -> Callable[[Any], CommandApdu]:
    def prepare(b: Any) -> CommandApdu:
        for left in range(count):
            b.identity.send(wire.verify(WRONG), 0x63C2 - left)
        return command

    return prepare


def _sign(b: Any) -> CommandApdu:
    return _sent(b.identity, *wire.sign(P_256, SLOT, bytes(32)))


# name: the command's class, what comes before it, the status word
CHANGING: dict[str, tuple[type, Callable[[Any], CommandApdu], int]] = {
    "PUT DATA, new": (of.PutData, _put(CERTIFICATE, b"c" * 300), 0x9000),
    "PUT DATA, replaced": (of.PutData, _put(CHUID, b"n" * 520), 0x9000),
    "PUT DATA, removed": (of.PutData, _put(CHUID, b""), 0x9000),
    "GENERATE, P-256": (of.GenerateKeyPair, _generate(P_256), 0x9000),
    "GENERATE, RSA for P-256": (of.GenerateKeyPair, _generate(RSA_2048), 0x9000),
    "identity VERIFY": (of.Verify, lambda b: wire.verify(PIN), 0x9000),
    "identity VERIFY, right after two wrong": (of.Verify, _after_wrong_pins(2, wire.verify(PIN)), 0x9000),
    "identity VERIFY, wrong": (of.Verify, lambda b: wire.verify(WRONG), 0x63C2),
    "CHANGE REFERENCE DATA, PIN": (
        of.ChangeReferenceData,
        lambda b: wire.change_reference_data(wire.PIN, PIN, NEW),
        0x9000,
    ),
    "CHANGE REFERENCE DATA, PUK": (
        of.ChangeReferenceData,
        lambda b: wire.change_reference_data(wire.PUK, PUK, NEW),
        0x9000,
    ),
    "RESET RETRY COUNTER": (of.ResetRetryCounter, _after_wrong_pins(3, wire.reset_retry_counter(PUK, NEW)), 0x9000),
    "RESET RETRY COUNTER, wrong": (of.ResetRetryCounter, lambda b: wire.reset_retry_counter(WRONG, NEW), 0x63C2),
}
QUIET: tuple[tuple[type, Callable[[Any], CommandApdu]], ...] = (
    (of.GetData, lambda b: wire.get_data(CHUID)),
    (of.UseKey, _sign),
    (of.ManagementStep, lambda b: _sent(b.identity, *_managed(b.identity))),
    (of.GetVersion, lambda b: wire.GET_VERSION),
)
