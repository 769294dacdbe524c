"""Where key pairs come from, as a port: the engine makes no keys of its own."""

from __future__ import annotations

from typing import Protocol


class KeyMaker(Protocol):
    """Makes the private part of one new key pair."""

    def rsa_2048(self) -> tuple[int, int]:
        """Primes p and q of 1024 bits; the modulus has 2048, 65537 is prime to p−1 and q−1."""

    def p256(self) -> int:
        """A scalar from 1 to the order of P-256 less 1."""
