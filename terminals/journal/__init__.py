"""What a terminal knows for certain: its records and batches, durable before it goes on."""

from terminals.journal.journal import Journal, JournalDamaged, JournalFailed, PendingBatch

__all__ = ["Journal", "JournalDamaged", "JournalFailed", "PendingBatch"]
