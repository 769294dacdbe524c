"""Masters in a PKCS#11 token (OASIS PKCS#11 v2.40), tried against SoftHSM 2.6. The only file that imports python-pkcs11.

Diversification stays in the token down to the last level: an issuer level is a DES2 key derived with
DES3_ECB_ENCRYPT_DATA, sensitive and not extractable; the card level is one DES3_ECB call over the column of factors.
SoftHSM wraps no key with DES3, so a SAM's master is wrapped by the token under an AES key that lives for this one call,
opened inside this module and encrypted by the token again. Only the labels a SAM loads are extractable at all.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pkcs11
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, ObjectClass
from pkcs11.constants import DEFAULT

from card_os.crypto.diversification import FACTOR, factor_column
from card_os.crypto.secret import Secret
from card_os.crypto.suites import Algorithm
from hardware.vault import demonstration
from hardware.vault.forms import NONCE_LENGTH, token_input
from hardware.vault.vault import KeyLabel, MasterKey, UnknownKey

SOFTHSM_MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
WRAPPABLE = frozenset({KeyLabel.PURCHASE, KeyLabel.SOCIAL_INTERNAL})
_CONFIGURATION_VARIABLE = "SOFTHSM2_CONF"
_CONFIGURATION_NAME = "softhsm2.conf"
_SEAL_LABEL = "data-at-rest"
_TOKEN_LABEL = "search-tokens"  # noqa: S105
_TAG_BITS = 128
_BUFFER_SLACK = 64


class VaultUnavailable(Exception):
    """The token cannot be set up or opened."""


class _StringData(ctypes.Structure):
    """CK_KEY_DERIVATION_STRING_DATA (PKCS#11 v2.40 §2.32), which python-pkcs11 packs for AES only."""

    _fields_ = (("data", ctypes.c_void_p), ("length", ctypes.c_ulong))


class Pkcs11Vault:
    """``hardware.vault.vault.Vault`` over one token. Calls are taken one at a time: a PKCS#11 session is not shared."""

    def __init__(self, session: pkcs11.Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._levels: dict[tuple[MasterKey, tuple[bytes, ...]], Any] = {}

    @classmethod
    def open(cls, folder: Path, *, token_label: str, pin: str) -> Pkcs11Vault:
        """The token ``token_label`` of the SoftHSM folder that ``set_up_demonstration`` made."""
        try:
            token = _library(folder).get_token(token_label=token_label)
            return cls(token.open(user_pin=pin))
        except pkcs11.exceptions.PKCS11Error as error:
            raise VaultUnavailable(f"token {token_label} in {folder} does not open: {type(error).__name__}") from error

    def __repr__(self) -> str:
        return "<Pkcs11Vault>"

    def close(self) -> None:
        """Log out; harmless after the module was set up anew."""
        with contextlib.suppress(pkcs11.exceptions.SessionHandleInvalid):
            self._session.close()

    def child_key(self, master: MasterKey, factors: Sequence[bytes]) -> Secret:
        if not factors:
            raise ValueError("a child key needs at least one factor")
        return self.child_keys(master, factors[:-1], _factor(factors[-1]))

    def child_keys(self, master: MasterKey, factors: Sequence[bytes], column: bytes) -> Secret:
        blocks = factor_column(column)
        with self._lock:
            return Secret(_ecb(self._level(master, tuple(factors)), blocks))

    def wrapped_master(self, master: MasterKey, *, under: MasterKey, factors: Sequence[bytes]) -> bytes:
        if master.label not in WRAPPABLE:
            raise UnknownKey(f"{master.label} is no key a SAM loads; its token key is not extractable")
        if not factors:
            raise ValueError("a child key needs at least one factor")
        with self._lock:
            child = _derive(self._level(under, tuple(factors[:-1])), factors[-1])
            try:
                return _ecb(child, self._clear_for_wrapping(master))
            finally:
                child.destroy()

    def seal(self, purpose: str, plaintext: bytes) -> bytes:
        nonce = os.urandom(NONCE_LENGTH)
        with self._lock:
            key = self._find(_SEAL_LABEL)
            return nonce + _crypt(key.encrypt, plaintext, Mechanism.AES_GCM, _gcm(nonce, purpose))

    def unseal(self, purpose: str, sealed: bytes) -> bytes:
        nonce, body = sealed[:NONCE_LENGTH], sealed[NONCE_LENGTH:]
        if len(body) < _TAG_BITS // 8:
            raise ValueError(f"the datum was altered or was not sealed for {purpose!r}")
        try:
            with self._lock:
                return _crypt(self._find(_SEAL_LABEL).decrypt, body, Mechanism.AES_GCM, _gcm(nonce, purpose))
        except pkcs11.exceptions.PKCS11Error as error:
            raise ValueError(f"the datum was altered or was not sealed for {purpose!r}") from error

    def token(self, purpose: str, value: bytes) -> bytes:
        with self._lock:
            return bytes(self._find(_TOKEN_LABEL).sign(token_input(purpose, value), mechanism=Mechanism.SHA256_HMAC))

    def _level(self, master: MasterKey, factors: tuple[bytes, ...]) -> Any:
        """The key at ``factors``, kept in the token's session: issuers and cities are few."""
        name = (master, factors)
        if name not in self._levels:
            if not factors:
                self._levels[name] = self._find(_token_label(master))
            else:
                self._levels[name] = _derive(self._level(master, factors[:-1]), factors[-1])
        return self._levels[name]

    def _find(self, label: str) -> Any:
        try:
            return self._session.get_key(object_class=ObjectClass.SECRET_KEY, label=label)
        except pkcs11.exceptions.NoSuchKey as error:
            raise UnknownKey(f"this vault does not hold {label}") from error

    def _clear_for_wrapping(self, master: MasterKey) -> Secret:
        once = Secret(os.urandom(32))
        kek: Any = self._session.create_object(
            {
                Attribute.CLASS: ObjectClass.SECRET_KEY,
                Attribute.KEY_TYPE: KeyType.AES,
                Attribute.VALUE: bytes(once),
                Attribute.TOKEN: False,
                Attribute.SENSITIVE: True,
                Attribute.EXTRACTABLE: False,
                Attribute.WRAP: True,
            }
        )
        try:
            wrapped = kek.wrap_key(self._find(_token_label(master)), mechanism=Mechanism.AES_KEY_WRAP)
        finally:
            kek.destroy()
        return Secret(aes_key_unwrap(once, wrapped))


def set_up_demonstration(
    folder: Path, tokens: Mapping[str, Iterable[KeyLabel]], *, pin: str = demonstration.PIN
) -> None:
    """A SoftHSM folder of its own with one token for each entry of ``tokens`` (token label → masters it holds), filled
    with the visible test keys. A token that is there already is left as it is. Raises ``VaultUnavailable``."""
    store = folder / "tokens"
    store.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    settings = (
        f"directories.tokendir = {store}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n"
    )
    (folder / _CONFIGURATION_NAME).write_text(settings)
    present = {token.label for slot in _library(folder).get_slots(token_present=True) if (token := _labelled(slot))}
    missing = [label for label in tokens if label not in present]
    for label in missing:
        _initialise(folder, label, pin)
    if missing:
        _library(folder, again=True)
    for label in missing:
        _import(folder, label, pin, tokens[label])


def _labelled(slot: pkcs11.Slot) -> pkcs11.Token | None:
    token = slot.get_token()
    return token if token.label else None


def _initialise(folder: Path, label: str, pin: str) -> None:
    command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", pin, "--pin", pin]
    environment = {**os.environ, _CONFIGURATION_VARIABLE: str(folder / _CONFIGURATION_NAME)}
    try:
        subprocess.run(command, env=environment, check=True, capture_output=True, text=True)  # noqa: S603
    except FileNotFoundError as error:
        raise VaultUnavailable("softhsm2-util is missing; install the Debian package softhsm2") from error
    except subprocess.CalledProcessError as error:
        raise VaultUnavailable(f"softhsm2-util made no token {label}: {error.stderr.strip()}") from None


def _import(folder: Path, token_label: str, pin: str, labels: Iterable[KeyLabel]) -> None:
    token = _library(folder).get_token(token_label=token_label)
    with token.open(rw=True, user_pin=pin) as session:
        for label in sorted(labels):
            session.create_object(_master_template(label))
        session.create_object(_data_key(_SEAL_LABEL, KeyType.AES, demonstration.SEAL_KEY, "ENCRYPT", "DECRYPT"))
        session.create_object(_data_key(_TOKEN_LABEL, KeyType.GENERIC_SECRET, demonstration.TOKEN_KEY, "SIGN"))


def _master_template(label: KeyLabel) -> dict[Attribute, Any]:
    return {
        **_stored(_token_label(MasterKey(label)), KeyType.DES2, demonstration.master(label)),
        Attribute.EXTRACTABLE: label in WRAPPABLE,
        Attribute.ENCRYPT: True,
        Attribute.DERIVE: True,
    }


def _data_key(label: str, key_type: KeyType, value: Secret, *uses: str) -> dict[Attribute, Any]:
    allowed = {Attribute[use]: True for use in uses}
    return {**_stored(label, key_type, value), Attribute.EXTRACTABLE: False, **allowed}


def _stored(label: str, key_type: KeyType, value: Secret) -> dict[Attribute, Any]:
    return {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: key_type,
        Attribute.LABEL: label,
        Attribute.VALUE: bytes(value),
        Attribute.TOKEN: True,
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
    }


def _token_label(master: MasterKey) -> str:
    if master.algorithm is not Algorithm.TRIPLE_DES:
        raise UnknownKey(
            f"this token has no {master.algorithm.name}; {master} lives in a software vault until one offers it"
        )
    return f"{master.label}-{master.version}"


def _factor(factor: bytes) -> bytes:
    if len(factor) != FACTOR:
        raise ValueError(f"factor has {len(factor)} bytes; it must have {FACTOR}")
    return factor


def _derive(parent: Any, factor: bytes) -> Any:
    data = factor_column(_factor(factor))
    buffer = ctypes.create_string_buffer(data, len(data))
    parameter = _StringData(ctypes.cast(buffer, ctypes.c_void_p), len(data))
    template = {
        Attribute.VALUE_LEN: DEFAULT,  # a DES2 key has one length, and SoftHSM refuses to be told
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.ENCRYPT: True,
        Attribute.DERIVE: True,
    }
    return parent.derive_key(
        KeyType.DES2,
        128,
        mechanism=Mechanism.DES3_ECB_ENCRYPT_DATA,
        mechanism_param=bytes(parameter),
        store=False,
        template=template,
    )


def _ecb(key: Any, blocks: bytes) -> bytes:
    return _crypt(key.encrypt, blocks, Mechanism.DES3_ECB, None)


def _crypt(operation: Any, data: bytes, mechanism: Mechanism, parameter: Any) -> bytes:
    room = len(data) + _BUFFER_SLACK
    return bytes(operation(data, mechanism=mechanism, mechanism_param=parameter, buffer_size=room))


def _gcm(nonce: bytes, purpose: str) -> GCMParams:
    return GCMParams(nonce, purpose.encode(), _TAG_BITS)


_loaded: dict[str, str] = {}


def _library(folder: Path, *, again: bool = False) -> Any:
    """The module over ``folder``. SoftHSM reads its configuration once for each C_Initialize, so another folder or a
    new token needs a fresh one; sessions that were open are then closed."""
    configuration = str((folder / _CONFIGURATION_NAME).resolve())
    if not SOFTHSM_MODULE.exists():
        raise VaultUnavailable(f"{SOFTHSM_MODULE} is missing; install the Debian package softhsm2")
    os.environ[_CONFIGURATION_VARIABLE] = configuration
    library: Any = pkcs11.lib(str(SOFTHSM_MODULE))
    if again or _loaded.get("configuration", configuration) != configuration:
        library.reinitialize()
    _loaded["configuration"] = configuration
    return library
