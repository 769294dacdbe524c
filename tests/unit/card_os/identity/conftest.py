"""A card that carries the identity application and nothing else, made by commands alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest

from card_os.crypto.block import AES_128, BLOCK_CIPHERS
from card_os.crypto.suites import Algorithm
from card_os.engine import Card
from card_os.profile import personalisation as perso
from card_os.profile.identity import IDENTITY, IDENTITY_CARD, MEMORY_SIZE
from card_os.wire import commands as cmd
from card_os.wire import identity as wire
from card_os.wire.apdu import CommandApdu, ResponseApdu
from card_os.wire.tlv import Tlv, find
from simulator.softcard.keys import VisibleKeys
from simulator.softcard.memory import CardMemory

PIN, PUK, NEW = wire.padded("123456"), wire.padded("12345678"), wire.padded("654321")
WRONG = wire.padded("000000")
MANAGEMENT = b"TEST-MANAGEMENT-"
ALGORITHMS = {"3DES": (Algorithm.TRIPLE_DES, 0x03), "AES-128": (AES_128, 0x08)}


@dataclass
class Desk:
    """A reader in front of the card, the identity application selected."""

    card: Card
    memory: CardMemory

    def ask(self, command: CommandApdu) -> ResponseApdu:
        return self.card.transmit(command)

    def send(self, *parts: CommandApdu, sw: int = 0x9000) -> bytes:
        for part in parts[:-1]:
            assert self.ask(part).sw.value == 0x9000
        answer = self.ask(parts[-1])
        assert answer.sw.value == sw, f"{parts[-1].header.hex()} answered {answer.sw}, wanted {sw:04X}"
        return answer.data

    def reset(self) -> None:
        self.card.reset()
        self.send(cmd.select_name(wire.IDENTITY_AID))

    def manage(self, key: bytes = MANAGEMENT, *, algorithm: str = "3DES", sw: int = 0x9000) -> None:
        """Single authentication with the management key."""
        header, identifier = ALGORITHMS[algorithm]
        given = self.send(*wire.general_authenticate(identifier, wire.MANAGEMENT_KEY, Tlv(wire.CHALLENGE, b"")))
        challenge = find(given, wire.TEMPLATE, wire.CHALLENGE)
        assert challenge is not None
        response = Tlv(wire.RESPONSE, BLOCK_CIPHERS[header].encrypt(key, challenge))
        self.send(*wire.general_authenticate(identifier, wire.MANAGEMENT_KEY, response), sw=sw)

    def generate(self, slot: int, algorithm: int) -> bytes:
        return self.send(wire.generate_key_pair(slot, algorithm))

    def tries(self, reference: int = wire.PIN) -> int:
        """By using them up on a copy."""
        copy = powered(self.memory.content)
        for used in range(16):
            answer = copy.ask(wire.change_reference_data(reference, WRONG, NEW))
            if answer.sw.value == 0x6983:
                return used
        raise AssertionError("more than fifteen tries")

    def knows(self, pin: bytes) -> bool:
        """Whether ``pin`` would be right, asked of a copy."""
        return powered(self.memory.content).ask(wire.verify(pin)).sw.value == 0x9000


def powered(content: bytes) -> Desk:
    memory = CardMemory(content)
    desk = Desk(Card(memory, _random(), key_maker=VisibleKeys(1)), memory)
    desk.send(cmd.select_name(wire.IDENTITY_AID))
    return desk


def _random() -> Callable[[int], bytes]:
    state = [0]

    def give(length: int) -> bytes:
        state[0] += 1
        return (state[0] * 0x9E3779B97F4A7C15).to_bytes(16, "big")[-length:]

    return give


def _made(parent: SimpleNamespace, algorithm: str) -> bytes:
    memory = CardMemory(bytes(MEMORY_SIZE))
    transport = parent.child_of_levels(parent.master("transport"), (parent.CHIP,))
    desk = parent.Desk(parent.blank_card(memory, parent.CHIP, transport, parent.counting_random()))
    desk.authenticate(0, transport)
    parent.create(desk, IDENTITY)
    assert IDENTITY.container is not None
    desk.send(perso.create_container(IDENTITY.container))
    line, management = IDENTITY.keys
    desk.write_key(line, parent.child("maintenance"), transport)
    desk.write_key(replace(management, algorithm=ALGORITHMS[algorithm][0]), MANAGEMENT, transport)
    for pin, value in zip(IDENTITY.pins, (PIN, PUK), strict=True):
        challenge = desk.send(cmd.get_challenge(8))
        desk.send(perso.write_pin(pin, value, line_key=transport, challenge=challenge))
    parent.finish(desk, IDENTITY_CARD, transport, parent.child)
    return memory.content


_IMAGES: dict[str, bytes] = {}


@pytest.fixture
def image(kit: SimpleNamespace) -> Callable[[str], bytes]:
    """Cells of a card whose management key is of that algorithm; made once."""

    def give(algorithm: str = "3DES") -> bytes:
        if algorithm not in _IMAGES:
            _IMAGES[algorithm] = _made(kit, algorithm)
        return _IMAGES[algorithm]

    return give


@pytest.fixture
def desk(image: Callable[[str], bytes]) -> Desk:
    return powered(image("3DES"))


@pytest.fixture
def identity_kit() -> SimpleNamespace:
    """The names of this file, for test modules (which cannot import a conftest)."""
    return SimpleNamespace(**{name: value for name, value in globals().items() if not name.startswith("_")})
