"""Masters in memory: the default of the demonstration, and what SM4 keys need until a token offers SM4."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from card_os.crypto.diversification import FACTOR, factor_column
from card_os.crypto.secret import Secret
from card_os.crypto.suites import SUITES, Algorithm
from hardware.vault import demonstration
from hardware.vault.forms import NONCE_LENGTH, token_input
from hardware.vault.vault import KeyLabel, MasterKey, UnknownKey


class SoftwareVault:
    """``hardware.vault.vault.Vault`` over keys handed to it. Masters have 16 bytes, seal and token key 32."""

    def __init__(self, masters: Mapping[MasterKey, Secret], *, seal_key: Secret, token_key: Secret) -> None:
        if wrong := [str(master) for master, value in masters.items() if len(value) != 16]:
            raise ValueError(f"a master has 16 bytes; wrong length: {', '.join(wrong)}")
        self._masters = dict(masters)
        self._seal = AESGCM(seal_key)
        self._token_key = token_key

    @classmethod
    def demonstration(cls, labels: Iterable[KeyLabel]) -> SoftwareVault:
        """Visible test keys, version 1, for ``labels`` with each algorithm; equal in every demonstration vault."""
        masters = {
            MasterKey(label, algorithm=algorithm): demonstration.master(label)
            for label in labels
            for algorithm in Algorithm
        }
        return cls(masters, seal_key=demonstration.SEAL_KEY, token_key=demonstration.TOKEN_KEY)

    def __repr__(self) -> str:
        return f"<SoftwareVault with {len(self._masters)} masters>"

    def child_key(self, master: MasterKey, factors: Sequence[bytes]) -> Secret:
        if not factors:
            raise ValueError("a child key needs at least one factor")
        return self._level(master, factors)

    def child_keys(self, master: MasterKey, factors: Sequence[bytes], column: bytes) -> Secret:
        suite = SUITES[master.algorithm]
        return Secret(suite.encrypt(self._level(master, factors), factor_column(column)))

    def wrapped_master(self, master: MasterKey, *, under: MasterKey, factors: Sequence[bytes]) -> bytes:
        return SUITES[under.algorithm].encrypt(self.child_key(under, factors), self._master(master))

    def seal(self, purpose: str, plaintext: bytes) -> bytes:
        nonce = os.urandom(NONCE_LENGTH)
        return nonce + self._seal.encrypt(nonce, plaintext, purpose.encode())

    def unseal(self, purpose: str, sealed: bytes) -> bytes:
        try:
            return self._seal.decrypt(sealed[:NONCE_LENGTH], sealed[NONCE_LENGTH:], purpose.encode())
        except (InvalidTag, ValueError) as error:
            raise ValueError(f"the datum was altered or was not sealed for {purpose!r}") from error

    def token(self, purpose: str, value: bytes) -> bytes:
        return hmac.new(self._token_key, token_input(purpose, value), hashlib.sha256).digest()

    def _level(self, master: MasterKey, factors: Sequence[bytes]) -> Secret:
        if wrong := [len(factor) for factor in factors if len(factor) != FACTOR]:
            raise ValueError(f"factor has {wrong[0]} bytes; it must have {FACTOR}")
        return SUITES[master.algorithm].child(self._master(master), factors)

    def _master(self, master: MasterKey) -> Secret:
        try:
            return self._masters[master]
        except KeyError:
            raise UnknownKey(f"this vault does not hold {master}") from None
