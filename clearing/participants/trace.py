"""How a charge came to its amount, in the reference of its transfer: it stays with the money, and pages read it back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from clearing.participants.activities import Activity

STEPS = {
    "rate": ("按比例", "by rate"),
    "each": ("按笔", "by piece"),
    "minimum": ("补足最低额", "made up to the minimum"),
    "maximum": ("减至最高额", "cut to the maximum"),
    "charged-before": ("此前窗口已收", "charged in windows before"),
}
"""Each step in Chinese and English."""


@dataclass(frozen=True, slots=True)
class Trace:
    """``version``: of the contracts' document. ``activity``: what was counted. ``steps``: (one of ``STEPS``, fen) that sum to
    what is paid. ``str`` and ``parse`` are each other's inverse."""

    version: int
    book: str
    participant: str
    effective_from: date
    charge: str
    activity: Activity
    steps: tuple[tuple[str, int], ...]

    @property
    def amount_minor(self) -> int:
        return sum(minor for _, minor in self.steps)

    def __str__(self) -> str:
        named = f"contracts v{self.version}; {self.book} {self.participant} {self.effective_from} {self.charge}"
        counted = f"{self.activity.count} pieces {self.activity.amount_minor} fen"
        return "; ".join([named, counted, *(f"{step} {minor}" for step, minor in self.steps)])

    @classmethod
    def parse(cls, reference: str) -> Trace | None:
        """None where the reference is of something else."""
        head, *rest = reference.split("; ")
        if not head.startswith("contracts v") or len(rest) < 2:
            return None
        (book, participant, effective_from, charge), (count, _, minor, _) = rest[0].split(" "), rest[1].split(" ")
        steps = tuple((step, int(fen)) for step, fen in (part.split(" ") for part in rest[2:]))
        activity = Activity(int(count), int(minor))
        day = date.fromisoformat(effective_from)
        return cls(int(head.removeprefix("contracts v")), book, participant, day, charge, activity, steps)
