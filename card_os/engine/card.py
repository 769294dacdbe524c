"""The card: one parsed command in, one answer out, over a memory that may lose power at any byte.

Everything on it was put there by commands; see ``stock`` for what a blank one holds. A PSAM is a card too.
"""

from __future__ import annotations

from card_os.engine import (
    administration,
    commands,
    identity,
    locking,
    offline,
    online,
    parsing,
    purse,
    reading,
    sam,
    security,
)
from card_os.engine.context import Context, Random
from card_os.engine.files import FileSystem
from card_os.engine.keymaker import KeyMaker
from card_os.engine.memory import Memory
from card_os.engine.refusal import Refusal
from card_os.engine.state import Session
from card_os.engine.store import Store
from card_os.wire.apdu import CommandApdu, ResponseApdu
from card_os.wire.status import StatusWord


class Card:
    """``memory`` holds a card made by ``stock``; ``random(n)`` gives n unpredictable bytes (challenges, session randoms);
    without a ``key_maker`` the card refuses to generate key pairs."""

    def __init__(self, memory: Memory, random: Random, *, key_maker: KeyMaker | None = None) -> None:
        self._memory = memory
        self._random = random
        self._key_maker = key_maker
        self.reset()

    def reset(self) -> None:
        """Power down and up: unfinished writes are completed or forgotten, the MF is selected, all rights are gone."""
        store = Store(self._memory)
        files = FileSystem(store)
        self._context = Context(store, files, Session(files.master_file), self._random, key_maker=self._key_maker)

    @property
    def chip_serial(self) -> bytes:
        """8 bytes, the last of the ATR's historical bytes."""
        return self._context.store.chip_serial

    def transmit(self, command: CommandApdu) -> ResponseApdu:
        """Answer one command. A memory that loses power raises ``PowerLost``; the card then needs ``reset``."""
        context = self._context
        context.challenge, context.session.challenge = context.session.challenge, b""
        try:
            context.require_card_open()
            if identity.is_own(context, command):
                return ResponseApdu(identity.answer(context, command), StatusWord.OK)
            parsed = parsing.parse(command)
            locking.require_allowed(context, parsed)
            if isinstance(parsed, commands.SelectFile | commands.SelectName):
                return self._select(parsed)
            return ResponseApdu(_perform(context, parsed), StatusWord.OK)
        except Refusal as refusal:
            return ResponseApdu(b"", refusal.sw)

    def _select(self, command: commands.SelectFile | commands.SelectName) -> ResponseApdu:
        if isinstance(command, commands.SelectFile):
            data, sw = reading.select_file(self._context, command)
        else:
            data, sw = reading.select_name(self._context, command)
        return ResponseApdu(data, StatusWord(sw))


def _perform(context: Context, command: commands.Command) -> bytes:
    match command:
        case commands.ReadBinary():
            return reading.read_binary(context, command)
        case commands.ReadRecord():
            return reading.read_record(context, command)
        case commands.GetBalance():
            return purse.get_balance(context, command)
        case commands.InitializeOffline():
            return offline.initialize(context, command)
        case commands.UpdateCappCache():
            return offline.update_capp_cache(context, command)
        case commands.Debit():
            return offline.debit(context, command)
        case commands.SamInitialize():
            return sam.initialize(context, command)
        case commands.SamCredit():
            return sam.credit(context, command)
        case commands.InitializeOnline():
            return online.initialize(context, command)
        case commands.CreditForLoad():
            return online.credit_for_load(context, command)
        case commands.DebitForUnload():
            return online.debit_for_unload(context, command)
        case commands.UpdateOverdrawLimit():
            return online.update_overdraw_limit(context, command)
        case commands.GetTransactionProve():
            return purse.get_transaction_prove(context, command)
        case commands.GetChallenge(length):
            return security.get_challenge(context, length)
        case commands.InternalAuthenticate():
            return security.internal_authenticate(context, command)
        case commands.InternalCompute():
            return security.internal_compute(context, command)
        case commands.ExternalAuthenticate():
            return security.external_authenticate(context, command)
        case commands.Verify():
            return security.verify(context, command)
        case commands.ChangePin():
            return security.change_pin(context, command)
        case commands.ReloadPin():
            return security.reload_pin(context, command)
        case commands.UpdateBinary():
            return reading.update_binary(context, command)
        case commands.UpdateRecord():
            return reading.update_record(context, command)
        case commands.AppendRecord():
            return reading.append_record(context, command)
        case commands.UnblockPin():
            return security.unblock_pin(context, command)
        case commands.EraseDirectory():
            return administration.erase_directory(context)
        case commands.CreateFile():
            return administration.create_file(context, command)
        case commands.WriteKey():
            return administration.write_key(context, command)
        case commands.BlockApplication():
            return locking.block_application(context, command)
        case commands.UnblockApplication():
            return locking.unblock_application(context, command)
        case commands.BlockCard():
            return locking.block_card(context, command)
        case commands.SamSession():
            return sam.begin_session(context, command)
        case commands.SamEncrypt():
            return sam.encrypt(context, command)
        case commands.SamMac():
            return sam.mac(context, command)
        case _:
            raise AssertionError(f"{type(command).__name__} has no handler")
