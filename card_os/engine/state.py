"""What the card remembers only while it has power, and the order of purse commands as a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique
from types import MappingProxyType

from card_os.crypto.secret import Secret
from card_os.crypto.suites import Suite
from card_os.engine.files import Directory, ElementaryFile
from card_os.engine.identity_state import IdentityState
from card_os.engine.refusal import Refusal
from card_os.engine.store import Change
from card_os.profile.files import SamUse


@unique
class PurseState(Enum):
    IDLE = "no transaction begun"
    LOAD = "INITIALIZE FOR LOAD answered"
    UNLOAD = "INITIALIZE FOR UNLOAD answered"
    OVERDRAFT = "INITIALIZE FOR UPDATE answered"
    PURCHASE = "INITIALIZE FOR PURCHASE answered"
    CASH = "INITIALIZE FOR CASH WITHDRAW answered"
    COMPOUND = "INITIALIZE FOR CAPP PURCHASE answered"


@unique
class PurseEvent(Enum):
    INITIALIZE_LOAD = "INITIALIZE FOR LOAD"
    INITIALIZE_UNLOAD = "INITIALIZE FOR UNLOAD"
    INITIALIZE_OVERDRAFT = "INITIALIZE FOR UPDATE"
    INITIALIZE_PURCHASE = "INITIALIZE FOR PURCHASE"
    INITIALIZE_CASH = "INITIALIZE FOR CASH WITHDRAW"
    INITIALIZE_COMPOUND = "INITIALIZE FOR CAPP PURCHASE"
    CACHE = "UPDATE CAPP DATA CACHE"
    CREDIT = "CREDIT FOR LOAD"
    UNLOAD = "DEBIT FOR UNLOAD"
    OVERDRAFT = "UPDATE OVERDRAW LIMIT"
    DEBIT = "DEBIT FOR PURCHASE"
    CASH = "DEBIT FOR CASH WITHDRAW"


# SELECT and reset always lead to IDLE. A pair that is not here is refused with 6985 and leads to IDLE as well.
TRANSITIONS = MappingProxyType(
    {
        **{(state, PurseEvent.INITIALIZE_LOAD): PurseState.LOAD for state in PurseState},
        **{(state, PurseEvent.INITIALIZE_UNLOAD): PurseState.UNLOAD for state in PurseState},
        **{(state, PurseEvent.INITIALIZE_OVERDRAFT): PurseState.OVERDRAFT for state in PurseState},
        **{(state, PurseEvent.INITIALIZE_PURCHASE): PurseState.PURCHASE for state in PurseState},
        **{(state, PurseEvent.INITIALIZE_CASH): PurseState.CASH for state in PurseState},
        **{(state, PurseEvent.INITIALIZE_COMPOUND): PurseState.COMPOUND for state in PurseState},
        (PurseState.COMPOUND, PurseEvent.CACHE): PurseState.COMPOUND,
        (PurseState.LOAD, PurseEvent.CREDIT): PurseState.IDLE,
        (PurseState.UNLOAD, PurseEvent.UNLOAD): PurseState.IDLE,
        (PurseState.OVERDRAFT, PurseEvent.OVERDRAFT): PurseState.IDLE,
        (PurseState.CASH, PurseEvent.CASH): PurseState.IDLE,
        (PurseState.PURCHASE, PurseEvent.DEBIT): PurseState.IDLE,
        (PurseState.COMPOUND, PurseEvent.DEBIT): PurseState.IDLE,
    }
)


@dataclass(frozen=True, slots=True)
class PurseTransaction:
    """A begun transaction. ``key`` is the session key of an on-line one; of the others the card's own: SESPK waits for the
    PSAM."""

    amount_minor: int
    terminal: bytes
    transaction_type: int
    card_random: bytes
    key: Secret
    suite: Suite


@dataclass(frozen=True, slots=True)
class SamTransaction:
    """What the PSAM expects after INIT SAM FOR PURCHASE."""

    mac2: bytes
    number: int


@dataclass(frozen=True, slots=True)
class SamKey:
    """A diversified key of the PSAM, or the session key made of it, and what it may be used for."""

    value: Secret
    suite: Suite
    use: SamUse


@dataclass(slots=True)
class Session:
    """Volatile; a new one at every reset. ``challenge`` serves the command after GET CHALLENGE and no other."""

    directory: Directory
    file: ElementaryFile | None = None
    own_state: int = 0
    card_state: int = 0
    challenge: bytes = b""
    purse_state: PurseState = PurseState.IDLE
    transaction: PurseTransaction | None = None
    capp_cache: dict[tuple[int, int], list[Change]] = field(default_factory=dict)
    sam: SamTransaction | None = None
    sam_key: SamKey | None = None
    identity: IdentityState = field(default_factory=IdentityState)

    def select(self, directory: Directory) -> None:
        """Make ``directory`` current: its register, file and any begun transaction fall. ``card_state`` stays until reset,
        what was proved to the identity application until another DF is selected (73 part 2 §3.1.1)."""
        if directory is not self.directory:
            self.identity = IdentityState()
        self.directory, self.file, self.own_state = directory, None, 0
        self.drop_transactions()

    def drop_transactions(self) -> None:
        self.purse_state, self.transaction = PurseState.IDLE, None
        self.capp_cache.clear()
        self.sam = self.sam_key = None

    def advance(self, event: PurseEvent) -> None:
        """Refuses with 6985 what the table does not allow."""
        following = TRANSITIONS.get((self.purse_state, event))
        self.purse_state = following or PurseState.IDLE
        if following is None:
            self.transaction = None
            raise Refusal(0x6985)
