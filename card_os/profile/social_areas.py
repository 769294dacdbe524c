"""The social-security areas beside the basic one: DF01 to DF07 and their files (standards.md §5.1).

Which DFs and EFs there are, and their AIDs, is public; how the files are laid out, how long they are and which keys open
them is not. Ours, and only here: every file is transparent and as long as ``SIZES`` says, the public area may be read by
everybody and every other one only by who may write it, and the update key of §5.5 opens all of them. A card is issued with
its areas empty; the office that keeps an area fills it. The maternity file of DF03 is left out: its identifier is cut off
in the source.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from card_os.profile.access import Level
from card_os.profile.citizen import CITIZEN_CARD
from card_os.profile.codecs import Field, Kind, Layout
from card_os.profile.files import Access, ApplicationSpec, CardSpec, FileSpec, Structure
from card_os.profile.social_security import IDENTIFIER_RID, SOCIAL_SECURITY

PUBLIC_FID, EMPLOYMENT_FID, INSURANCE_FID, MEDICAL_FID = 0xDF01, 0xDF02, 0xDF03, 0xDF04
HEALTH_FID, RELIEF_FID, PERSONNEL_FID = 0xDF05, 0xDF06, 0xDF07

FINGERPRINT, PHOTO, ENTRY = "fingerprint", "photo", "entry"
SIZES = {FINGERPRINT: 512, PHOTO: 2048, ENTRY: 64}

_CLAUSE = "standards.md §5.1; size ours [U]"


@dataclass(frozen=True, slots=True)
class AreaFile:
    """A file whose layout is not public."""

    content: bytes


def _file(name: str, fid: int, read: Level, size: int = SIZES[ENTRY]) -> FileSpec:
    return FileSpec(
        name=name,
        fid=fid,
        structure=Structure.TRANSPARENT,
        size=size,
        access=Access(read, Level.APPLICATION),
        codec=Layout(AreaFile, (Field("content", size, Kind.RAW),)),
        clause=_CLAUSE,
    )


# AID ending, read right, and the files by identifier
_AREAS: dict[int, tuple[int, Level, dict[int, str]]] = {
    PUBLIC_FID: (
        0x00,
        Level.FREE,
        {
            0xEF05: "household",
            0xEF06: "residence",
            0xEF07: "personal state",
            0xEF08: "marriage",
            0xEF09: "employer",
            0xEF0A: "nationality and politics",
            0xEF15: "education",
            **{0xEF00 | number: f"reserved {number:02X}" for number in range(0x16, 0x1B)},
        },
    ),
    EMPLOYMENT_FID: (
        0x01,
        Level.APPLICATION,
        {
            0xEF05: "skills",
            0xEF06: "employment state",
            0xEF07: "employment record",
            0xEF09: "registration",
            0xEF15: "employment 15",
            0xEF16: "employment 16",
        },
    ),
    INSURANCE_FID: (
        0x02,
        Level.APPLICATION,
        {0xEF05: "unemployment", 0xEF06: "disability assessment", 0xEF07: "pension", 0xEF15: "work injury"},
    ),
    MEDICAL_FID: (
        0x03,
        Level.APPLICATION,
        {
            0xEF05: "medical basic",
            0xEF06: "temporary off-line settlement",
            0xEF08: "medical transactions",
            0xEF15: "special settlement",
        },
    ),
    HEALTH_FID: (0x05, Level.APPLICATION, {}),
    RELIEF_FID: (0x06, Level.APPLICATION, {}),
    PERSONNEL_FID: (0x04, Level.APPLICATION, {}),
}


def _area(fid: int, ending: int, read: Level, files: dict[int, str]) -> ApplicationSpec:
    """With the keys of the basic area, but for internal authentication: that proves the card, and once is enough."""
    return ApplicationSpec(
        name=IDENTIFIER_RID + bytes((ending,)),
        fid=fid,
        files=tuple(_file(name, file, read) for file, name in files.items()),
        keys=tuple(key for key in SOCIAL_SECURITY.keys if key.label != "social-internal"),
    )


SOCIAL_AREAS = tuple(_area(fid, *row) for fid, row in _AREAS.items())

_BASIC_AREA = replace(
    SOCIAL_SECURITY,
    files=(
        *SOCIAL_SECURITY.files,
        _file("fingerprint", 0xEF07, Level.APPLICATION, SIZES[FINGERPRINT]),
        _file("photo", 0xEF08, Level.APPLICATION, SIZES[PHOTO]),
    ),
)

AREAS_CARD = CardSpec(
    name="citizen card with every social-security area",
    master_file=CITIZEN_CARD.master_file,
    applications=(
        *(_BASIC_AREA if each is SOCIAL_SECURITY else each for each in CITIZEN_CARD.applications),
        *SOCIAL_AREAS,
    ),
)
