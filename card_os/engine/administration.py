"""CREATE FILE, ERASE DF and WRITE KEY: the card's side of ``card_os.profile.personalisation``."""

from __future__ import annotations

import struct

from card_os.engine import commands
from card_os.engine.context import Context
from card_os.engine.files import DATA_STRUCTURES, DEPOSIT_BODY_SIZE, PURSE_BODY_SIZE, Key, key_body, key_types
from card_os.engine.identity_state import IdentityState
from card_os.engine.identity_store import container_size
from card_os.engine.refusal import Refusal
from card_os.engine.security import decipher, require_access, unprotected
from card_os.profile.files import SAM_LEVELS, SAM_USAGES, KeyType, Protection, SamUse, Structure, sam_usage
from card_os.profile.personalisation import HEADER, KEY_LENGTH, PIN_LENGTHS
from card_os.wire.identifiers import DEPOSIT_FILE, PURSE_FILE

_DIRECTORY = struct.Struct(">HBB3x")
_EF = struct.Struct(">HBBxx")
_COUNTED = struct.Struct(">BBBBxx")
_KEY_FILE = struct.Struct(">HxBxx")
_PURSE = struct.Struct(">xxBxxBI")
_CONTAINER = struct.Struct(">BBxxxx")


_PROTECTION = Protection.MAC | Protection.ENCIPHERED
_PURSE_SIZES = {DEPOSIT_FILE: DEPOSIT_BODY_SIZE, PURSE_FILE: PURSE_BODY_SIZE}


def create_file(context: Context, command: commands.CreateFile) -> bytes:
    """Refuses with 6982, 6A80, 6A84, 6A89."""
    require_access(context, context.session.directory.create)
    try:
        structure = Structure(command.structure & ~_PROTECTION)
        protection = Protection(command.structure & _PROTECTION)
        if structure in DATA_STRUCTURES:
            _create_data(context, structure, command, protection)
        elif protection and structure is not Structure.KEYS:
            raise Refusal(0x6A80)
        else:
            _CREATORS[structure](context, command.fid, command.parameters)
    except (KeyError, ValueError, struct.error) as problem:
        raise Refusal(0x6A80) from problem
    return b""


def _create_directory(context: Context, fid: int, parameters: bytes) -> None:
    _, create, erase = _DIRECTORY.unpack(parameters[: _DIRECTORY.size])
    name = parameters[_DIRECTORY.size :]
    if not 5 <= len(name) <= 16 or context.session.directory is not context.files.master_file:
        raise Refusal(0x6A80)
    context.files.create_directory(fid, name, create, erase)


def _create_key_file(context: Context, fid: int, parameters: bytes) -> None:
    _, add = _KEY_FILE.unpack(parameters)
    context.files.create_file(
        context.session.directory, structure=Structure.KEYS, fid=fid, read=0x0F, write=add, size=0
    )


def _create_data(context: Context, structure: Structure, command: commands.CreateFile, protection: Protection) -> None:
    """A file with bytes or records. ``protection`` is kept beside its size."""
    count = length = 0
    if structure in (Structure.FIXED, Structure.CYCLIC):
        count, length, read, write = _COUNTED.unpack(command.parameters)
        if not count or not length:
            raise Refusal(0x6A80)
        size = 2 + count * length
    else:
        size, read, write = _EF.unpack(command.parameters)
        size += 2 if structure is Structure.VARIABLE else 0
    context.files.create_file(
        context.session.directory,
        structure=structure,
        fid=command.fid,
        read=read,
        write=write,
        size=size,
        count=count,
        record_length=length,
        extra=protection,
    )


def _create_purse(context: Context, fid: int, parameters: bytes) -> None:
    use, log_sfi, limit = _PURSE.unpack(parameters)
    context.files.create_file(
        context.session.directory,
        structure=Structure.PURSE,
        fid=fid,
        read=0xF0,
        write=use,
        size=_PURSE_SIZES[fid],
        count=log_sfi,
        extra=limit,
    )


def _create_container(context: Context, fid: int, parameters: bytes) -> None:
    pages, write = _CONTAINER.unpack(parameters)
    if not pages:
        raise Refusal(0x6A80)
    context.files.create_file(
        context.session.directory,
        structure=Structure.CONTAINER,
        fid=fid,
        read=0x0F,
        write=write,
        size=container_size(pages),
        count=pages,
    )


_CREATORS = {
    Structure.DEDICATED: _create_directory,
    Structure.KEYS: _create_key_file,
    Structure.PURSE: _create_purse,
    Structure.CONTAINER: _create_container,
}


def erase_directory(context: Context) -> bytes:
    """Every file, key and PIN of the selected DF; the DF itself stays, empty (FMCOS). Refuses with 6A81 in the MF, 6982, and
    (ours) 6985 where there is a purse or a PSAM's purchase master: made anew, their counters would begin again."""
    directory = context.session.directory
    if directory is context.files.master_file:
        raise Refusal(0x6A81)
    require_access(context, directory.erase)
    if directory.purses or any(key_types(directory, usage) for usage in _SAM_MASTERS):
        raise Refusal(0x6985)
    context.session.select(directory)
    context.session.identity = IdentityState()  # it outlives SELECT of the same DF, but not the keys that were proved
    context.files.erase_directory(directory)
    return b""


def write_key(context: Context, command: commands.WriteKey) -> bytes:
    """Refuses with 6A82 (no key file), 6982, 6984, 6988, 6A80, 6A88 (nothing to replace), 6A89 (there already)."""
    directory = context.session.directory
    if directory.key_file is None:
        raise Refusal(0x6A82)
    known = None
    if command.replaces is not None:
        known = context.files.key(directory, command.replaces, command.key_id)
        if known is None:
            raise Refusal(0x6A88)
    require_access(context, known.change if known else directory.key_file.write)
    header, value = _key_data(context, command)
    if known is None:
        context.files.add_key(directory, command.key_id, header, value)
    else:
        _replace(context, known, header, value)
    return b""


def _key_data(context: Context, command: commands.WriteKey) -> tuple[bytes, bytes]:
    body, line_key = unprotected(context, context.files.master_file, command.secured)
    data = decipher(line_key, body)
    header, value = bytes(data[: HEADER.size]), bytes(data[HEADER.size :])
    lengths = PIN_LENGTHS if header[:1] == bytes((KeyType.PIN,)) else (KEY_LENGTH,)
    if header[:1] not in _KEY_TYPES or len(value) not in lengths:
        raise Refusal(0x6A80)
    return header, value


_KEY_TYPES = frozenset(bytes((key_type,)) for key_type in (*KeyType, *SAM_USAGES))
_SAM_MASTERS = [sam_usage(SamUse.PURCHASE, levels) for levels in SAM_LEVELS]


def _replace(context: Context, known: Key, header: bytes, value: bytes) -> None:
    if header[0] != known.type:
        raise Refusal(0x6A80)
    context.store.commit([(known.offset, key_body(header, value))])
