"""Numbers that have not come, followed until they do: each gap has an owner, a deadline, and after it a case. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum, unique
from typing import TypeAlias

from clearing.cases.rules import CaseKind, Subject
from clearing.intake.rules import Range, without
from clearing.ledger.accounts import TRANSIT
from clearing.settlement.model import Remark
from clearing.verification.reasons import RemarkKind
from rulebook.calendar import Calendar
from rulebook.money import Amount


@unique
class GapKind(StrEnum):
    JOURNAL = "journal"  # records of a device; its operator can bring them
    CARD = "card"  # off-line sequences of a card; some operator's device has them, the issuer looks for it


@unique
class GapState(StrEnum):
    OPEN = "open"
    CAME = "came"  # all of it
    EXPLAINED = "explained"  # two people know why it will not


@dataclass(frozen=True, slots=True)
class GapRule:
    """``days``: working days until a gap that has not closed is a case (ours)."""

    remark: RemarkKind
    zh: str
    en: str
    days: int


GAPS: Mapping[GapKind, GapRule] = {
    GapKind.JOURNAL: GapRule(RemarkKind.JOURNAL_GAP, "终端流水缺口", "journal of a device", 3),
    GapKind.CARD: GapRule(RemarkKind.COUNTER_GAP, "卡脱机序号缺口", "off-line sequence of a card", 10),
}
_KIND_OF = {rule.remark: kind for kind, rule in GAPS.items()}

Came: TypeAlias = Mapping[tuple[GapKind, str], Sequence[Range]]
"""Numbers that are there, by kind and subject; touching ranges need not be joined."""


@dataclass(frozen=True, slots=True, order=True)
class FollowedGap:
    """Numbers ``first`` to ``last`` of ``subject`` (a device, a card's serial) that ``window`` found missing; ``missing`` of
    them still are. ``owner`` is the participant that must see to it by ``deadline``."""

    kind: GapKind
    subject: str
    first: int
    last: int
    window: int
    owner: str
    opened_on: date
    deadline: date
    missing: tuple[Range, ...]

    @property
    def case(self) -> str:
        """Of the case it becomes: a device's gap is one, the cards' gaps that a window found are one together."""
        if self.kind is GapKind.CARD:
            return f"gap:{self.kind}:{self.window}"
        return f"gap:{self.kind}:{self.subject}:{self.first}-{self.last}"


@dataclass(frozen=True, slots=True)
class Followed:
    """Open gaps after something came: ``narrower`` with what is still missing, ``closed`` with nothing, ``overdue`` those of
    the others whose deadline has passed."""

    narrower: tuple[FollowedGap, ...]
    closed: tuple[FollowedGap, ...]
    overdue: tuple[FollowedGap, ...]


def followed(open_gaps: Iterable[FollowedGap], came: Came, today: date) -> Followed:
    narrower, closed, overdue = [], [], []
    for gap in open_gaps:
        missing = without(gap.missing, came.get((gap.kind, gap.subject), ()))
        left = replace(gap, missing=missing)
        if not missing:
            closed.append(left)
            continue
        if missing != gap.missing:
            narrower.append(left)
        if today > gap.deadline:
            overdue.append(left)
    return Followed(tuple(narrower), tuple(closed), tuple(overdue))


def opened(
    remarks: Iterable[Remark],
    known: Iterable[FollowedGap],
    *,
    window: int,
    keeper: str,
    calendar: Calendar,
    today: date,
) -> tuple[FollowedGap, ...]:
    """What a window's remarks say is missing and no gap in ``known`` (open or explained) covers. A device's gap is its
    operator's; a card's, and that of a device of nobody, the book's ``keeper``'s: it issues the cards."""
    covered: dict[tuple[GapKind, str], list[Range]] = {}
    for gap in known:
        covered.setdefault((gap.kind, gap.subject), []).extend(gap.missing)
    deadlines = {kind: calendar.deadline_after(today, rule.days) for kind, rule in GAPS.items()}
    # A card's purses may miss the same numbers: that is one gap.
    found: dict[tuple[GapKind, str, Range], FollowedGap] = {}
    for remark in remarks:
        if (kind := _KIND_OF.get(remark.kind)) is None:
            continue
        owner = remark.participant or keeper
        for part in without([_range(remark)], covered.get((kind, remark.subject), ())):
            gap = FollowedGap(kind, remark.subject, *part, window, owner, today, deadlines[kind], (part,))
            found.setdefault((kind, remark.subject, part), gap)
    return tuple(found.values())


def subject_of(gap: FollowedGap) -> Subject:
    """The case of a gap past its deadline. No money hangs on it by itself: what came without its proof is an open tap."""
    what = GAPS[gap.kind]
    where = f"window {gap.window}" if gap.kind is GapKind.CARD else f"{gap.subject} {gap.first}–{gap.last}"
    return Subject(
        id=gap.case,
        kind=CaseKind.GAP,
        book=TRANSIT,
        owner=gap.owner,
        amount=Amount(0),
        detail=f"{what.zh} {what.en}: {where}",
    )


def _range(remark: Remark) -> Range:
    """A gap's remark says "first–last"."""
    first, last = remark.detail.split("–")
    return int(first), int(last)
