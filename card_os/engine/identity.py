"""The identity application: which commands are its own, command chaining, access, dispatch (73 part 2 §3)."""

from __future__ import annotations

from dataclasses import replace

from card_os.engine import identity_commands as commands
from card_os.engine import identity_keys, identity_pin
from card_os.engine.context import Context
from card_os.engine.identity_state import IdentityState
from card_os.engine.identity_store import ObjectStore
from card_os.engine.refusal import Refusal
from card_os.profile.identity import DATA_OBJECTS, DISCOVERY, DISCOVERY_TAG, VERSION, ReadRight
from card_os.wire.apdu import CommandApdu
from card_os.wire.identity import CHAINED, CONTENT
from card_os.wire.tlv import Tlv

_CHAINABLE = frozenset({0x87, 0xDB})
_CHAIN_MAXIMUM = 4096  # ours: above the longest PUT DATA
# Of the system's own commands SELECT and GET CHALLENGE (for WRITE KEY) have this application's class.
_SYSTEM = frozenset({0xA4, 0x84})


def is_own(context: Context, command: CommandApdu) -> bool:
    """Whether the selected DF is an identity application and ``command`` belongs to it."""
    return (
        context.session.directory.container is not None
        and command.cla in (0x00, CHAINED)
        and command.ins not in _SYSTEM
    )


def answer(context: Context, command: CommandApdu) -> bytes:
    """The answer's data. Raises ``Refusal``."""
    context.require_open(context.session.directory)
    state = context.session.identity
    whole = _reassembled(state, command)
    if whole is None:
        return b""
    fresh, state.pin_fresh = state.pin_fresh, False
    return _perform(context, state, commands.parse_command(whole), fresh=fresh)


def _reassembled(state: IdentityState, command: CommandApdu) -> CommandApdu | None:
    """The command with the data of its chain; None while more is to come. Another command drops a chain."""
    head = command.header[1:]
    before = bytes(state.chain) if state.chain_head == head else b""
    state.chain_head, state.chain = b"", bytearray()
    data = before + command.data
    if not command.cla & CHAINED:
        return replace(command, data=data)
    if command.ins not in _CHAINABLE:
        raise Refusal(0x6884)
    if len(data) > _CHAIN_MAXIMUM:
        raise Refusal(0x6700)
    state.chain_head, state.chain = head, bytearray(data)
    return None


def _perform(context: Context, state: IdentityState, command: commands.IdentityCommand, *, fresh: bool) -> bytes:
    match command:
        case commands.Verify():
            return identity_pin.verify(context, state, command)
        case commands.ChangeReferenceData():
            return identity_pin.change_reference_data(context, state, command)
        case commands.ResetRetryCounter():
            return identity_pin.reset_retry_counter(context, state, command)
        case commands.GetData(tag):
            return _get_data(_objects(context), state, tag)
        case commands.PutData():
            _require_manager(state)
            return _put_data(_objects(context), command)
        case commands.GenerateKeyPair():
            _require_manager(state)
            return identity_keys.generate(context, _objects(context), command)
        case commands.UseKey():
            return identity_keys.use(_objects(context), state, fresh=fresh, command=command)
        case commands.ManagementStep():
            return identity_keys.manage(context, state, command)
        case commands.GetVersion():
            return VERSION


def _objects(context: Context) -> ObjectStore:
    container = context.session.directory.container
    assert container is not None, "is_own has seen it"
    return ObjectStore(context.store, container)


def _require_manager(state: IdentityState) -> None:
    if not state.manager:
        raise Refusal(0x6982)


def _get_data(objects: ObjectStore, state: IdentityState, tag: int) -> bytes:
    """Refuses with 6A82 (unknown or empty) and 6982."""
    if tag == DISCOVERY_TAG:
        return DISCOVERY
    known = DATA_OBJECTS.get(tag)
    if known is None:
        raise Refusal(0x6A82)
    if known.read is ReadRight.PIN and not state.pin:
        raise Refusal(0x6982)
    content = objects.read(tag)
    if content is None:
        raise Refusal(0x6A82)
    return Tlv(CONTENT, content).encode()


def _put_data(objects: ObjectStore, command: commands.PutData) -> bytes:
    """Refuses with 6A81 (not an object of this card, or made by the card itself) and 6A84 (too long, or no room)."""
    known = DATA_OBJECTS.get(command.tag)
    if known is None:
        raise Refusal(0x6A81)
    if len(command.content) > known.size:
        raise Refusal(0x6A84)
    objects.write(command.tag, command.content)
    return b""
