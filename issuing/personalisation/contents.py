"""The bytes of every file that personalisation fills. Pure: the same record and numbers give the same card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

from card_os.profile.directory import directory_contents
from card_os.profile.files import CardSpec
from card_os.profile.psam import SamApplication, SamCard, SamTerminal
from card_os.profile.social_security import SocialHolder, SocialIssuer, identification_code
from card_os.profile.transit import CardClass, CardHolder, Management, PublicApplication, TransitProcess
from card_os.wire import identifiers as names
from issuing.personalisation.identity import Identity
from issuing.register.rules import Entry, RiderClass

# (DF, SFI) → the file's bytes, or its records in order.
Contents: TypeAlias = Mapping[tuple[int, int], tuple[bytes, ...]]

# Ours, for the demonstration: a PIN letter with a random PIN comes with the counter's work.
DEMONSTRATION_PIN = bytes.fromhex("123456")
APPLICATION_TYPE = 0x02  # PBOC: electronic purse only
APPLICATION_VERSION = 0x01  # below 50: the 3DES key set (standards.md §4.2)
PROVINCE, CITY = "1000", "1000"  # UnionPay region code of Beijing (standards.md §7)
CITIZEN_ID = 0x00  # certificate type: resident identity card
SOCIAL_CARD_CLASS = "2"  # ours: a card with a chip
SOCIAL_VERSION = "2.00"  # the 3DES generation (standards.md §5.2)
ORGANISATION = "911000"  # ours: the demonstration's card company
NAME_IN_HOLDER_FILE = 20
NAME_IN_SOCIAL_FILE = 30
_CARD_CLASSES = {
    RiderClass.ORDINARY: CardClass.ORDINARY,
    RiderClass.STUDENT: CardClass.STUDENT,
    RiderClass.ELDER: CardClass.ELDER,
}


@dataclass(frozen=True, slots=True)
class Validity:
    """Both days included."""

    first: date
    last: date


def citizen_contents(
    spec: CardSpec, identity: Identity, entry: Entry, validity: Validity, *, social_card_number: str
) -> Contents:
    """Files of the citizen card. Raises ``card_os.profile.codecs.MalformedFile`` for a datum that does not fit."""
    first, last = _digits(validity.first), _digits(validity.last)
    name, extension = split_name(entry.name, NAME_IN_SOCIAL_FILE)
    transit, social = names.TRANSIT_DF, names.SOCIAL_DF
    values: dict[tuple[int, int], object] = {
        **directory_contents(spec),
        (transit, names.SFI_PUBLIC): PublicApplication(
            issuer=identity.issuer,
            application_type=APPLICATION_TYPE,
            version=APPLICATION_VERSION,
            serial=identity.serial.hex(),
            valid_from=first,
            valid_to=last,
        ),
        (transit, names.SFI_HOLDER): CardHolder(
            identity_type=0,
            staff=0,
            name=split_name(entry.name, NAME_IN_HOLDER_FILE)[0],
            certificate_number=entry.citizen.number,
            certificate_type=CITIZEN_ID,
        ),
        (transit, names.SFI_MANAGEMENT): Management(
            province=PROVINCE, city=CITY, card_class=_CARD_CLASSES[entry.rider_class(validity.first)]
        ),
        (transit, names.SFI_TRANSIT_PROCESS): TransitProcess(),
        (social, names.SFI_SOCIAL_ISSUER): SocialIssuer(
            identification_code=identification_code(region=identity.region, chip_serial=identity.chip_serial),
            card_class=SOCIAL_CARD_CLASS,
            version=SOCIAL_VERSION,
            organisation=ORGANISATION,
            issued=first,
            valid_to=last,
            card_number=social_card_number,
        ),
        (social, names.SFI_SOCIAL_HOLDER): SocialHolder(
            social_number=entry.citizen.number,
            name=name,
            name_extension=extension,
            sex=entry.citizen.sex,
            nation=entry.nation,
            birthplace=entry.birth_place,
            born=_digits(entry.citizen.birth_date),
        ),
    }
    return _encoded(spec, values)


def sam_contents(spec: CardSpec, identity: Identity, validity: Validity, *, terminal_number: bytes) -> Contents:
    """Files of a PSAM. A hospital PSAM has no file in its DF."""
    values: dict[tuple[int, int], object] = {
        (names.MASTER_FILE, names.SFI_SAM_CARD): SamCard(serial=identity.serial.hex(), issuer=identity.issuer[:2]),
        (names.MASTER_FILE, names.SFI_SAM_TERMINAL): SamTerminal(terminal=terminal_number),
        (names.TRANSIT_SAM_DF, names.SFI_SAM_APPLICATION): SamApplication(
            key_index=names.KEY_PURCHASE,
            issuer=identity.issuer,
            application=names.TRANSIT_AID,
            valid_from=_digits(validity.first),
            valid_to=_digits(validity.last),
        ),
    }
    present = {(df.fid, file.sfi) for df in (spec.master_file, *spec.applications) for file in df.files}
    return _encoded(spec, {place: value for place, value in values.items() if place in present})


def split_name(name: str, room: int) -> tuple[str, str]:
    """``name`` as far as whole characters fit ``room`` bytes of GB 18030, and the rest."""
    end = len(name)
    while len(name[:end].encode("gb18030")) > room:
        end -= 1
    return name[:end], name[end:]


def _encoded(spec: CardSpec, values: Mapping[tuple[int, int], object]) -> Contents:
    directories = {df.fid: df for df in (spec.master_file, *spec.applications)}
    contents = {}
    for (directory, sfi), value in values.items():
        encoded = directories[directory].file(sfi).codec.encode(value)
        contents[directory, sfi] = encoded if isinstance(encoded, tuple) else (encoded,)
    return contents


def _digits(day: date) -> str:
    return f"{day:%Y%m%d}"
