"""From when on a tariff is in force. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, unique

from rulebook.deny_list import SPREADING


@unique
class ReleaseState(StrEnum):
    PROPOSED = "proposed"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


@unique
class ReleaseEvent(StrEnum):
    APPROVE = "approve"
    WITHDRAW = "withdraw"


LIFE: Mapping[tuple[ReleaseState, ReleaseEvent], ReleaseState] = {
    (ReleaseState.PROPOSED, ReleaseEvent.APPROVE): ReleaseState.PUBLISHED,
    (ReleaseState.PROPOSED, ReleaseEvent.WITHDRAW): ReleaseState.WITHDRAWN,
}

# Ours: every terminal meets a network within the spreading time of its class, so it hears before the tariff begins.
NOTICE: timedelta = max(spreading.time for spreading in SPREADING.values())


@dataclass(frozen=True, slots=True)
class Release:
    """A published tariff. ``effective_from`` None: what the city began with."""

    version: int
    sha256: bytes
    effective_from: datetime | None


class NoTariff(LookupError):
    """Nothing is in force."""


def in_force(releases: Sequence[Release], at: datetime) -> Release:
    """The one by which devices charge at ``at``: of those that have begun, the highest version. Raises ``NoTariff``."""
    begun = [release for release in releases if release.effective_from is None or release.effective_from <= at]
    if not begun:
        raise NoTariff("no tariff is in force yet")
    return max(begun, key=lambda release: release.version)


def version_at(releases: Sequence[Release], at: datetime) -> int:
    """The version in force at ``at``; 0 where nothing is."""
    try:
        return in_force(releases, at).version
    except NoTariff:
        return 0


def coming(releases: Sequence[Release], at: datetime) -> Release | None:
    """The next one to begin after ``at``."""
    later = [release for release in releases if release.effective_from is not None and release.effective_from > at]
    return min(later, key=lambda release: release.version, default=None)


def faults_of_release(releases: Sequence[Release], version: int, effective_from: datetime, now: datetime) -> list[str]:
    """What keeps ``version`` from beginning then; every fault."""
    faults = []
    if effective_from < now + NOTICE:
        faults.append(
            f"effective_from is {effective_from}; terminals hear of it by {now + NOTICE}: begin then or later"
        )
    newest = max(releases, key=lambda release: release.version, default=None)
    if newest is None:
        return faults
    if version <= newest.version:
        faults.append(f"version is {version}; {newest.version} is published: number it {newest.version + 1} or higher")
    if newest.effective_from is not None and effective_from <= newest.effective_from:
        faults.append(f"effective_from is {effective_from}; version {newest.version} begins at {newest.effective_from}")
    return faults
