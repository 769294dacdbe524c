"""PSE and PPSE: the directories in which a reader finds this card's applications (standards.md §1.1, §4.8).

One record, 70{61{4F AID, 50 label}, 61{…}}: EMV Book 1 §12.2.3 lets a record hold several entries. Both are made from the
applications of the ``CardSpec`` that have a label, so they cannot disagree with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from card_os.profile.access import Level
from card_os.profile.codecs import Field, Kind, Layout
from card_os.profile.files import Access, ApplicationSpec, CardSpec, FileSpec, Structure
from card_os.wire.identifiers import DIRECTORY_FILE, MASTER_FILE, PPSE_DF, PPSE_NAME, SFI_DIRECTORY
from card_os.wire.tlv import Tlv, encode_all


@dataclass(frozen=True, slots=True)
class DirectoryRecord:
    """``template`` is the whole record, tag 70."""

    template: bytes


def directory_record(applications: Iterable[ApplicationSpec]) -> DirectoryRecord:
    entries = [
        Tlv(0x61, encode_all((Tlv(0x4F, each.name), Tlv(0x50, each.label.encode("ascii")))))
        for each in applications
        if each.label
    ]
    return DirectoryRecord(Tlv(0x70, encode_all(entries)).encode())


def directory_file(applications: Iterable[ApplicationSpec]) -> FileSpec:
    """SFI 1 with exactly the room of that record."""
    length = len(directory_record(applications).template)
    return FileSpec(
        name="directory",
        fid=DIRECTORY_FILE,
        structure=Structure.VARIABLE,
        size=1 + length,
        access=Access(Level.FREE, Level.ADMINISTRATION),
        codec=Layout(DirectoryRecord, (Field("template", length, Kind.RAW),)),
        clause="standards.md §4.8",
    )


def proximity_directory(applications: Iterable[ApplicationSpec]) -> ApplicationSpec:
    """The PPSE, a DF with nothing but the directory."""
    return ApplicationSpec(name=PPSE_NAME, fid=PPSE_DF, files=(directory_file(applications),))


def directory_contents(card: CardSpec) -> dict[tuple[int, int], DirectoryRecord]:
    """What to write, by (DF, SFI); nothing for a card without directories."""
    record = directory_record(card.applications)
    present = {
        each.fid for each in (card.master_file, *card.applications) if any(f.fid == DIRECTORY_FILE for f in each.files)
    }
    return {(fid, SFI_DIRECTORY): record for fid in (MASTER_FILE, PPSE_DF) if fid in present}
