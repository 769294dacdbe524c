"""Which message goes to which endpoint of clearing, and what answers it (docs/doors.md, "HTTP")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rulebook.messages import medical
from rulebook.messages.base import Message
from rulebook.messages.loads import LoadAuthorised, LoadConfirmation, LoadQuestion, LoadRequest, LoadStanding


@dataclass(frozen=True, slots=True)
class Endpoint:
    path: str
    answer: type[Message]


_ENDPOINTS: Mapping[type[Message], Endpoint] = {
    LoadRequest: Endpoint("/loads", LoadAuthorised),
    LoadConfirmation: Endpoint("/loads/confirmations", LoadStanding),
    LoadQuestion: Endpoint("/loads/standings", LoadStanding),
    medical.PresenceChallengeRequest: Endpoint("/medical/challenges", medical.PresenceChallenge),
}


def endpoint_of(message: Message) -> Endpoint:
    """Raises ``LookupError`` for a message that no endpoint takes."""
    if isinstance(message, medical.Request):
        return Endpoint(f"/medical/{message.infno.value}", medical.ANSWERS[message.infno])
    try:
        return _ENDPOINTS[type(message)]
    except KeyError:
        raise LookupError(f"{type(message).__name__} goes to no endpoint of the host") from None
