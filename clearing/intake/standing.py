"""What is known of a device's batches while a set of them is taken, one after the other. Pure but for reading what is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from clearing.intake.files.batches import unlike
from clearing.intake.queries import Series
from clearing.intake.rules import Range, without
from rulebook.batch import BatchHeader, BatchRows
from rulebook.record.columns import Rows


@dataclass(slots=True)
class Counted:
    """Numbers that have come: the highest, and the gaps below it."""

    highest: int = 0
    missing: tuple[Range, ...] = ()

    def take(self, first: int, last: int) -> None:
        hole = [(self.highest + 1, first - 1)] if first > self.highest + 1 else []
        self.missing = without([*self.missing, *hole], [(first, last)])
        self.highest = max(self.highest, last)


@dataclass(frozen=True, slots=True)
class Earlier:
    """Records ``first`` to ``last`` that came before; ``read`` gets them from where they are kept."""

    first: int
    last: int
    read: Callable[[], Rows]


@dataclass(slots=True)
class Standing:
    """``public_key`` is None of a device that is not listened to. ``known``: content hashes by number, of those that were asked
    for. ``earlier``: stretches that may overlap."""

    public_key: bytes | None
    counted: Mapping[Series, Counted] = field(default_factory=lambda: {series: Counted() for series in Series})
    known: dict[int, bytes] = field(default_factory=dict)
    earlier: list[Earlier] = field(default_factory=list)

    def conflicts(self, batch: BatchRows) -> list[str]:
        """As ``clearing.intake.service`` says them."""
        header = batch.header
        faults = []
        if header.number in self.known:
            faults.append(f"batch {header.number} of {header.device} is known with other content")
        differing = {number for one in self._overlapping(header) for number in unlike(batch.rows, one.read())}
        return faults + [f"record {n} of {header.device} is known with other content" for n in sorted(differing)]

    def take(self, batch: BatchRows) -> None:
        header = batch.header
        self.known[header.number] = batch.content_hash
        self.earlier.append(Earlier(header.first_sequence, header.last_sequence, lambda: batch.rows))
        self.counted[Series.JOURNAL].take(header.first_sequence, header.last_sequence)
        self.counted[Series.BATCH].take(header.number, header.number)

    def _overlapping(self, header: BatchHeader) -> Iterable[Earlier]:
        return (e for e in self.earlier if e.first <= header.last_sequence and e.last >= header.first_sequence)


Gaps: TypeAlias = Mapping[tuple[str, Series], Sequence[Range]]


def gaps_of(standing: Mapping[str, Standing]) -> Gaps:
    return {(name, series): one.counted[series].missing for name, one in standing.items() for series in Series}
