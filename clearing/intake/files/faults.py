"""What is wrong with an operator's file, all of it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

LISTED = 100_000
"""Ours: a file read by the wrong layout has a fault in every cell. So many are named, then it is not read on."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """``row`` counts the file's rows of data from 1; 0 is the file as a whole. ``column`` as the file calls it."""

    row: int
    column: str
    problem: str

    def __str__(self) -> str:
        where = f"row {self.row}, " if self.row else ""
        return f"{where}{self.column}: {self.problem}"


class FileFaults(Exception):
    """The file is refused whole. ``faults`` in the file's order, at least one; ``unlisted`` were found and are not named."""

    def __init__(self, faults: Iterable[Fault], unlisted: int = 0) -> None:
        found = sorted(set(faults))
        self.faults = tuple(found[:LISTED])
        self.unlisted = unlisted + len(found) - len(self.faults)
        super().__init__("; ".join(map(str, self.faults[:10])) + ("; …" if len(found) > 10 else ""))


@dataclass(slots=True)
class Found:
    """What is wrong so far: a small file can have more faults than there is memory for."""

    faults: list[Fault] = field(default_factory=list)
    unlisted: int = 0

    @property
    def is_full(self) -> bool:
        return len(self.faults) >= LISTED

    def add(self, rows: NDArray[np.int64], fault: Callable[[int], Fault]) -> None:
        """One for each of ``rows``."""
        room = max(LISTED - len(self.faults), 0)
        self.faults += map(fault, rows[:room].tolist())
        self.unlisted += len(rows[room:])

    def refuse(self) -> None:
        """Raises ``FileFaults`` where there are any."""
        if self.faults:
            raise FileFaults(self.faults, self.unlisted)


def whole(column: str, problem: str) -> FileFaults:
    """A single fault of the file as a whole."""
    return FileFaults([Fault(0, column, problem)])
