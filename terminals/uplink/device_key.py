"""The device's own Ed25519 key (RFC 8032), made on the device and never leaving it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from card_os.crypto.secret import Secret
from terminals.uplink.durable import write_whole

SEED_LENGTH = 32
_FILE = "device.key"


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """``device`` is the device id, ``seed`` the 32 private bytes."""

    device: str
    seed: Secret

    @classmethod
    def open(cls, folder: Path, device: str, *, random: Callable[[int], bytes] = secrets.token_bytes) -> DeviceKey:
        """The key kept in ``folder``; made from ``random`` (the operating system's; the simulator gives its seeded
        one) and stored, readable by the device's user only, the first time. Raises ``ValueError`` for a damaged file."""
        path = folder / _FILE
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            # A device cut off here makes a new key at its next start.
            write_whole(path, random(SEED_LENGTH))
        seed = path.read_bytes()
        if len(seed) != SEED_LENGTH:
            raise ValueError(f"{path} holds {len(seed)} bytes; a key has {SEED_LENGTH}: enrol the device anew")
        return cls(device, Secret(seed))

    @property
    def public(self) -> bytes:
        """32 bytes."""
        return self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, message: bytes) -> bytes:
        """64 bytes; equal messages give equal signatures."""
        return self._key.sign(message)

    @property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(bytes(self.seed))
