"""What is wrong with an operator's file, all of it at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LISTED = 100_000
"""Ours: a file read by the wrong layout has a fault in every cell; so many are named, of the rest their number."""


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

    def __init__(self, faults: Iterable[Fault]) -> None:
        found = sorted(set(faults))
        self.faults = tuple(found[:LISTED])
        self.unlisted = len(found) - len(self.faults)
        super().__init__("; ".join(map(str, self.faults[:10])) + ("; …" if len(found) > 10 else ""))


def whole(column: str, problem: str) -> FileFaults:
    """A single fault of the file as a whole."""
    return FileFaults([Fault(0, column, problem)])
