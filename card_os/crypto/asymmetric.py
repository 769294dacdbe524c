"""Private-key operations of the identity application. Deterministic: no random source is needed.

Python's integers are not constant-time: a software card is no place for a key that must not leak.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PUBLIC_EXPONENT = 65537
RSA_BYTES = 256
_PRIME_BYTES = RSA_BYTES // 2
_CURVE = ec.SECP256R1()
P256_BYTES = 32
_DIGEST = ec.ECDSA(utils.Prehashed(hashes.SHA256()), deterministic_signing=True)


def _primes(key: bytes) -> tuple[int, int]:
    return int.from_bytes(key[:_PRIME_BYTES], "big"), int.from_bytes(key[_PRIME_BYTES:], "big")


def rsa_modulus(key: bytes) -> bytes:
    """256 bytes; ``key`` = p ‖ q, 128 bytes each."""
    p, q = _primes(key)
    return (p * q).to_bytes(RSA_BYTES, "big")


def rsa_private(key: bytes, block: bytes) -> bytes:
    """``block`` to the private exponent (RSADP, RSASP1 of RFC 8017), by CRT. Raises ``ValueError`` where it is no residue."""
    p, q = _primes(key)
    message = int.from_bytes(block, "big")
    if len(block) != RSA_BYTES or message >= p * q:
        raise ValueError(f"{len(block)} bytes are no number below the modulus of {RSA_BYTES} bytes")
    at_p = pow(message, pow(PUBLIC_EXPONENT, -1, p - 1), p)
    at_q = pow(message, pow(PUBLIC_EXPONENT, -1, q - 1), q)
    lifted = at_q + q * ((at_p - at_q) * pow(q, -1, p) % p)
    return lifted.to_bytes(RSA_BYTES, "big")


def _p256(scalar: bytes) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(scalar, "big"), _CURVE)


def p256_point(scalar: bytes) -> bytes:
    """The public point, uncompressed, 65 bytes."""
    return _p256(scalar).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def p256_sign(scalar: bytes, digest: bytes) -> bytes:
    """ECDSA with RFC 6979 nonces, DER. A shorter digest is the same number. Raises ``ValueError`` above 32 bytes."""
    if not 1 <= len(digest) <= P256_BYTES:
        raise ValueError(f"a digest of {len(digest)} bytes; P-256 signs 1 to {P256_BYTES}")
    return _p256(scalar).sign(digest.rjust(P256_BYTES, b"\x00"), _DIGEST)


def p256_agree(scalar: bytes, point: bytes) -> bytes:
    """ECDH: x of the shared point, 32 bytes. Raises ``ValueError`` for what is no point of the curve."""
    if len(point) != 1 + 2 * P256_BYTES:
        raise ValueError(f"a point of {len(point)} bytes; uncompressed it has {1 + 2 * P256_BYTES}")
    return _p256(scalar).exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, point))
