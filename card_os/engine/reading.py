"""SELECT and the file commands."""

from __future__ import annotations

from card_os.engine import commands, records
from card_os.engine.context import PERMANENT_LOCK, TEMPORARY_LOCK, Context
from card_os.engine.files import Directory, ElementaryFile
from card_os.engine.refusal import Refusal
from card_os.engine.security import require_access, unprotected
from card_os.engine.store import Change
from card_os.profile.access import Level, access_byte
from card_os.profile.files import Structure
from card_os.profile.identity import PROPERTIES
from card_os.wire.apdu import SHORT_MAXIMUM, CommandApdu
from card_os.wire.identifiers import SFI_PUBLIC
from card_os.wire.tlv import Tlv, encode_all

INVALIDATED = 0x6283
_FREE = access_byte(Level.FREE)
_RECORDS = frozenset({Structure.FIXED, Structure.VARIABLE, Structure.CYCLIC})


def select_file(context: Context, command: commands.SelectFile) -> tuple[bytes, int]:
    """An EF of the current DF, or any DF. Answers FCI and status."""
    for directory in context.files.directories:
        if directory.fid == command.fid:
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
    """6F{84 name, A5{9F0C file 15}}: issuer data only where the file is free to read (standards.md §1.1, §4.2).
    The identity application answers its property template instead."""
    if directory.container is not None:
        return PROPERTIES
    public = directory.by_sfi.get(SFI_PUBLIC)
    issuer_data = b""
    if public is not None and public.structure is Structure.TRANSPARENT and public.read == _FREE:
        issuer_data = Tlv(0x9F0C, context.store.read(public.offset, public.size)).encode()
    return Tlv(0x6F, encode_all((Tlv(0x84, directory.name), Tlv(0xA5, issuer_data)))).encode()


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
    if ne is None or ne == SHORT_MAXIMUM or ne == len(data):
        return data
    raise Refusal(0x6C00 | len(data) & 0xFF)


def read_binary(context: Context, command: commands.ReadBinary) -> bytes:
    file = _file(context, command.sfi, transparent=True)
    require_access(context, file.read)
    available = file.size - command.offset
    if available <= 0:
        raise Refusal(0x6B00)
    wanted = command.ne or SHORT_MAXIMUM
    if wanted > available and wanted != SHORT_MAXIMUM:
        raise Refusal(0x6C00 | available & 0xFF)
    return context.store.read(file.offset + command.offset, min(wanted, available))


def update_binary(context: Context, command: commands.UpdateBinary) -> bytes:
    file = _file(context, command.sfi, transparent=True)
    require_access(context, file.write)
    data = _plain(context, command.secured, command.data)
    if command.offset + len(data) > file.size:
        raise Refusal(0x6B00 if command.offset >= file.size else 0x6700)
    context.store.commit([(file.offset + command.offset, data)])
    return b""


def read_record(context: Context, command: commands.ReadRecord) -> bytes:
    file = _file(context, command.sfi, transparent=False)
    require_access(context, file.read)
    reader = records.find_tag if command.by_tag else records.read_record
    return _exactly(reader(context.store, file, command.number), command.ne)


def update_record(context: Context, command: commands.UpdateRecord) -> bytes:
    file = _file(context, command.sfi, transparent=False)
    require_access(context, file.write)
    data = _plain(context, command.secured, command.data)
    return _commit(context, records.update(context.store, file, command.number, data))


def append_record(context: Context, command: commands.AppendRecord) -> bytes:
    file = _file(context, command.sfi, transparent=False)
    require_access(context, file.write)
    data = _plain(context, command.secured, command.data)
    return _commit(context, records.append(context.store, file, data))


def _commit(context: Context, changes: list[Change]) -> bytes:
    context.store.commit(changes)
    return b""


def _plain(context: Context, secured: CommandApdu | None, data: bytes) -> bytes:
    """The data of a file command, its MAC checked under the DF's line protection key where it came with one."""
    if secured is None:
        return data
    body, _ = unprotected(context, context.session.directory, secured)
    return body
