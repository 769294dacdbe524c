"""Sending so that a lost answer does no harm: stored first, repeated as it was, and a silent settlement taken back."""

from __future__ import annotations

from typing import Any

from card_os.wire.dialogue import Dialogue, HostSilent, Persist, ToHost
from rulebook.messages.medical import Answer, MedicalRefusal, Request
from terminals.hospital.forms import Forms
from terminals.hospital.store import Answered, Sent
from terminals.uplink import HostRefused

ATTEMPTS = 2  # how often one message goes out before the host counts as silent


def send(visit: str, request: Request[Any]) -> Dialogue[Answer[Any]]:
    """Store ``request``, send it, store what comes back. Raises ``HostSilent`` and ``HostRefused``."""
    yield Persist(Sent(visit, request))
    return (yield from resend(request))


def resend(request: Request[Any]) -> Dialogue[Answer[Any]]:
    """Send a stored request (again): the host answers a repeat as it did the first time."""
    try:
        answer: Answer[Any] = yield from insist(request)
    except HostRefused as refusal:
        yield Persist(Answered(request.msgid, refusal.problem))
        raise
    yield Persist(Answered(request.msgid, answer))
    return answer


def insist(message: Any) -> Dialogue[Any]:
    """Ask the host up to ``ATTEMPTS`` times. Raises the last ``HostSilent``, and ``HostRefused``."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return (yield ToHost(message))
        except HostSilent:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("ATTEMPTS is at least 1")


def take_back(
    visit: str, settlement: Request[Any], forms: Forms, earlier: Request[Any] | None = None
) -> Dialogue[Answer[Any] | None]:
    """End an unanswered settlement: reversed (None), or, where a later settlement of the person stands on it, its answer.
    ``earlier`` is a reversal that was stored before. Raises ``HostSilent`` and ``HostRefused``."""
    try:
        if earlier is not None:
            yield from resend(earlier)
        else:
            yield from send(visit, forms.reversal(settlement))
    except HostRefused as refusal:
        if refusal.problem.reason != MedicalRefusal.LATER_SETTLEMENT_EXISTS:
            raise
        return (yield from resend(settlement))
    return None
