"""What a terminal uploads: records under a header, signed by the device."""

from rulebook.batch.batch import (
    OFFSET,
    Batch,
    BatchHeader,
    BatchRows,
    MalformedBatch,
    seal,
    seal_rows,
    unseal,
    unseal_rows,
)

__all__ = [
    "OFFSET",
    "Batch",
    "BatchHeader",
    "BatchRows",
    "MalformedBatch",
    "seal",
    "seal_rows",
    "unseal",
    "unseal_rows",
]
