"""The bus at the depot: it leaves its batches and takes the receipts of those it left before."""

from __future__ import annotations

from pathlib import Path

from rulebook.messages.devices import BatchReceipt
from rulebook.messages.medical import parse
from terminals.depot.carried import BATCH, RECEIPT, carried, leave
from terminals.journal import Journal, PendingBatch
from terminals.uplink.device_key import DeviceKey


def exchange(journal: Journal, key: DeviceKey, link: Path) -> int:
    """With the folder ``link`` (a USB stick, the depot's share): how many batches clearing is now known to have. A batch is
    uploaded for the bus when its receipt is here, never before; until then it is left again, the same bytes. May be cut off
    anywhere and repeated."""
    acknowledged = 0
    for waiting in journal.waiting_batches(key.device, key.sign):
        if _receipt_is_here(link, key.device, waiting):
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


def _receipt_is_here(link: Path, device: str, waiting: PendingBatch) -> bool:
    """Whole, and for exactly this content."""
    path = link / f"{waiting.content_hash.hex()}{RECEIPT}"
    try:
        receipt = parse(BatchReceipt, path.read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return (receipt.device, receipt.number, receipt.content_hash) == (device, waiting.number, waiting.content_hash)
