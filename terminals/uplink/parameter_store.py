"""The last parameters a device was told, kept on the device: a terminal that starts without a network works by them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from card_os.wire.dialogue import HostSilent
from rulebook.messages.devices import DeviceEnrolled, ParameterKey, Parameters
from rulebook.messages.medical import parse, to_wire
from rulebook.parameters import ListPart, MalformedPackage, ParameterStatement, TariffPart, assembled, unpack
from terminals.uplink.durable import write_whole
from terminals.uplink.fetching import fetched
from terminals.uplink.trust import ParametersRefused, Refusal, Trust, refuse_out_of_time
from terminals.uplink.uplink import Uplink

_FOLDER, _STATEMENT, _KEYS = "parameters", "statement", "keys.json"
# Ours: how far a device's clock may stand behind the moment it last heard before nothing can be said of the age.
_CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Kept:
    """``received_at``: the age of the deny list counts from there (``DenyList.too_old``), however often it was read since.
    ``clock_drift``: the device's clock less clearing's, when it heard just now. ``refused``: why it goes on by what it had,
    although it was given something else."""

    parameters: Parameters
    received_at: datetime
    statement: ParameterStatement
    clock_drift: timedelta | None = None
    refused: ParametersRefused | None = None


class NoParameters(Exception):
    """The device has never been told, or what it kept cannot be used: it must reach clearing before it takes a card."""


class _Read:
    """What was read last: most contacts bring nothing new, and a long list takes seconds to read."""

    def __init__(self) -> None:
        self._parts: tuple[TariffPart, ListPart] | None = None
        self._parameters: Parameters | None = None

    def parameters(self, statement: ParameterStatement, parts: Mapping[bytes, bytes], now: datetime) -> Parameters:
        """Raises as ``assembled``."""
        wanted = (statement.tariff_at(now), statement.deny_list)
        if self._parameters is None or self._parts != wanted:
            self._parameters, self._parts = assembled(statement, parts, now), wanted
        return self._parameters


@dataclass(frozen=True, slots=True)
class _Told:
    """A statement with its parts, as the device has them."""

    statement: ParameterStatement
    document: bytes
    received_at: datetime
    parts: Mapping[bytes, bytes] = field(repr=False)

    def at(self, now: datetime, read: _Read) -> Kept:
        """Raises ``ParametersRefused`` where a part is missing or is not what the statement names."""
        try:
            return Kept(read.parameters(self.statement, self.parts, now), self.received_at, self.statement)
        except (KeyError, ValueError) as error:
            raise ParametersRefused(Refusal.PART_WRONG, f"a part of the statement is not there: {error}") from error


class ParameterStore:
    """A folder in the device's ``folder``: the signed statement, replaced whole, the parts it names by their SHA-256, and
    the keys the device trusts."""

    def __init__(self, folder: Path, device: str) -> None:
        self._folder = folder / _FOLDER
        self._device = device
        self._read = _Read()

    @property
    def trusted_keys(self) -> tuple[ParameterKey, ...]:
        """Clearing's, as far as the device has been told. Raises ``NoParameters``."""
        return self._trust().keys

    def pin(self, enrolled: DeviceEnrolled) -> None:
        """Trust these keys from now on, and nothing that was told before. Raises ``OSError``."""
        self._folder.mkdir(exist_ok=True)
        (self._folder / _STATEMENT).unlink(missing_ok=True)
        write_whole(self._folder / _KEYS, to_wire(enrolled))

    def current(self, uplink: Uplink, now: datetime) -> Kept:
        """What clearing answers now, kept; where it is silent, or answers something that must not be taken, what was kept
        last. Raises ``NoParameters`` and ``HostRefused``: a device that clearing turns away works by nothing."""
        try:
            kept = self._take(uplink.statement(), now, uplink)
        except HostSilent:
            return self.last(now)
        except ParametersRefused as refused:
            return replace(self._last_instead_of(refused, now), refused=refused)
        return replace(kept, clock_drift=now - kept.statement.issued_at)

    def load(self, package: bytes, now: datetime) -> Kept:
        """Take what a person brought in a file (``rulebook.parameters.pack``). Raises ``ParametersRefused`` and
        ``NoParameters`` (never enrolled)."""
        try:
            brought = unpack(package)
        except MalformedPackage as error:
            raise ParametersRefused(Refusal.MALFORMED, str(error)) from error
        return self._take(brought.document, now, brought.parts)

    def last(self, now: datetime) -> Kept:
        """What was kept last, the tariff as it is in force ``now``. Raises ``NoParameters``."""
        try:
            told = self._told()
            kept = told.at(now, self._read)
            ahead = told.received_at - now
        except FileNotFoundError:
            raise NoParameters(f"{self._folder} is not there yet: connect the device to clearing once") from None
        except (OSError, ValueError, TypeError, ParametersRefused) as problem:
            raise NoParameters(f"{self._folder} cannot be read: connect the device to clearing") from problem
        if ahead > _CLOCK_TOLERANCE:
            raise NoParameters(f"{self._folder} is of {told.received_at}, after now ({now}): set the device's clock")
        return kept

    def _take(self, document: bytes, now: datetime, source: Uplink | Mapping[bytes, bytes]) -> Kept:
        trust, had = self._trust(), self._had()
        statement = trust.read(document)
        refuse_out_of_time(statement, None if had is None else had.statement, now)
        old = {} if had is None else had.parts
        parts = fetched(statement, old, source, None if had is None else had.statement.deny_list)
        # A clock that is ahead makes the list older than it is; one that is behind must not make it younger.
        told = _Told(statement, document, min(now, statement.issued_at), parts)
        kept = told.at(now, self._read)
        with suppress(OSError):  # a full disk is no reason to stop: the next start simply needs a network
            self._write(told, trust.after(statement))
        return kept

    def _last_instead_of(self, refused: ParametersRefused, now: datetime) -> Kept:
        try:
            return self.last(now)
        except NoParameters as nothing:
            raise NoParameters(f"{nothing}; what was given is refused: {refused}") from refused

    def _write(self, told: _Told, trust: Trust) -> None:
        """The parts before the statement that names them, the keys after the statement that one of them signed."""
        for sha256, part in told.parts.items():
            if not (path := self._folder / sha256.hex()).exists():
                write_whole(path, part)
        head = f"{told.received_at.isoformat()}\n".encode()
        write_whole(self._folder / _STATEMENT, head + told.document)
        enrolled = DeviceEnrolled(parameter_keys=list(trust.keys))
        if to_wire(enrolled) != (self._folder / _KEYS).read_bytes():
            write_whole(self._folder / _KEYS, to_wire(enrolled))
        named = {_STATEMENT, _KEYS, *(sha256.hex() for sha256 in told.parts)}
        for path in self._folder.iterdir():
            if path.name not in named:
                path.unlink()

    def _trust(self) -> Trust:
        """Raises ``NoParameters``."""
        try:
            return Trust.pinned(self._device, parse(DeviceEnrolled, (self._folder / _KEYS).read_bytes()))
        except (OSError, ValueError) as problem:
            raise NoParameters(f"{self._folder / _KEYS} cannot be read: enrol the device") from problem

    def _had(self) -> _Told | None:
        """What was kept, where it can be used."""
        try:
            return self._told()
        except (OSError, ValueError, TypeError, ParametersRefused):
            return None

    def _told(self) -> _Told:
        """Raises ``OSError``, ``ValueError`` and ``ParametersRefused``."""
        moment, _, document = (self._folder / _STATEMENT).read_bytes().partition(b"\n")
        statement = self._trust().read(document)
        parts = {sha256: self._part(sha256) for sha256 in statement.parts()}
        return _Told(statement, document, datetime.fromisoformat(moment.decode("ascii")), parts)

    def _part(self, sha256: bytes) -> bytes:
        part = (self._folder / sha256.hex()).read_bytes()
        if hashlib.sha256(part).digest() != sha256:
            raise ValueError(f"{sha256.hex()} has other content than its name says")
        return part
