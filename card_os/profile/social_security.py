"""The social-security application SSSE, basic area DF00 (standards.md §5.1, §5.2)."""

from __future__ import annotations

from dataclasses import dataclass

from card_os.profile.access import Level
from card_os.profile.codecs import Field, Kind, RecordSet, TaggedField
from card_os.profile.files import Access, ApplicationSpec, FileSpec, KeySpec, KeyType, Structure
from card_os.profile.transit import KEY_TRIES
from card_os.wire import identifiers as names
from card_os.wire.records import to_bcd

IDENTIFIER_RID = bytes.fromhex("D156000005")


@dataclass(frozen=True, slots=True, kw_only=True)
class SocialIssuer:
    """EF05. Dates YYYYMMDD; ``organisation`` up to 24 digits; ``card_number`` 8 characters and GB 11714 check."""

    identification_code: bytes
    card_class: str
    version: str
    organisation: str
    issued: str
    valid_to: str
    card_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SocialHolder:
    """EF06. ``sex`` "1" male, "2" female (GB/T 2261); ``nation`` two digits; ``birthplace`` six (GB/T 2260)."""

    social_number: str
    name: str
    name_extension: str = ""
    sex: str
    nation: str
    birthplace: str
    born: str


SOCIAL_ISSUER = RecordSet(
    SocialIssuer,
    (
        TaggedField(0x01, Field("identification_code", 16, Kind.RAW)),
        TaggedField(0x02, Field("card_class", 1, Kind.TEXT)),
        TaggedField(0x03, Field("version", 4, Kind.TEXT)),
        TaggedField(0x04, Field("organisation", 12, Kind.DIGITS_F)),
        TaggedField(0x05, Field("issued", 4, Kind.DIGITS)),
        TaggedField(0x06, Field("valid_to", 4, Kind.DIGITS)),
        TaggedField(0x07, Field("card_number", 9, Kind.TEXT)),
    ),
)
SOCIAL_HOLDER = RecordSet(
    SocialHolder,
    (
        TaggedField(0x08, Field("social_number", 18, Kind.TEXT)),
        TaggedField(0x09, Field("name", 30, Kind.TEXT)),
        TaggedField(0x4E, Field("name_extension", 20, Kind.TEXT)),
        TaggedField(0x0A, Field("sex", 1, Kind.TEXT)),
        TaggedField(0x0B, Field("nation", 1, Kind.DIGITS)),
        TaggedField(0x0C, Field("birthplace", 3, Kind.DIGITS)),
        TaggedField(0x0D, Field("born", 4, Kind.DIGITS)),
    ),
)


def identification_code(*, region: str, chip_serial: bytes) -> bytes:
    """Card identification code, 16 bytes: region3 ‖ RID ‖ last 4 bytes of the ATR history ‖ FFFFFFFF.

    The formula of the four check bytes is not public (standards.md §5.4 [U]); FFFFFFFF means "not personalised".
    """
    return to_bcd(region, 3) + IDENTIFIER_RID + chip_serial[-4:] + b"\xff" * 4


_ACCESS = Access(Level.FREE, Level.APPLICATION)

SOCIAL_SECURITY = ApplicationSpec(
    name=names.SOCIAL_AID,
    label="SOCIAL SECURITY",  # ours
    fid=names.SOCIAL_DF,
    files=(
        FileSpec(
            name="issuer data",
            fid=0xEF05,
            structure=Structure.VARIABLE,
            size=SOCIAL_ISSUER.size,
            access=_ACCESS,
            codec=SOCIAL_ISSUER,
            clause="standards.md §5.2",
        ),
        FileSpec(
            name="holder data",
            fid=0xEF06,
            structure=Structure.VARIABLE,
            size=SOCIAL_HOLDER.size,
            access=_ACCESS,
            codec=SOCIAL_HOLDER,
            clause="standards.md §5.2",
        ),
    ),
    keys=(
        KeySpec(label="maintenance", type=KeyType.LINE_PROTECTION, id=0, tries=KEY_TRIES),
        KeySpec(label="social-internal", type=KeyType.TAC_OR_INTERNAL, id=names.KEY_SOCIAL_INTERNAL),
        KeySpec(
            label="social-update",
            type=KeyType.EXTERNAL,
            id=names.KEY_SOCIAL_UPDATE,
            next_state=Level.APPLICATION,
            tries=KEY_TRIES,
        ),
    ),
)
