"""What a purchase dialogue is told before it begins: the device, its PSAM, and the rules of the day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rulebook.calendar import BUSINESS_ZONE
from rulebook.deny_list import DenyList
from rulebook.messages.devices import DeviceKind, Parameters
from rulebook.tariff import Tariff, load_tariff


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """The device as configured. ``line`` is a line code of the tariff, ``place`` the vehicle or the station code, ``trip``
    the vehicle's run and ``shift`` the driver's (both empty at a gate). ``city`` is the four digits of file 17,
    ``institution`` the operator's 8 bytes in files 1A and 1E, ``issuers`` whose cards are taken (0x15[0..7])."""

    device: str
    kind: DeviceKind
    line: str
    place: str
    city: str
    institution: bytes
    issuers: frozenset[bytes]
    software_version: int
    trip: str = ""
    shift: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sam:
    """The PSAM in the slot, as it said itself: ``serial`` 10 bytes, ``terminal`` number 6 bytes, ``key_index`` the
    purchase key id for INITIALIZE, ``issuer`` the 8 bytes whose purchase master it holds."""

    serial: bytes
    terminal: bytes
    key_index: int
    issuer: bytes


@dataclass(frozen=True, slots=True)
class Rules:
    """The parameters in force at the device."""

    tariff: Tariff
    deny_list: DenyList

    @classmethod
    def of(cls, parameters: Parameters, *, received_at: datetime) -> Rules:
        """As clearing answered them. Raises ``MalformedTariff``."""
        return cls(load_tariff(parameters.tariff), DenyList.from_parameters(parameters, received_at=received_at))


@dataclass(frozen=True, slots=True)
class Moment:
    """``now`` with a time zone, and as BCD the way the card and the TAC have it."""

    now: datetime

    @property
    def date(self) -> bytes:
        return bytes.fromhex(f"{self._local:%Y%m%d}")

    @property
    def time(self) -> bytes:
        return bytes.fromhex(f"{self._local:%H%M%S}")

    @property
    def digits(self) -> str:
        """YYYYMMDDhhmmss."""
        return f"{self._local:%Y%m%d%H%M%S}"

    @property
    def _local(self) -> datetime:
        return self.now.astimezone(BUSINESS_ZONE)


def moment_of(digits: str) -> datetime:
    """A card's YYYYMMDDhhmmss as a moment. Raises ``ValueError``."""
    return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=BUSINESS_ZONE)
