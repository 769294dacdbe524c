"""Everything the result of a window follows from, as values, and as files named by their hashes.

Each part is a file of its own, so that what did not change from one window to the next is there once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from datetime import date, datetime
from typing import Any

from clearing.day.parquet import Written
from clearing.facts.rules import DenyChange, DenyList
from clearing.intake.rules import Range
from clearing.intake.store import RawStore
from clearing.ledger.chain import Link, plain, read_back
from clearing.ledger.rules import Transfer
from clearing.participants import carrying
from clearing.participants.charging import Running
from clearing.participants.documents import DocumentKind
from clearing.settlement.encoding import canonical_json
from clearing.verification.context import Absence, KnownDevice, KnownLoad, TransactionId
from rulebook.messages.devices import DeviceKind
from rulebook.messages.facts import SamFact


@dataclass(frozen=True, slots=True, order=True)
class Piece:
    """Records ``first`` to ``first + count - 1`` of a device's journal from ``offset`` of what was ``stored_as`` that hash."""

    device: str
    first: int
    count: int
    stored_as: bytes
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """``city``, ``documents`` and ``tariffs`` are as published. ``records``: what came in this window; ``waiting``: where those
    lie that earlier windows left open. ``covered``: journal sequences that came before. ``cards``: the hash of each bucket's
    cards, ``clearing.day.model.CARDS`` in Parquet. ``counters``: those in force; ``brought``: those a running city came with.
    ``cleared``: all that earlier windows cleared."""

    number: int
    business_day: date
    city: Mapping[str, Any]
    documents: Mapping[DocumentKind, Mapping[str, Any]]
    tariffs: Mapping[int, Mapping[str, Any]]
    records: tuple[Piece, ...]
    waiting: tuple[Piece, ...]
    covered: Mapping[str, tuple[Range, ...]]
    devices: Mapping[str, KnownDevice]
    sams: Mapping[bytes, SamFact]
    deny: DenyList
    cards: Mapping[int, bytes]
    loads: Mapping[TransactionId, KnownLoad]
    held: Mapping[TransactionId, int]
    decided: Mapping[TransactionId, bool]
    online: tuple[Transfer, ...]
    links: Mapping[str, Link]
    balances: Mapping[tuple[str, str], int]
    counters: tuple[Written, ...]
    brought: tuple[Written, ...]
    cleared: tuple[Written, ...]
    running: Running


@dataclass(frozen=True, slots=True)
class _Part:
    """How one part of ``Frozen`` is written and read."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


def _by_id(write: Callable[[Any], Any], read: Callable[[Any], Any]) -> _Part:
    return _Part(
        lambda given: [[str(id_), write(value)] for id_, value in sorted(given.items())],
        lambda plain: {TransactionId.parse(id_): read(value) for id_, value in plain},
    )


_PIECES = _Part(
    lambda pieces: [[p.device, p.first, p.count, p.stored_as.hex(), p.offset] for p in sorted(pieces)],
    lambda plain: tuple(
        Piece(device, first, count, bytes.fromhex(hash_), offset) for device, first, count, hash_, offset in plain
    ),
)
_FILES = _Part(
    lambda files: [list(astuple(file)) for file in sorted(files)],
    lambda plain: tuple(Written(*fields) for fields in plain),
)


def _device(device: KnownDevice) -> list[Any]:
    absences = [[a.lost_at.isoformat(), a.back_at and a.back_at.isoformat()] for a in device.absences]
    numbers = device.sam_serial.hex(), device.terminal_number.hex()
    return [device.device, device.kind, device.operator, *numbers, absences]


def _device_back(
    device: str, kind: str, operator: str, sam_serial: str, terminal: str, absences: list[tuple[str, str | None]]
) -> KnownDevice:
    numbers = bytes.fromhex(sam_serial), bytes.fromhex(terminal)
    return KnownDevice(device, DeviceKind(kind), operator, *numbers, tuple(_absence_back(*each) for each in absences))


def _absence_back(lost: str, back: str | None) -> Absence:
    return Absence(datetime.fromisoformat(lost), datetime.fromisoformat(back) if back else None)


def _change(change: DenyChange) -> list[Any]:
    return [change.number, change.issuer.hex(), change.serial.hex(), change.denied, change.reported_at.isoformat()]


def _change_back(number: int, issuer: str, serial: str, denied: bool, reported: str) -> DenyChange:
    return DenyChange(number, bytes.fromhex(issuer), bytes.fromhex(serial), denied, datetime.fromisoformat(reported))


_PARTS: dict[str, _Part] = {
    "city": _Part(_same, _same),
    "documents": _Part(
        lambda documents: {str(kind): document for kind, document in documents.items()},
        lambda plain: {DocumentKind(kind): document for kind, document in plain.items()},
    ),
    "tariffs": _Part(
        lambda tariffs: [[version, document] for version, document in sorted(tariffs.items())],
        lambda plain: {version: document for version, document in plain},  # noqa: C416 - a pair is a list here
    ),
    "records": _PIECES,
    "waiting": _PIECES,
    "covered": _Part(
        lambda covered: {device: [list(each) for each in ranges] for device, ranges in covered.items()},
        lambda plain: {device: tuple((first, last) for first, last in ranges) for device, ranges in plain.items()},
    ),
    "devices": _Part(
        lambda devices: [_device(device) for _, device in sorted(devices.items())],
        lambda plain: {fields[0]: _device_back(*fields) for fields in plain},
    ),
    "sams": _Part(
        lambda sams: [sam.model_dump(mode="json") for _, sam in sorted(sams.items())],
        lambda plain: {sam.sam_serial: sam for sam in map(SamFact.model_validate, plain)},
    ),
    "deny": _Part(
        lambda deny: [_change(change) for change in deny.changes],
        lambda plain: DenyList(tuple(_change_back(*fields) for fields in plain)),
    ),
    "cards": _Part(
        lambda cards: [[bucket, hash_.hex()] for bucket, hash_ in sorted(cards.items())],
        lambda plain: {bucket: bytes.fromhex(hash_) for bucket, hash_ in plain},
    ),
    "loads": _by_id(lambda load: [load.amount_minor, load.posted], lambda plain: KnownLoad(*plain)),
    "held": _by_id(_same, _same),
    "decided": _by_id(_same, _same),
    "online": _Part(
        lambda transfers: [plain(transfer) for transfer in sorted(transfers, key=lambda t: t.id)],
        lambda plain: tuple(map(read_back, plain)),
    ),
    "links": _Part(
        lambda links: [[book, link.number, link.transfer_id, link.hash.hex()] for book, link in sorted(links.items())],
        lambda plain: {book: Link(number, id_, bytes.fromhex(hash_)) for book, number, id_, hash_ in plain},
    ),
    "balances": _Part(
        lambda balances: [[*key, minor] for key, minor in sorted(balances.items())],
        lambda plain: {(book, participant): minor for book, participant, minor in plain},
    ),
    "counters": _FILES,
    "brought": _FILES,
    "cleared": _FILES,
    "running": _Part(carrying.plain, carrying.read_back),
}


def keep(frozen: Frozen, store: RawStore) -> bytes:
    """The manifest: canonical JSON that names every part by its SHA-256."""
    parts = {
        name: store.keep(canonical_json(part.write(getattr(frozen, name)))).sha256 for name, part in _PARTS.items()
    }
    return canonical_json(
        {
            "window": frozen.number,
            "business_day": frozen.business_day.isoformat(),
            "parts": {name: sha256.hex() for name, sha256 in parts.items()},
        }
    )


class FrozenPartDiffers(Exception):
    """A file of the manifest is not what its name says, or not there."""


def read(manifest: bytes, store: RawStore) -> Frozen:
    """What ``keep`` was given. Raises ``FrozenPartDiffers``."""
    plain = json.loads(manifest)
    parts = {name: part.read(_content(store, name, plain["parts"][name])) for name, part in _PARTS.items()}
    return Frozen(number=plain["window"], business_day=date.fromisoformat(plain["business_day"]), **parts)


def _content(store: RawStore, name: str, sha256: str) -> Any:
    try:
        return json.loads(store.read(bytes.fromhex(sha256)))
    except (OSError, ValueError) as error:
        raise FrozenPartDiffers(f"part {name} of the manifest: {error}") from error
