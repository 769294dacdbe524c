"""The visible test keys of the demonstration. Real vaults are filled by a key ceremony and never meet this file."""

from __future__ import annotations

from card_os.crypto.secret import Secret
from hardware.vault.vault import KeyLabel

SEAL_KEY = Secret(b"TEST-KEY-FOR-DATA-AT-REST-AES256")
TOKEN_KEY = Secret(b"TEST-KEY-FOR-SEARCH-TOKENS-HMAC-")
PIN = "1234"

# design.md, "Who holds which key".
ISSUING_LABELS = frozenset(KeyLabel)
CLEARING_LABELS = frozenset({KeyLabel.LOAD, KeyLabel.TAC, KeyLabel.SOCIAL_INTERNAL})


def master(label: KeyLabel) -> Secret:
    """The 16-byte test master of ``label``: ASCII, beginning ``TEST-``."""
    return Secret(f"TEST-{label.upper():-<11.11}".encode("ascii"))
