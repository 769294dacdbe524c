"""Taking a message from another city, whichever it is: whole or refused, once or repeated."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from clearing.exchange import queries
from clearing.exchange.codec import decode
from clearing.exchange.keys import CentreKey
from clearing.exchange.messages import (
    KINDS,
    AccountingResult,
    Acknowledgement,
    DisputeResult,
    Message,
    MessageKind,
    Package,
)
from clearing.exchange.partners import Exchange, Partner
from clearing.exchange.queries import Direction
from clearing.exchange.receiving import PaidHere, take_package
from clearing.exchange.sending import take_answer, take_rulings
from clearing.exchange.signing import is_delivered_by
from clearing.exchange.xml import MalformedMessage
from clearing.participants.rules import City
from hardware.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class Taken:
    """``repeated``: the same message was there before, and nothing was done."""

    partner: str
    kind: MessageKind
    number: int
    code: Acknowledgement

    @property
    def repeated(self) -> bool:
        return self.code is Acknowledgement.REPEATED


def read(exchange: Exchange, content: bytes, signature: bytes) -> tuple[Partner, Message]:
    """The message, and the partner whose key signed it: nobody else's bytes are looked into. Raises ``Refused``."""
    partner = next((p for p in exchange.partners if is_delivered_by(p.public_key, signature, content)), None)
    if partner is None:
        detail = "the signature is not that of a city we exchange with; sign the request that delivers the message"
        raise Refused(401, "Not signed by a partner", detail, reason="signature_wrong")
    try:
        message = decode(content)
    except MalformedMessage as error:
        errors = [{"field": "message", "message": fault} for fault in error.faults]
        title = "The message was refused whole"
        raise Refused(422, title, error.code.name, reason=error.code.name.lower(), errors=errors) from error
    wanted = (("SenderId", message.sender, partner.centre), ("ReceiverId", message.receiver, exchange.centre))
    if faults := [
        f"{field} is {_hex(said)}; it must be {_hex(right)}" for field, said, right in wanted if said != right
    ]:
        errors = [{"field": "message", "message": fault} for fault in faults]
        raise Refused(422, "The message is not from its signer to us", reason="header_error", errors=errors)
    return partner, message


def _hex(centre: bytes) -> str:
    return centre.hex().upper()


async def take(
    session: AsyncSession,
    vault: Vault,
    of: City,
    key: CentreKey,
    partner: Partner,
    message: Message,
    content: bytes,
    signature: bytes,
    *,
    paid_here: PaidHere,
    now: datetime,
) -> Taken:
    """Raises ``Refused``: 409 for a number that is known with other content."""
    kind, name = KINDS[type(message)], partner.participant
    await queries.lock(session, name)
    known = await queries.message(session, Direction.IN, name, kind, message.number)
    if known is not None:
        if known.digest != hashlib.sha256(content).digest():
            detail = f"{kind} {message.number} of {name} is known with other content; give new content a new number"
            raise Refused(409, "Known with other content", detail, reason="repeated_with_other_content")
        return Taken(name, kind, message.number, Acknowledgement.REPEATED)
    await queries.store_message(session, Direction.IN, name, kind, message.number, content, signature, now=now)
    match message:
        case Package():
            await take_package(session, vault, partner, message, of, key, paid_here=paid_here, now=now)
        case AccountingResult():
            await take_answer(session, partner, message, of, now=now)
        case DisputeResult():
            await take_rulings(session, partner, message, now=now)
    return Taken(name, kind, message.number, Acknowledgement.RECEIVED)
