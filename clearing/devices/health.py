"""How a device is, by what it said of itself and what clearing knows of it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, unique
from types import MappingProxyType

from clearing.devices.life import DeviceState
from clearing.devices.releases import Release, version_at
from rulebook.deny_list import SPREADING
from rulebook.messages.devices import DeviceHealth, DeviceKind
from rulebook.messages.facts import SamFact, SamState


@unique
class Health(StrEnum):
    """The gravest first: a device is what the first of its findings says."""

    LOST = "lost"
    BLOCKED = "blocked"  # its PSAM is lost, or not bound to it any more
    WRONG_CLOCK = "wrong_clock"
    SILENT = "silent"
    OLD_LISTS = "old_lists"  # works by a list or tariff that has been replaced, or refuses what it is told
    LITTLE_SPACE = "little_space"
    LATE = "late"  # with its contact or its records
    AWAITED = "awaited"  # announced or found again, not enrolled
    OK = "ok"


WORDS: Mapping[Health, tuple[str, str, str]] = MappingProxyType(
    {
        Health.LOST: ("已挂失", "lost", "bad"),
        Health.BLOCKED: ("已停用", "blocked", "bad"),
        Health.WRONG_CLOCK: ("时钟错误", "wrong clock", "bad"),
        Health.SILENT: ("失联", "silent", "bad"),
        Health.OLD_LISTS: ("参数过期", "old lists", "bad"),
        Health.LITTLE_SPACE: ("空间不足", "little space", "wait"),
        Health.LATE: ("延迟", "late", "wait"),
        Health.AWAITED: ("待登记", "to be enrolled", ""),
        Health.OK: ("正常", "ok", "good"),
    }
)
"""For the page: Chinese, English, colour."""

NO_PROBLEM = frozenset({Health.OK, Health.AWAITED})


@dataclass(frozen=True, slots=True)
class Limits:
    """``late_after`` and ``silent_after``: since the last contact. ``unsent``: records journaled and not acknowledged."""

    late_after: timedelta
    silent_after: timedelta
    clock_drift: timedelta
    unsent: int
    free_bytes: int


_MEBIBYTE = 1024 * 1024

# Ours. After ``list_limit`` without a contact a terminal stops taking cards, so then at the latest it is called silent.
LIMITS: Mapping[DeviceKind, Limits] = MappingProxyType(
    {
        DeviceKind.VALIDATOR: Limits(
            timedelta(hours=12),
            SPREADING[DeviceKind.VALIDATOR].list_limit,
            timedelta(seconds=120),
            5000,
            64 * _MEBIBYTE,
        ),
        DeviceKind.GATE: Limits(
            timedelta(hours=3), SPREADING[DeviceKind.GATE].list_limit, timedelta(seconds=60), 5000, 64 * _MEBIBYTE
        ),
        DeviceKind.TOPUP: Limits(
            timedelta(minutes=30), SPREADING[DeviceKind.TOPUP].list_limit, timedelta(seconds=60), 50, 64 * _MEBIBYTE
        ),
        DeviceKind.HOSPITAL: Limits(
            timedelta(minutes=30), SPREADING[DeviceKind.HOSPITAL].list_limit, timedelta(seconds=60), 50, 64 * _MEBIBYTE
        ),
    }
)


@unique
class SamStanding(StrEnum):
    """The PSAM that the device was enrolled with, as issuing tells."""

    BOUND = "bound"
    LOST = "lost"
    ELSEWHERE = "elsewhere"
    UNBOUND = "unbound"
    UNKNOWN = "unknown"


SAM_WORDS: Mapping[SamStanding, tuple[str, str]] = MappingProxyType(
    {
        SamStanding.BOUND: ("已绑定本终端", "bound to this device"),
        SamStanding.LOST: ("已挂失：须更换 PSAM 并重新登记", "reported lost: put in another one and enrol anew"),
        SamStanding.ELSEWHERE: ("绑定在其他终端", "bound to another device"),
        SamStanding.UNBOUND: ("未绑定：请制卡方绑定", "not bound: ask issuing to bind it"),
        SamStanding.UNKNOWN: ("制卡方未告知", "not known from issuing's feed"),
    }
)
STILL_BOUND = (
    "PSAM 仍绑定在挂失终端：请制卡方挂失该 PSAM",
    "the PSAM is still bound to a device that is away: let issuing report it lost",
)


@dataclass(frozen=True, slots=True)
class Report:
    """What it said last, and when clearing heard it. ``told_at``: when it asked last for parameters, or was enrolled;
    ``told_list``: the version of the deny list it was told then (0: none yet)."""

    at: datetime
    said: DeviceHealth
    told_at: datetime
    told_list: int


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that is known of one device. ``last_contact``: None before the first."""

    kind: DeviceKind
    state: DeviceState
    sam: SamStanding
    last_contact: datetime | None
    report: Report | None


Rule = Callable[[Known, Sequence[Release], datetime], bool]


def _since(known: Known, now: datetime) -> timedelta:
    return timedelta.max if known.last_contact is None else now - known.last_contact


def _wrong_clock(known: Known, _: Sequence[Release], __: datetime) -> bool:
    drift = None if known.report is None else known.report.said.clock_drift_ms
    return drift is not None and abs(drift) > LIMITS[known.kind].clock_drift // timedelta(milliseconds=1)


def _old_lists(known: Known, published: Sequence[Release], _: datetime) -> bool:
    """By what it could know when it said so: what came since then is old only of a device that is silent, too."""
    report = known.report
    if report is None:
        return False
    behind = (
        report.said.list_version < report.told_list,
        report.said.tariff_version < version_at(published, report.at),
        report.at - report.told_at > SPREADING[known.kind].time,  # it talks, and does not ask
    )
    return bool(report.said.refusal) or any(behind)


def _late(known: Known, _: Sequence[Release], now: datetime) -> bool:
    limits = LIMITS[known.kind]
    return limits.late_after < _since(known, now) <= limits.silent_after or unsent(known) > limits.unsent


def _little_space(known: Known, _: Sequence[Release], __: datetime) -> bool:
    return known.report is not None and known.report.said.free_bytes < LIMITS[known.kind].free_bytes


_AT_WORK: Mapping[Health, Rule] = MappingProxyType(
    {
        Health.BLOCKED: lambda known, _, __: known.sam is not SamStanding.BOUND,
        Health.WRONG_CLOCK: _wrong_clock,
        Health.SILENT: lambda known, _, now: _since(known, now) > LIMITS[known.kind].silent_after,
        Health.OLD_LISTS: _old_lists,
        Health.LITTLE_SPACE: _little_space,
        Health.LATE: _late,
    }
)
_AWAY: Mapping[DeviceState, Health] = MappingProxyType(
    {
        DeviceState.INVITED: Health.AWAITED,
        DeviceState.RETURNING: Health.AWAITED,
        DeviceState.LOST: Health.LOST,
    }
)


def unsent(known: Known) -> int:
    """Records it has journaled and not got an acknowledgement for, by its last word."""
    said = None if known.report is None else known.report.said
    return 0 if said is None else max(0, said.journal_last - said.journal_uploaded)


def findings(known: Known, published: Sequence[Release], now: datetime) -> tuple[Health, ...]:
    """All that is wrong with it, the gravest first; ``(OK,)`` where nothing is. Not for a decommissioned device.
    ``published``: every tariff there is."""
    if known.state in _AWAY:
        return (_AWAY[known.state],)
    return tuple(h for h in Health if h in _AT_WORK and _AT_WORK[h](known, published, now)) or (Health.OK,)


def sam_standing(device: str, sam: SamFact | None) -> SamStanding:
    if sam is None:
        return SamStanding.UNKNOWN
    if sam.state is SamState.LOST:
        return SamStanding.LOST
    if sam.state is not SamState.BOUND:
        return SamStanding.UNBOUND
    return SamStanding.BOUND if sam.device == device else SamStanding.ELSEWHERE


def sam_warning(state: DeviceState, sam: SamStanding) -> tuple[str, str] | None:
    """Chinese and English; None where the PSAM is as it should be."""
    away = state in {DeviceState.LOST, DeviceState.RETURNING, DeviceState.DECOMMISSIONED}
    if away:
        return STILL_BOUND if sam is SamStanding.BOUND else None
    return None if sam is SamStanding.BOUND else SAM_WORDS[sam]


def counted(gravest: Iterable[tuple[str, str, Health]]) -> dict[tuple[str, str], Counter[Health]]:
    """(operator, line, health) of each device: how many there are, by operator and line in order."""
    table: dict[tuple[str, str], Counter[Health]] = {}
    for operator, line, health in gravest:
        table.setdefault((operator, line), Counter())[health] += 1
    return dict(sorted(table.items()))
