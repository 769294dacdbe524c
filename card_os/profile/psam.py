"""PSAMs: transit operators' with the purchase master, hospitals' with the social-internal one (standards.md §3, §5.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from card_os.profile.access import Level
from card_os.profile.citizen import master_file_keys
from card_os.profile.codecs import Field, Kind, Layout
from card_os.profile.files import Access, ApplicationSpec, CardSpec, FileSpec, KeySpec, KeyType, Structure
from card_os.profile.transit import KEY_TRIES
from card_os.wire import identifiers as names


@dataclass(frozen=True, slots=True, kw_only=True)
class SamCard:
    """MF 0015. ``serial`` 20 digits."""

    serial: str
    version: int = 1
    card_type: int = 0
    issuer: bytes


SAM_CARD = Layout(
    SamCard,
    (
        Field("serial", 10, Kind.DIGITS),
        Field("version", 1, Kind.NUMBER),
        Field("card_type", 1, Kind.NUMBER),
        Field("issuer", 2, Kind.RAW),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamTerminal:
    """MF 0016: the terminal number that goes into MAC1 and TAC."""

    terminal: bytes


SAM_TERMINAL = Layout(SamTerminal, (Field("terminal", 6, Kind.RAW),))


@dataclass(frozen=True, slots=True, kw_only=True)
class SamApplication:
    """DF 0017. ``key_index`` is the key id terminals put into INITIALIZE FOR PURCHASE."""

    key_index: int
    issuer: bytes
    application: bytes
    valid_from: str
    valid_to: str


SAM_APPLICATION = Layout(
    SamApplication,
    (
        Field("key_index", 1, Kind.NUMBER),
        Field("issuer", 8, Kind.RAW),
        Field("application", 8, Kind.RAW),
        Field("valid_from", 4, Kind.DIGITS),
        Field("valid_to", 4, Kind.DIGITS),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamTransactionNumber:
    """DF 0018 (ours): the number the next INIT SAM FOR PURCHASE answers. Only the PSAM itself moves it."""

    number: int


SAM_TRANSACTION_NUMBER = Layout(SamTransactionNumber, (Field("number", 4, Kind.NUMBER),))

_ADMINISTERED = Access(Level.FREE, Level.ADMINISTRATION)


def _transparent(name: str, fid: int, codec: Layout[Any], access: Access, clause: str) -> FileSpec:
    return FileSpec(
        name=name,
        fid=fid,
        structure=Structure.TRANSPARENT,
        size=codec.length,
        access=access,
        codec=codec,
        clause=clause,
    )


_MASTER_FILE = ApplicationSpec(
    name=names.MASTER_FILE_NAME,
    fid=names.MASTER_FILE,
    files=(
        _transparent("SAM card information", 0x0015, SAM_CARD, _ADMINISTERED, "standards.md §3"),
        _transparent("terminal number", 0x0016, SAM_TERMINAL, _ADMINISTERED, "standards.md §3"),
    ),
    keys=master_file_keys("sam-maintenance"),
)
_LINE_KEY = KeySpec(label="sam-maintenance", type=KeyType.LINE_PROTECTION, id=0, tries=KEY_TRIES)

TRANSIT_SAM = CardSpec(
    name="transit PSAM",
    master_file=_MASTER_FILE,
    applications=(
        ApplicationSpec(
            name=names.TRANSIT_SAM_AID,
            fid=names.TRANSIT_SAM_DF,
            files=(
                _transparent("application information", 0x0017, SAM_APPLICATION, _ADMINISTERED, "standards.md §3"),
                _transparent(
                    "terminal transaction number",
                    0x0018,
                    SAM_TRANSACTION_NUMBER,
                    Access(Level.FREE, Level.NEVER),
                    "ours; its behaviour standards.md §3",
                ),
            ),
            keys=(_LINE_KEY, KeySpec(label="purchase", type=KeyType.SAM_PURCHASE, id=names.KEY_PURCHASE)),
        ),
    ),
)
HOSPITAL_SAM = CardSpec(
    name="hospital PSAM",
    master_file=_MASTER_FILE,
    applications=(
        ApplicationSpec(
            name=names.SOCIAL_SAM_AID,
            fid=names.SOCIAL_SAM_DF,
            keys=(_LINE_KEY, KeySpec(label="social-internal", type=KeyType.SAM_SESSION, id=names.KEY_SAM_SOCIAL)),
        ),
    ),
)
