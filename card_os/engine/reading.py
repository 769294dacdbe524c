"""SELECT and the file commands."""

from __future__ import annotations

from dataclasses import dataclass

from card_os.crypto.secure_messaging import enciphered
from card_os.crypto.suites import MAC_LENGTH
from card_os.engine import commands, records
from card_os.engine.context import PERMANENT_LOCK, TEMPORARY_LOCK, Context
from card_os.engine.files import Directory, ElementaryFile, Key
from card_os.engine.refusal import Refusal
from card_os.engine.security import decipher, line_key, require_access, suite_of, unprotected
from card_os.engine.store import Change, fits
from card_os.profile.access import Level, access_byte
from card_os.profile.files import Protection, Structure
from card_os.profile.identity import PROPERTIES
from card_os.wire.apdu import EXTENDED_MAXIMUM, SHORT_MAXIMUM, CommandApdu
from card_os.wire.identifiers import MASTER_FILE_NAME, PPSE_NAME, SFI_DIRECTORY, SFI_PUBLIC
from card_os.wire.tlv import MalformedTlv, Tlv, encode_all, find

INVALIDATED = 0x6283
_ALL = (SHORT_MAXIMUM, EXTENDED_MAXIMUM)
_PROTECTED_MAXIMUM = 239  # with length, padding and MAC it fits a short answer with either suite
_FREE = access_byte(Level.FREE)
_DIRECTORIES = (MASTER_FILE_NAME, PPSE_NAME)
_RECORDS = frozenset({Structure.FIXED, Structure.VARIABLE, Structure.CYCLIC})


def select_file(context: Context, command: commands.SelectFile) -> tuple[bytes, int]:
    """An EF of the current DF, or any DF. Answers FCI and status. Refuses with 6A82, 9303."""
    for directory in context.files.directories:
        if directory.fid == command.fid and not command.elementary:
            return _enter(context, directory)
    file = context.session.directory.files.get(command.fid)
    if file is None:
        raise Refusal(0x6A82)
    context.session.file = file
    return b"", 0x9000


def select_name(context: Context, command: commands.SelectName) -> tuple[bytes, int]:
    """The first DF whose name begins so; with ``following`` the next one after the current DF."""
    directories = context.files.directories
    start = context.session.directory.number + 1 if command.following else 0
    for directory in directories[start:]:
        if directory.name.startswith(command.name):
            return _enter(context, directory)
    raise Refusal(0x6A82)


def _enter(context: Context, directory: Directory) -> tuple[bytes, int]:
    lock = context.lock_of(directory)
    if lock == PERMANENT_LOCK:
        raise Refusal(0x9303)
    context.session.select(directory)
    return _control_information(context, directory), INVALIDATED if lock == TEMPORARY_LOCK else 0x9000


def _control_information(context: Context, directory: Directory) -> bytes:
    """6F{84 name, A5{9F0C file 15}}: issuer data only where the file is free to read (standards.md §1.1, §4.2). PSE and PPSE
    name their directory (88), and the PPSE shows what is in it (BF0C), as contactless readers expect (EMV Book B §3.3).
    The identity application answers its property template instead."""
    if directory.container is not None:
        return PROPERTIES
    if directory.name in _DIRECTORIES and SFI_DIRECTORY in directory.by_sfi:
        return _template(directory, _directory_entries(context, directory))
    public = directory.by_sfi.get(SFI_PUBLIC)
    issuer_data = b""
    if public is not None and public.structure is Structure.TRANSPARENT and public.read == _FREE:
        issuer_data = Tlv(0x9F0C, context.store.read(public.offset, public.size)).encode()
    return _template(directory, issuer_data)


def _template(directory: Directory, proprietary: bytes) -> bytes:
    return Tlv(0x6F, encode_all((Tlv(0x84, directory.name), Tlv(0xA5, proprietary)))).encode()


def _directory_entries(context: Context, directory: Directory) -> bytes:
    number = Tlv(0x88, bytes((SFI_DIRECTORY,))).encode()
    if directory.name != PPSE_NAME:
        return number
    try:
        record = records.read_record(context.store, directory.by_sfi[SFI_DIRECTORY], 1)
        return number + Tlv(0xBF0C, find(record, 0x70) or b"").encode()
    except (Refusal, MalformedTlv):
        return number  # not written yet


def _file(context: Context, sfi: int | None, *, transparent: bool) -> ElementaryFile:
    """The EF by SFI, which becomes current, or the current EF. Refuses with 6A82, 6986, 6981."""
    session = context.session
    if sfi is not None and sfi != 0:
        session.file = session.directory.by_sfi.get(sfi)
        if session.file is None:
            raise Refusal(0x6A82)
    file = session.file
    if file is None:
        raise Refusal(0x6986)
    if (file.structure is Structure.TRANSPARENT) is not transparent or (
        not transparent and file.structure not in _RECORDS
    ):
        raise Refusal(0x6981)
    return file


def _exactly(data: bytes, ne: int | None) -> bytes:
    """Le other than 00 must be the length there is: 6Cxx says which (T=0)."""
    if ne is None or ne in _ALL or ne == len(data):
        return data
    raise Refusal(0x6C00 | len(data) & 0xFF)


@dataclass(frozen=True, slots=True)
class _Guard:
    """How data of a file goes out. The MAC's IV is the command's challenge, and a challenge serves one command: what is
    answered under it can never be sent in as a command's MAC. Its input is the answer alone (ours)."""

    key: Key
    challenge: bytes
    protection: Protection

    def answer(self, data: bytes) -> bytes:
        suite = suite_of(self.key)
        body = enciphered(self.key.value, data, suite=suite) if Protection.ENCIPHERED in self.protection else data
        if Protection.MAC not in self.protection:
            return body
        return body + suite.line_mac(self.key.value, body, self.challenge)


def _guard(context: Context, file: ElementaryFile, secured: CommandApdu | None) -> _Guard | None:
    """None where data goes out as it is. Refuses with 6987 (the file wants a MAC), 6984, 6988, 6983."""
    if secured is not None:
        _, key = unprotected(context, context.session.directory, secured)
        return _Guard(key, context.challenge, file.protection | Protection.MAC)
    if Protection.MAC in file.protection:
        raise Refusal(0x6987)
    if file.protection:
        return _Guard(line_key(context), b"", file.protection)
    return None


def read_binary(context: Context, command: commands.ReadBinary) -> bytes:
    """With line protection Le counts the answer as sent: the data from the offset on, enciphered or not, and its MAC."""
    file = _file(context, command.sfi, transparent=True)
    require_access(context, file.read)
    guard = _guard(context, file, command.secured)
    available = file.size - command.offset
    if available <= 0:
        raise Refusal(0x6B00)
    everything = command.ne is None or command.ne in _ALL
    if guard is not None:
        part = _PROTECTED_MAXIMUM if everything else command.ne or 0
        if not everything and guard.protection is Protection.MAC:
            part -= MAC_LENGTH
        data = context.store.read(file.offset + command.offset, max(0, min(part, available, _PROTECTED_MAXIMUM)))
        return _exactly(guard.answer(data), command.ne)
    wanted = available if command.ne == EXTENDED_MAXIMUM else command.ne or SHORT_MAXIMUM
    if wanted > available and not everything:
        raise Refusal(0x6C00 | available & 0xFF)
    return context.store.read(file.offset + command.offset, min(wanted, available))


def update_binary(context: Context, command: commands.UpdateBinary) -> bytes:
    file = _file(context, command.sfi, transparent=True)
    require_access(context, file.write)
    data = _plain(context, file, command.secured, command.data)
    if command.offset + len(data) > file.size:
        raise Refusal(0x6B00 if command.offset >= file.size else 0x6700)
    changes = [(file.offset + command.offset, data)]
    if not fits(changes, spare=0):
        raise Refusal(0x6700)
    return _commit(context, changes)


def read_record(context: Context, command: commands.ReadRecord) -> bytes:
    file = _file(context, command.sfi, transparent=False)
    require_access(context, file.read)
    guard = _guard(context, file, command.secured)
    reader = records.find_tag if command.by_tag else records.read_record
    data = reader(context.store, file, command.number)
    return _exactly(data if guard is None else guard.answer(data), command.ne)


def update_record(context: Context, command: commands.UpdateRecord) -> bytes:
    file = _file(context, command.sfi, transparent=False)
    require_access(context, file.write)
    data = _plain(context, file, command.secured, command.data)
    number = command.number
    if command.by_tag:
        number = records.number_of_tag(context.store, file, number)
    return _commit(context, records.update(context.store, file, number, data))


def append_record(context: Context, command: commands.AppendRecord) -> bytes:
    file = _file(context, command.sfi, transparent=False)
    require_access(context, file.write)
    data = _plain(context, file, command.secured, command.data)
    return _commit(context, records.append(context.store, file, data))


def _commit(context: Context, changes: list[Change]) -> bytes:
    context.store.commit(changes)
    return b""


def _plain(context: Context, file: ElementaryFile, secured: CommandApdu | None, data: bytes) -> bytes:
    """The data of a file command: MAC checked under the DF's line protection key where it came with one, then deciphered
    where the file wants that. Refuses with 6987 (the file wants a MAC), 6984, 6988, 6983, 6700 (a MAC and nothing else)."""
    if secured is None and Protection.MAC in file.protection:
        raise Refusal(0x6987)
    if secured is not None:
        data, _ = unprotected(context, context.session.directory, secured)
    if Protection.ENCIPHERED in file.protection:
        data = decipher(line_key(context), data)
    if not data:
        raise Refusal(0x6700)
    return data
