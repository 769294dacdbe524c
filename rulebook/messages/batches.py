"""Batches of many devices that somebody else brings (docs/doors.md, "HTTP"): what clearing says to each.

A receipt goes back by the same hands, over a stick and without TLS. So clearing signs it, by the key that devices know it by.
"""

from __future__ import annotations

from collections.abc import Callable

from rulebook.messages.base import Hex, Message
from rulebook.messages.devices import BatchReceipt
from rulebook.messages.problems import Problem

DOMAIN = b"citycard receipt 1\n"
"""Goes before what is signed, so that nothing else signed by the same key can be taken for a receipt. Ours."""


class SignedReceipt(Message):
    """``signature``: Ed25519 of clearing's ``key`` over ``DOMAIN`` ‖ device ‖ LF ‖ number ‖ LF ‖ content hash (ASCII, the
    number in decimal, the hash raw)."""

    receipt: BatchReceipt
    key: int
    signature: Hex

    def signed_bytes(self) -> bytes:
        return _signed(self.receipt)


class BatchAnswer(Message):
    """``content_hash`` as of ``rulebook.batch.Batch``: the SHA-256 of everything before the signature. Either ``receipt`` or
    ``problem``."""

    content_hash: Hex
    receipt: SignedReceipt | None = None
    problem: Problem | None = None


class BatchAnswers(Message):
    """In the order of what was brought."""

    answers: list[BatchAnswer]


def signed_receipt(receipt: BatchReceipt, key: int, sign: Callable[[bytes], bytes]) -> SignedReceipt:
    """``sign`` is that of clearing's key number ``key``."""
    return SignedReceipt(receipt=receipt, key=key, signature=sign(_signed(receipt)))


def _signed(receipt: BatchReceipt) -> bytes:
    return DOMAIN + f"{receipt.device}\n{receipt.number}\n".encode() + receipt.content_hash
