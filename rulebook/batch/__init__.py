"""What a terminal uploads: records under a header, signed by the device."""

from rulebook.batch.batch import Batch, BatchHeader, MalformedBatch, seal, unseal

__all__ = ["Batch", "BatchHeader", "MalformedBatch", "seal", "unseal"]
