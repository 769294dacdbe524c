"""Where a software card's key pairs come from: visible test keys that repeat with their seed, or the operating system."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from random import Random

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_POOL = 4
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # SEC 2 §2.4.2


class VisibleKeys:
    """Same seed, same keys. RSA keys come from a pool of four, as making one takes no seed: cards share them."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def rsa_2048(self) -> tuple[int, int]:
        return _pooled(self._random.randrange(_POOL))

    def p256(self) -> int:
        return self._random.randrange(1, P256_ORDER)


@cache
def _pooled(number: int) -> tuple[int, int]:
    pem = files(__package__).joinpath("test_rsa_keys", f"TEST-RSA-2048-{number}.pem").read_bytes()
    return _primes(load_pem_private_key(pem, None))


class RandomKeys:
    """From the operating system's random source: for a card that is served to other programs."""

    def rsa_2048(self) -> tuple[int, int]:
        return _primes(rsa.generate_private_key(public_exponent=65537, key_size=2048))

    def p256(self) -> int:
        return ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value


def _primes(key: object) -> tuple[int, int]:
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.private_numbers()
    return numbers.p, numbers.q
