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
from rulebook.batch.bundle import MOST_DEVICES, bundle, unbundle

__all__ = [
    "MOST_DEVICES",
    "OFFSET",
    "Batch",
    "BatchHeader",
    "BatchRows",
    "MalformedBatch",
    "bundle",
    "seal",
    "seal_rows",
    "unbundle",
    "unseal",
    "unseal_rows",
]
