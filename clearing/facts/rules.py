"""The deny list as a value that can be asked what it said at any of its versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from rulebook.messages.devices import DenyEntry


@dataclass(frozen=True, slots=True)
class DenyChange:
    """``number`` is the version of the list from this change on."""

    number: int
    issuer: bytes
    serial: bytes
    denied: bool
    reported_at: datetime


@dataclass(frozen=True)
class DenyList:
    """Every change there has been, in order of ``number``."""

    changes: tuple[DenyChange, ...]

    @cached_property
    def _of_card(self) -> Mapping[tuple[bytes, bytes], Sequence[DenyChange]]:
        by_card: dict[tuple[bytes, bytes], list[DenyChange]] = {}
        for change in self.changes:
            by_card.setdefault((change.issuer, change.serial), []).append(change)
        return by_card

    @property
    def version(self) -> int:
        """0 for a list that nothing has been put on yet."""
        return self.changes[-1].number if self.changes else 0

    def report_by(self, issuer: bytes, serial: bytes, at: datetime) -> DenyChange | None:
        """The report that denies the card at ``at``; of several without a release between them the first counts."""
        first = None
        for change in self._of_card.get((issuer, serial), ()):
            if change.reported_at <= at:
                first = (first or change) if change.denied else None
        return first

    def entries(self, version: int | None = None) -> tuple[DenyEntry, ...]:
        """Who is denied by ``version`` (the newest by default), in order of issuer and serial."""
        standing: dict[tuple[bytes, bytes], DenyChange] = {}
        for change in self.changes:
            if version is None or change.number <= version:
                standing[change.issuer, change.serial] = change
        return tuple(
            DenyEntry(issuer=change.issuer, serial=change.serial, reported_at=change.reported_at)
            for _, change in sorted(standing.items())
            if change.denied
        )


def deny_list_of(changes: Iterable[DenyChange]) -> DenyList:
    return DenyList(tuple(sorted(changes, key=lambda change: change.number)))
