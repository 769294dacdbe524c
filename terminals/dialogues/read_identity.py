"""At the hospital desk: the card proves that it is there and says whose it is (standards.md §5.2, §5.5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TypeVar

from card_os.crypto.authentication import city_factor
from card_os.profile.codecs import RecordSet
from card_os.profile.social_security import SOCIAL_HOLDER, SOCIAL_ISSUER, SocialHolder, SocialIssuer
from card_os.wire import commands
from card_os.wire import identifiers as names
from card_os.wire.dialogue import Dialogue, SamRefused, UnexpectedStatus, ask_card, ask_sam
from rulebook.messages.medical import CHALLENGE_LENGTH, Presence

T = TypeVar("T")

_HALF = CHALLENGE_LENGTH // 2
_RECORD_NOT_FOUND = 0x6A83


class UnreadableIdentity(ValueError):
    """EF05 or EF06 holds what its layout does not allow."""


@unique
class SamVerdict(StrEnum):
    """What the desk's own PSAM says of the card's answer; for the screen only, the fund decides by its vault."""

    RIGHT = "right"
    WRONG = "wrong"
    NOT_CHECKED = "not-checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """``region`` is the six digits the card's keys are derived with, from its identification code."""

    presence: Presence
    issuer: SocialIssuer
    holder: SocialHolder
    region: str
    sam_verdict: SamVerdict


def read_identity(challenge: bytes, *, chip_serial: bytes) -> Dialogue[Identity]:
    """``challenge`` is the fund's R1 ‖ R2, 16 bytes; ``chip_serial`` the last 8 historical bytes of the card's ATR.
    Raises ``UnexpectedStatus`` (no social-security card) and ``UnreadableIdentity``."""
    presence = yield from prove_presence(challenge, chip_serial=chip_serial)
    issuer = yield from _read(names.SFI_SOCIAL_ISSUER, SOCIAL_ISSUER)
    holder = yield from _read(names.SFI_SOCIAL_HOLDER, SOCIAL_HOLDER)
    region = _region(issuer)
    verdict = yield from check_with_sam(presence, region)
    return Identity(presence=presence, issuer=issuer, holder=holder, region=region, sam_verdict=verdict)


def _region(issuer: SocialIssuer) -> str:
    region = issuer.identification_code[:3].hex()
    if len(region) != 6 or not region.isdecimal():
        raise UnreadableIdentity(
            f"identification_code begins with {region!r}; it must begin with six digits, the region"
        )
    return region


def prove_presence(challenge: bytes, *, chip_serial: bytes) -> Dialogue[Presence]:
    """The card's internal authentication over ``challenge``; the social-security application stays selected."""
    if len(challenge) != CHALLENGE_LENGTH:
        raise ValueError(f"the challenge has {len(challenge)} bytes; it must have {CHALLENGE_LENGTH}")
    yield from ask_card(commands.select_name(names.SOCIAL_AID))
    command = commands.internal_authenticate(names.KEY_SOCIAL_INTERNAL, challenge[:_HALF], challenge[_HALF:])
    answer = yield from ask_card(command)
    # A version byte may follow the eight (standards.md §5.5).
    return Presence(challenge=challenge, chip_serial=chip_serial, answer=answer.data[:_HALF])


def check_with_sam(presence: Presence, region: str) -> Dialogue[SamVerdict]:
    """A PSAM that does not answer or is none for hospitals leaves the card unchecked; the visit goes on."""
    first, second = presence.challenge[:_HALF], presence.challenge[_HALF:]
    try:
        session = commands.sam_social_session(
            card_factor=presence.chip_serial, city_factor=city_factor(region), random=first
        )
        yield from ask_sam(commands.select_fid(names.SOCIAL_SAM_DF))
        yield from ask_sam(session)
        answer = yield from ask_sam(commands.sam_encrypt(second))
    except (SamRefused, UnexpectedStatus, ValueError):
        return SamVerdict.NOT_CHECKED
    return SamVerdict.RIGHT if answer.data == presence.answer else SamVerdict.WRONG


def _read(sfi: int, layout: RecordSet[T]) -> Dialogue[T]:
    """All records of a linear file, as far as it has them."""
    records: list[bytes] = []
    for number in range(1, len(layout.fields) + 1):
        answer = yield from ask_card(commands.read_record(sfi, number), 0x9000, _RECORD_NOT_FOUND)
        if not answer.data:
            break
        records.append(answer.data)
    try:
        return layout.decode(records)
    except ValueError as problem:
        raise UnreadableIdentity(str(problem)) from problem
