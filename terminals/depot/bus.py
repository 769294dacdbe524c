"""The bus at the depot: it leaves its batches and takes the receipts of those it left before."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from rulebook.messages.batches import SignedReceipt
from rulebook.messages.devices import ParameterKey
from rulebook.messages.medical import parse
from terminals.depot.carried import BATCH, RECEIPT, carried, leave, read_small
from terminals.journal import Journal, PendingBatch
from terminals.uplink.device_key import DeviceKey

LARGEST_RECEIPT = 64 * 1024
"""Bytes; ours. One has some 500."""


def exchange(journal: Journal, key: DeviceKey, link: Path, trusted: Collection[ParameterKey]) -> int:
    """With the folder ``link`` (a USB stick, the depot's share): how many batches clearing is now known to have. A batch is
    uploaded for the bus when its receipt is here, signed by one of the ``trusted`` keys of clearing
    (``ParameterStore.trusted_keys``), never before; until then it is left again, the same bytes. May be cut off anywhere and
    repeated."""
    acknowledged = 0
    for waiting in journal.waiting_batches(key.device, key.sign):
        if _receipt_is_here(link, key.device, waiting, trusted):
            journal.mark_uploaded(waiting.number)
            acknowledged += 1
    pending = {waiting.content_hash.hex(): waiting for waiting in journal.waiting_batches(key.device, key.sign)}
    for name, waiting in pending.items():
        leave(link / f"{name}{BATCH}", waiting.body)
    for one in carried(link):
        if one.device == key.device and one.name not in pending:
            (link / f"{one.name}{RECEIPT}").unlink(missing_ok=True)
            (link / f"{one.name}{BATCH}").unlink()
    return acknowledged


def _receipt_is_here(link: Path, device: str, waiting: PendingBatch, trusted: Collection[ParameterKey]) -> bool:
    """Whole, clearing's, and for exactly this content."""
    path = link / f"{waiting.content_hash.hex()}{RECEIPT}"
    try:
        signed = parse(SignedReceipt, read_small(path, LARGEST_RECEIPT))
    except ValueError:
        return False
    receipt = signed.receipt
    wanted = (device, waiting.number, waiting.content_hash)
    return is_trusted(signed, trusted) and (receipt.device, receipt.number, receipt.content_hash) == wanted


def is_trusted(receipt: SignedReceipt, trusted: Iterable[ParameterKey]) -> bool:
    """Whether one of these keys signed it."""
    signed = receipt.signed_bytes()
    return any(key.number == receipt.key and _is_signed(key.public, receipt.signature, signed) for key in trusted)


def _is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True
