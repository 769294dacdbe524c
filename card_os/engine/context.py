"""What a handler works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from card_os.engine.files import Directory, FileSystem
from card_os.engine.keymaker import KeyMaker
from card_os.engine.refusal import Refusal
from card_os.engine.state import Session
from card_os.engine.store import Store

Random: TypeAlias = Callable[[int], bytes]

TEMPORARY_LOCK = 1
PERMANENT_LOCK = 2


@dataclass(slots=True)
class Context:
    """``challenge`` is the one the command before gave out; ``session.challenge`` the one for the next command."""

    store: Store
    files: FileSystem
    session: Session
    random: Random
    challenge: bytes = b""
    key_maker: KeyMaker | None = None

    def lock_of(self, directory: Directory) -> int:
        """0, TEMPORARY_LOCK or PERMANENT_LOCK: the first byte of the DF's body."""
        return self.store.read(directory.offset, 1)[0]

    def require_card_open(self) -> None:
        """Refuses with 6A81 after CARD BLOCK, which locks the MF."""
        if self.lock_of(self.files.master_file):
            raise Refusal(0x6A81)

    def require_open(self, directory: Directory) -> None:
        """Refuses with 9303 (locked for good) or 6985 (locked)."""
        lock = self.lock_of(directory)
        if lock:
            raise Refusal(0x9303 if lock == PERMANENT_LOCK else 0x6985)
