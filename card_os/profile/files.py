"""What a card consists of, as frozen records: the tables of ``transit``, ``social_security`` and ``psam`` are made of these."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag, unique
from typing import Any

from card_os.crypto.suites import Algorithm
from card_os.profile.access import Level
from card_os.profile.codecs import Layout, RecordSet


@unique
class Structure(IntEnum):
    """The structure byte of CREATE FILE (standards.md §1.5); CONTAINER is ours."""

    TRANSPARENT = 0x28
    FIXED = 0x2A
    VARIABLE = 0x2C
    CYCLIC = 0x2E
    PURSE = 0x2F
    CONTAINER = 0x30
    DEDICATED = 0x38
    KEYS = 0x3F


class Protection(IntFlag):
    """Line protection of a file: the high bits of CREATE FILE's structure byte (standards.md §1.5)."""

    NONE = 0x00
    ENCIPHERED = 0x40
    MAC = 0x80


@unique
class KeyType(IntEnum):
    """The type byte of WRITE KEY; in a PSAM it is the usage byte, high bits = levels (standards.md §1.5, §3)."""

    TAC_OR_INTERNAL = 0x34  # makes TACs in a DF with a purse, answers INTERNAL AUTHENTICATE in one without (ours)
    LINE_PROTECTION = 0x36
    PIN_UNBLOCK = 0x37
    PIN_RELOAD = 0x38
    EXTERNAL = 0x39
    PIN = 0x3A
    OVERDRAFT = 0x3C
    UNLOAD = 0x3D
    PURCHASE = 0x3E
    LOAD = 0x3F
    SAM_PURCHASE = 0x42
    SAM_SESSION = 0x48


@unique
class SamUse(IntEnum):
    """The low five bits of a PSAM key's usage byte (standards.md §3): what a key may compute once it is diversified."""

    PURCHASE = 0x02
    TAC = 0x04  # folded by the PSAM itself: also the PIN reload key
    MAC = 0x06
    ENCRYPTION = 0x07
    MAC_AND_ENCRYPTION = 0x08


SAM_LEVELS = (0, 1, 2)
"""How often a PSAM key is diversified: the high three bits of its usage byte. A third level has no form of 80 1A."""


def sam_usage(use: SamUse, levels: int) -> int:
    return levels << 5 | use


SAM_USAGES = frozenset(sam_usage(use, levels) for use in SamUse for levels in SAM_LEVELS)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may read and who may write."""

    read: Level
    write: Level


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSpec:
    """An elementary file. ``size`` is bytes of a transparent or variable file, of one record otherwise; ``count`` the
    records of a fixed or cyclic file. ``codec`` reads the whole file, one record, or (``RecordSet``) all records."""

    name: str
    fid: int
    structure: Structure
    size: int
    access: Access
    codec: Layout[Any] | RecordSet[Any]
    clause: str
    count: int = 0
    protection: Protection = Protection.NONE

    @property
    def sfi(self) -> int:
        """Low five bits of the FID (FMCOS)."""
        return self.fid & 0x1F


@dataclass(frozen=True, slots=True, kw_only=True)
class PurseSpec:
    """The electronic purse (EP). ``limit_minor``: the card refuses a load beyond it (ours, see ``personalisation``)."""

    fid: int
    load: Level
    log_sfi: int
    limit_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """The room of the identity application's objects and private keys, in pages of 256 bytes."""

    fid: int
    pages: int
    write: Level


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySpec:
    """One key. ``label`` is the value of the vault's KeyLabel; ``next_state`` what a successful EXTERNAL AUTHENTICATE
    reaches; ``tries`` the wrong ones it bears in a row (0: uncounted); ``algorithm`` an ``Algorithm`` of the suites, or
    ``crypto.block.AES_128`` of an identity application's management key."""

    label: str
    type: KeyType
    id: int
    version: int = 1
    next_state: Level = Level.FREE
    tries: int = 0
    algorithm: int = Algorithm.TRIPLE_DES


@dataclass(frozen=True, slots=True, kw_only=True)
class PinSpec:
    """One PIN, 2 to 6 bytes of BCD; the identity application's have 8 bytes of ASCII."""

    id: int
    tries: int
    next_state: Level = Level.PIN


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationSpec:
    """A DF with its files, keys and PINs. ``name`` is the AID; with a ``label`` it stands in PSE and PPSE."""

    name: bytes
    fid: int
    files: tuple[FileSpec, ...] = ()
    keys: tuple[KeySpec, ...] = ()
    pins: tuple[PinSpec, ...] = ()
    purse: PurseSpec | None = None
    label: str = ""
    container: ContainerSpec | None = None

    def file(self, sfi: int) -> FileSpec:
        """Raises ``LookupError``."""
        for spec in self.files:
            if spec.sfi == sfi:
                return spec
        raise LookupError(f"application {self.name.hex().upper()} has no file with SFI {sfi:02X}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSpec:
    """A whole card. The keys of ``master_file`` replace the transport keys at the end of personalisation."""

    name: str
    master_file: ApplicationSpec
    applications: tuple[ApplicationSpec, ...]
