"""What a device tells clearing of itself."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

from rulebook.messages.devices import DeviceHealth
from terminals.journal import Journal
from terminals.uplink.parameter_store import Kept

_MILLISECOND = timedelta(milliseconds=1)


def health(kept: Kept, journal: Journal | None, folder: Path, *, software_version: str) -> DeviceHealth:
    """``kept`` is what the device works by, ``folder`` where it keeps its files; a hospital desk has no journal. Raises
    ``OSError``."""
    drift = kept.clock_drift
    return DeviceHealth(
        software_version=software_version,
        tariff_version=kept.parameters.tariff_version,
        list_version=kept.parameters.list_version,
        parameter_key=kept.statement.newest_key,
        clock_drift_ms=None if drift is None else drift // _MILLISECOND,
        journal_last=0 if journal is None else journal.last_sequence,
        journal_uploaded=0 if journal is None else journal.uploaded_sequence,
        free_bytes=shutil.disk_usage(folder).free,
        refusal="" if kept.refused is None else kept.refused.refusal,
    )
