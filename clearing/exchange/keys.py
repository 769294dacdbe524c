"""The key by which this city signs what it tells others; they have its public half in their documents."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import Depends

from backoffice.web import ServiceDep

_SEED_LENGTH = 32


@dataclass(frozen=True, slots=True)
class CentreKey:
    """Ed25519 (RFC 8032)."""

    _key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def of_seed(cls, seed: bytes) -> CentreKey:
        """``seed``: 32 bytes."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def open(cls, folder: Path) -> CentreKey:
        """The key kept in ``folder``, readable by the service's user only; made the first time. Raises ``ValueError`` for a
        damaged file."""
        path = folder / "exchange.key"
        if not path.exists():
            _write_new(path)
        seed = path.read_bytes()
        if len(seed) != _SEED_LENGTH:
            raise ValueError(f"{path} holds {len(seed)} bytes; a key has {_SEED_LENGTH}: restore it from its safe copy")
        return cls.of_seed(seed)

    @property
    def public(self) -> bytes:
        """32 bytes."""
        return self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, message: bytes) -> bytes:
        """64 bytes; equal messages give equal signatures."""
        return self._key.sign(message)


def _write_new(path: Path) -> None:
    """Whole or not at all; of two who begin at once the first one's key stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_SEED_LENGTH))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def centre_key(here: ServiceDep) -> CentreKey:
    """FastAPI dependency: in the service's data folder."""
    return CentreKey.open(here.settings.data_folder / "clearing")


CentreKeyDep = Annotated[CentreKey, Depends(centre_key)]
