"""A certification authority with a visible test key, for demonstration cards. What it signs proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from card_os.profile.identity import KeySlot
from issuing.personalisation.identity_application import Certify, PublicKey

_KEY = ec.derive_private_key(int.from_bytes(b"TEST-CERTIFICATION-AUTHORITY-KEY", "big"), ec.SECP256R1())
_NAME = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "citycard TEST"),
        x509.NameAttribute(NameOID.COMMON_NAME, "citycard TEST CA"),
    ]
)
_CARD_AUTHENTICATION = x509.ObjectIdentifier("2.16.840.1.101.3.6.8")  # id-PIV-cardAuth
_EXTENDED_USE = {
    KeySlot.AUTHENTICATION: [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SMARTCARD_LOGON],
    KeySlot.CARD_AUTHENTICATION: [_CARD_AUTHENTICATION],
}
_SERIAL_LENGTH = 16


def authority_certificate(first: date, last: date) -> x509.Certificate:
    """The authority's own."""
    builder = _builder(_NAME, _KEY.public_key(), x509.random_serial_number(), first, last)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return builder.sign(_KEY, SHA256(), ecdsa_deterministic=True)


def demonstration_authority(
    holder: str, card: str, first: date, last: date, *, random: Callable[[int], bytes]
) -> Certify:
    """Certificates that name ``holder`` (common name) and ``card`` (serial number), valid from and to these days."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "citycard TEST"),
            x509.NameAttribute(NameOID.COMMON_NAME, holder),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, card),
        ]
    )

    def certify(slot: KeySlot, public_key: PublicKey) -> bytes:
        number = int.from_bytes(random(_SERIAL_LENGTH), "big") | 1
        builder = _builder(subject, public_key, number, first, last)
        builder = builder.add_extension(_key_usage(slot, public_key), critical=True)
        if slot in _EXTENDED_USE:
            builder = builder.add_extension(x509.ExtendedKeyUsage(_EXTENDED_USE[slot]), critical=False)
        signed = builder.sign(_KEY, SHA256(), ecdsa_deterministic=True)
        return signed.public_bytes(Encoding.DER)

    return certify


def _builder(
    subject: x509.Name, public_key: PublicKey, number: int, first: date, last: date
) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier.from_public_key(public_key)
    return x509.CertificateBuilder(
        issuer_name=_NAME,
        subject_name=subject,
        public_key=public_key,
        serial_number=number,
        not_valid_before=datetime.combine(first, time.min, UTC),
        not_valid_after=datetime.combine(last, time(23, 59, 59), UTC),
    ).add_extension(identifier, critical=False)


def _key_usage(slot: KeySlot, public_key: PublicKey) -> x509.KeyUsage:
    manages = slot is KeySlot.KEY_MANAGEMENT
    is_rsa = isinstance(public_key, rsa.RSAPublicKey)
    return x509.KeyUsage(
        digital_signature=not manages,
        content_commitment=slot is KeySlot.SIGNATURE,
        key_encipherment=manages and is_rsa,
        data_encipherment=False,
        key_agreement=manages and not is_rsa,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
