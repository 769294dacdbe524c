"""The hospital desk."""

from terminals.hospital.desk import HospitalDesk
from terminals.hospital.forms import HospitalSetup
from terminals.hospital.receipt import receipt_text
from terminals.hospital.results import (
    CancelResult,
    FeeItem,
    Receipt,
    Reconciled,
    Repaired,
    RepairOutcome,
    VisitOutcome,
    VisitResult,
)
from terminals.hospital.store import VisitStore

__all__ = [
    "CancelResult",
    "FeeItem",
    "HospitalDesk",
    "HospitalSetup",
    "Receipt",
    "Reconciled",
    "RepairOutcome",
    "Repaired",
    "VisitOutcome",
    "VisitResult",
    "VisitStore",
    "receipt_text",
]
