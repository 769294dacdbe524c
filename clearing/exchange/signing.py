"""How a message between cities is signed: over the request that delivers it, so that a file carried by hand is signed too."""

from __future__ import annotations

from clearing.devices.identity import signed_request
from clearing.devices.rules import is_signed

MESSAGES_PATH = "/exchange/messages"
CENTRE_HEADER = "Citycard-Centre"
"""Whose request it is: the centre's id, 16 hexadecimal digits."""


def delivery(content: bytes) -> bytes:
    """What the sender signs (Ed25519)."""
    return signed_request("POST", MESSAGES_PATH, content)


def is_delivered_by(public_key: bytes, signature: bytes, content: bytes) -> bool:
    return is_signed(public_key, signature, delivery(content))
