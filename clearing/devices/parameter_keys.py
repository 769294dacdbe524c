"""The private halves of the keys that sign statements: one file each in the service's data folder."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from card_os.crypto.secret import Secret
from rulebook.messages.devices import ParameterKey

SEED_LENGTH = 32
_TEST = "TEST-PARAMETER-KEY-"


class KeyMissing(Exception):
    """Nothing can be signed: the private half is not where it should be, or it is another one."""


@dataclass(frozen=True, slots=True)
class ParameterKeys:
    """``folder`` is readable by the service's user only. Two that make the same key at once get the same one."""

    folder: Path

    def make(self, number: int) -> ParameterKey:
        """The public half of key ``number``; where there is none, 32 bytes of the operating system's are its seed."""
        if not self._file(number).exists():
            self._write(number, secrets.token_bytes(SEED_LENGTH))
        return ParameterKey(number=number, public=_public(self._private(number)))

    def make_test_key(self, city_seed: int) -> None:
        """Key 1 of a simulated city, known to everybody; it replaces the one of an earlier city."""
        self._file(1).unlink(missing_ok=True)
        self._write(1, f"{_TEST}{city_seed % 10**13:013d}".encode())

    def sign(self, key: ParameterKey, message: bytes) -> bytes:
        """64 bytes (Ed25519, RFC 8032). Raises ``KeyMissing``."""
        private = self._private(key.number)
        if _public(private) != key.public:
            raise KeyMissing(f"{self._file(key.number)} is another key than devices know; bring the right one back")
        return private.sign(message)

    def _file(self, number: int) -> Path:
        return self.folder / f"{number}.key"

    def _write(self, number: int, seed: bytes) -> None:
        """Whole or not at all: a name is given to what is on disk already; one that is there stays."""
        self.folder.mkdir(parents=True, exist_ok=True)
        new = self.folder / f"{number}.{secrets.token_hex(8)}.new"
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(seed)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(new, self._file(number))
        except FileExistsError:
            pass
        finally:
            new.unlink()

    def _private(self, number: int) -> Ed25519PrivateKey:
        try:
            seed = Secret(self._file(number).read_bytes())
        except OSError as error:
            raise KeyMissing(f"{self._file(number)} cannot be read; bring it back from the backup") from error
        if len(bytes(seed)) != SEED_LENGTH:
            raise KeyMissing(f"{self._file(number)} is not {SEED_LENGTH} bytes long; bring it back from the backup")
        return Ed25519PrivateKey.from_private_bytes(bytes(seed))


def keys_in(data_folder: Path) -> ParameterKeys:
    """Where a service keeps them, below its data folder."""
    return ParameterKeys(data_folder / "clearing" / "parameter-keys")


def _public(private: Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
