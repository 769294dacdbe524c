"""The end of a hospital's day: what had no answer is brought to its end, then hospital and fund compare what they count."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from terminals.hospital import HospitalDesk, Reconciled, Repaired, RepairOutcome

_NO_END = {RepairOutcome.SILENT, RepairOutcome.REFUSED}


@dataclass(frozen=True, slots=True)
class Evening:
    """One institution's. Each has one desk in the demonstration."""

    institution: str
    repaired: tuple[Repaired, ...]
    reconciled: Reconciled

    @property
    def agrees(self) -> bool:
        return self.reconciled.balanced and not self.unfinished

    @property
    def unfinished(self) -> tuple[Repaired, ...]:
        return tuple(each for each in self.repaired if each.outcome in _NO_END)

    def differences(self) -> list[str]:
        """A sentence for each thing that is not as it should be."""
        return [
            *(f"{self.institution}: {each.msgid} {each.outcome}" for each in self.unfinished),
            *(f"{self.institution}: {sentence}" for sentence in self.reconciled.totals),
            *(f"{self.institution}: {row.setl_id} {row.memo}" for row in self.reconciled.rows),
        ]


def evening(institution: str, desk: HospitalDesk, day: date, now: datetime) -> Evening:
    """Repair, then reconcile ``day``. Raises ``HostSilent`` and ``HostRefused``."""
    return Evening(institution, tuple(desk.repair(now)), desk.reconcile(day, now))
