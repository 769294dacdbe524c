"""What the fund's office works with, who asks it, and how it says no."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from http import HTTPStatus

from backoffice.problems import Refused
from clearing.benefits.policy import Policy
from hardware.vault.vault import Vault
from rulebook.calendar.calendar import BUSINESS_ZONE
from rulebook.messages.medical import MedicalRefusal

CHALLENGE_LASTS = timedelta(minutes=5)
PRESENCE_LASTS = timedelta(minutes=30)  # from the proof to the registering of the visit
CLOCKS_AGREE_WITHIN = timedelta(minutes=5)  # a desk's and the fund's, when a visit is registered


@dataclass(frozen=True, slots=True)
class FundOffice:
    """``vault`` holds the fund's social-internal master. ``random`` makes challenges: the operating system's, or the
    simulator's seeded one."""

    vault: Vault
    policies: tuple[Policy, ...]
    random: Callable[[int], bytes] = secrets.token_bytes

    def policy(self, fund: str, day: date) -> Policy:
        """The fund's policy on ``day``. Raises ``MedicalRefused`` (no policy)."""
        for policy in self.policies:
            if policy.fund == fund and policy.holds_on(day):
                return policy
        raise MedicalRefused(MedicalRefusal.NO_POLICY, f"{fund} has no policy for {day}")


@dataclass(frozen=True, slots=True)
class Desk:
    """Who asks: the device and its operator, both from the device register, never from the message."""

    device: str
    institution: str


def local_day(moment: datetime) -> date:
    return moment.astimezone(BUSINESS_ZONE).date()


_R = MedicalRefusal
_FORBIDDEN, _GONE, _CONFLICT = HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT
_MEANING: dict[MedicalRefusal, tuple[HTTPStatus, str]] = {
    _R.WRONG_INSTITUTION: (_FORBIDDEN, "The desk does not belong to this institution"),
    _R.REPEATED_WITH_OTHER_CONTENT: (_CONFLICT, "The same id came before with other content"),
    _R.REVERSED_BEFORE: (_CONFLICT, "This message was reversed; make a new one"),
    _R.CHALLENGE_UNKNOWN: (_FORBIDDEN, "This challenge was not given to this desk; ask for one"),
    _R.CHALLENGE_USED: (_FORBIDDEN, "This challenge has been used; ask for a new one"),
    _R.CHALLENGE_EXPIRED: (_FORBIDDEN, "This challenge is too old; ask for a new one"),
    _R.CARD_UNKNOWN: (_FORBIDDEN, "No card with this chip is known"),
    _R.AUTHENTICATION_WRONG: (_FORBIDDEN, "The card's answer is wrong"),
    _R.CARD_NOT_ACTIVE: (_FORBIDDEN, "The card is not active"),
    _R.NOT_INSURED: (_FORBIDDEN, "The holder is not insured with a fund here"),
    _R.PRESENCE_NOT_PROVEN: (
        _FORBIDDEN,
        "The card's presence was not proven at this desk for this visit; read it again",
    ),
    _R.CLOCK_DIFFERS: (_CONFLICT, "The desk's clock is wrong; set it and register again"),
    _R.NO_CONTRACT: (_FORBIDDEN, "The fund does not pay this institution"),
    _R.VISIT_UNKNOWN: (_GONE, "The visit is not registered"),
    _R.WRONG_PERSON: (_CONFLICT, "The visit is somebody else's"),
    _R.FEE_LINES_MISSING: (_CONFLICT, "The charge batch has no fee lines"),
    _R.FEE_LINES_CHANGED: (_CONFLICT, "A fee line of this number is there already"),
    _R.TOTAL_DIFFERS: (_CONFLICT, "Hospital and fund do not count the same total"),
    _R.ALREADY_SETTLED: (_CONFLICT, "Settled already; cancel first, or send further outpatient items as a new batch"),
    _R.NO_POLICY: (_CONFLICT, "No policy says what is to be paid"),
    _R.SETTLEMENT_UNKNOWN: (_GONE, "There is no such settlement, or it is cancelled"),
    _R.LATER_SETTLEMENT_EXISTS: (_CONFLICT, "A later settlement of this person's year stands; cancel that one first"),
    _R.NOT_REVERSIBLE: (_CONFLICT, "Only an unanswered settlement is reversed; repeat any other message"),
    _R.FUND_WITHOUT_COVER: (_CONFLICT, "The fund cannot cover this settlement"),
}


class MedicalRefused(Refused):
    """The fund says no; nothing was done."""

    def __init__(self, reason: MedicalRefusal, detail: str = "") -> None:
        status, title = _MEANING[reason]
        super().__init__(status, title, detail, reason=reason)
        self.reason = reason
