"""CARD BLOCK, and locking an application for a time or for good: what may still be done, and the commands that do it.

Ours, as sources tell only what SELECT and the purse answer (standards.md §1.1, §1.6): while an application is locked it can be
selected (6283), read and unlocked; everything else is 6985. Locked for good it is 9303 to everything but SELECT of another and
GET CHALLENGE. A blocked card answers 6A81 to everything, for ever.
"""

from __future__ import annotations

from card_os.engine import commands
from card_os.engine.context import PERMANENT_LOCK, TEMPORARY_LOCK, Context
from card_os.engine.files import Directory
from card_os.engine.refusal import Refusal
from card_os.engine.security import unprotected
from card_os.wire.apdu import CommandApdu

_ALWAYS = frozenset({commands.SelectFile, commands.SelectName, commands.GetChallenge, commands.BlockCard})
_WHILE_LOCKED = _ALWAYS | {
    commands.ReadBinary,
    commands.ReadRecord,
    commands.BlockApplication,
    commands.UnblockApplication,
}


def require_allowed(context: Context, command: commands.Command) -> None:
    """Refuses with 9303 or 6985 what the selected application's lock forbids."""
    lock = context.lock_of(context.session.directory)
    if lock and type(command) not in (_WHILE_LOCKED if lock == TEMPORARY_LOCK else _ALWAYS):
        raise Refusal(0x6985 if lock == TEMPORARY_LOCK else 0x9303)


def block_application(context: Context, command: commands.BlockApplication) -> bytes:
    """Under the DF's own line protection key. A permanent lock stays. Refuses with 6A81 in the MF, 6984, 6987, 6988, 6983."""
    _lock_application(context, command.secured, PERMANENT_LOCK if command.permanent else TEMPORARY_LOCK)
    return b""


def unblock_application(context: Context, command: commands.UnblockApplication) -> bytes:
    _lock_application(context, command.secured, 0)
    return b""


def block_card(context: Context, command: commands.BlockCard) -> bytes:
    """Under the MF's line protection key, whichever DF is selected (ours). Nothing takes it back."""
    _lock(context, context.files.master_file, command.secured, PERMANENT_LOCK)
    return b""


def _lock_application(context: Context, secured: CommandApdu, lock: int) -> None:
    directory = context.session.directory
    if directory is context.files.master_file:
        raise Refusal(0x6A81)  # the whole card is locked by CARD BLOCK
    _lock(context, directory, secured, lock)


def _lock(context: Context, directory: Directory, secured: CommandApdu, lock: int) -> None:
    body, _ = unprotected(context, directory, secured)
    if body:
        raise Refusal(0x6700)
    context.store.commit([(directory.offset, bytes((lock,)))])
    context.session.drop_transactions()
