"""Writing one blank: files, keys, PINs, contents, and last the keys that close it (docs/card.md, "Personalising").

Every step can be repeated, so a card that was torn in the middle is finished by the same dialogue with ``resumed``: what
stands there already (6A89) is left as it is, and the read-back afterwards says whether it is right.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from card_os.crypto.authentication import external_cryptogram
from card_os.profile import personalisation as make
from card_os.profile.access import Level
from card_os.profile.files import ApplicationSpec, CardSpec, FileSpec, KeySpec, KeyType, Structure
from card_os.wire import commands
from card_os.wire.apdu import CommandApdu
from card_os.wire.commands import MalformedAnswer
from card_os.wire.dialogue import Dialogue, Persist, ToVault, ask_card
from card_os.wire.identifiers import KEY_MASTER_FILE, MASTER_FILE
from hardware.vault.operations import VaultOperation
from hardware.vault.vault import KeyLabel
from issuing.personalisation.contents import Contents
from issuing.personalisation.identity import Identity, child, is_master, wrapped_master

RECORD_NOT_FOUND = 0x6A83
MAC_WRONG = 0x6988
EXISTS = 0x6A89  # ISO/IEC 7816-4: file already exists
OK = 0x9000
_CHALLENGE = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """All that will stand on one chip."""

    spec: CardSpec
    identity: Identity
    contents: Contents = field(repr=False)
    pins: dict[int, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyWritten:
    """Persisted for the key log after the chip answered 9000; never a value."""

    directory: int
    key: KeySpec


def personalise(plan: Plan, *, resumed: bool) -> Dialogue[None]:
    """Make the blank in the reader what ``plan`` says. Raises ``UnexpectedStatus`` where the chip refuses a step,
    ``CardGone`` where it left. ``resumed``: a conversation with this chip broke before."""
    closed = yield from _open(plan, resumed=resumed)
    if not closed:
        yield from _make_files(plan.spec.master_file, plan, resumed=resumed)
        for application in plan.spec.applications:
            yield from _make_application(application, plan, resumed=resumed)
            yield from _open(plan, resumed=False)  # a DF is made in the MF, and selecting the MF takes the right away
    yield from _close(plan, external_done=closed)


def ask_vault(operation: VaultOperation) -> Dialogue[bytes]:
    answer: bytes = yield ToVault(operation)
    return answer


def _challenge() -> Dialogue[bytes]:
    challenge: bytes = (yield from ask_card(commands.get_challenge())).data
    if len(challenge) != _CHALLENGE:
        raise MalformedAnswer(f"the challenge has {len(challenge)} bytes; {_CHALLENGE} were asked for")
    return challenge


def authenticate(key_id: int, key: bytes, *expected: int) -> Dialogue[bool]:
    """EXTERNAL AUTHENTICATE with ``key`` in the selected DF; whether it was right. Other states raise."""
    challenge = yield from _challenge()
    command = commands.external_authenticate(key_id, external_cryptogram(key, challenge))
    answer = yield from ask_card(command, OK, *expected)
    return answer.sw.value == OK


_WRONG_KEY = (0x6300, *range(0x63C0, 0x63D0))


def _open(plan: Plan, *, resumed: bool) -> Dialogue[bool]:
    """Win the right to administer. True where the chip knows its final authentication key already."""
    yield from ask_card(commands.select_fid(MASTER_FILE))
    transport = yield from ask_vault(child(KeyLabel.TRANSPORT, plan.identity))
    if (yield from authenticate(KEY_MASTER_FILE, transport, *(_WRONG_KEY if resumed else ()))):
        return False
    final = yield from ask_vault(child(_closing_label(plan), plan.identity))
    return (yield from authenticate(KEY_MASTER_FILE, final))


def _closing_label(plan: Plan) -> KeyLabel:
    return KeyLabel(plan.spec.master_file.keys[0].label)


def _make_application(application: ApplicationSpec, plan: Plan, *, resumed: bool) -> Dialogue[None]:
    yield from _create(make.create_application(application), resumed=resumed)
    yield from ask_card(commands.select_fid(application.fid))
    yield from _create(make.create_key_file(application), resumed=resumed)
    for key in application.keys:
        yield from _write_key(application, key, plan, resumed=resumed)
    yield from _write_pins(application, plan, resumed=resumed)
    yield from _make_files(application, plan, resumed=resumed)


def _make_files(directory: ApplicationSpec, plan: Plan, *, resumed: bool) -> Dialogue[None]:
    for file in directory.files:
        yield from _create(make.create_file(file), resumed=resumed)
    if directory.purse is not None:
        yield from _create(make.create_purse(directory.purse), resumed=resumed)
    if directory.container is not None:
        yield from _create(make.create_container(directory.container), resumed=resumed)
    if any(file.access.write is Level.APPLICATION for file in directory.files):
        yield from open_application(directory, plan)
    for file in directory.files:
        for number, content in enumerate(plan.contents.get((directory.fid, file.sfi), ()), 1):
            yield from _fill(file, number, content, resumed=resumed)


def open_application(application: ApplicationSpec, plan: Plan) -> Dialogue[None]:
    """Authenticate with the key of the selected DF that opens its files; proves that key as well."""
    (key,) = (key for key in application.keys if key.type is KeyType.EXTERNAL)
    value = yield from ask_vault(child(KeyLabel(key.label), plan.identity))
    yield from authenticate(key.id, value)


def _create(command: CommandApdu, *, resumed: bool) -> Dialogue[None]:
    """CREATE FILE, or WRITE KEY, that a resumed card may have done before."""
    yield from ask_card(command, OK, *((EXISTS,) if resumed else ()))


def _fill(file: FileSpec, number: int, content: bytes, *, resumed: bool) -> Dialogue[None]:
    if file.structure is Structure.TRANSPARENT:
        yield from ask_card(commands.update_binary(file.sfi, content))
        return
    if resumed:
        found = yield from ask_card(commands.read_record(file.sfi, number), OK, RECORD_NOT_FOUND)
        if found.sw.value == OK:
            return
    yield from ask_card(commands.append_record(file.sfi, content))


def _write_key(directory: ApplicationSpec, key: KeySpec, plan: Plan, *, resumed: bool) -> Dialogue[None]:
    line_key = yield from ask_vault(child(KeyLabel.TRANSPORT, plan.identity))
    challenge = yield from _challenge()
    if is_master(key):
        wrapped = yield from ask_vault(wrapped_master(key, plan.identity))
        command = make.write_wrapped_key(key, wrapped, line_key=line_key, challenge=challenge)
    else:
        value = yield from ask_vault(child(KeyLabel(key.label), plan.identity, key.version))
        command = make.write_key(key, value, line_key=line_key, challenge=challenge)
    yield from _create(command, resumed=resumed)
    yield Persist(KeyWritten(directory.fid, key))


def _write_pins(application: ApplicationSpec, plan: Plan, *, resumed: bool) -> Dialogue[None]:
    for pin in application.pins:
        line_key = yield from ask_vault(child(KeyLabel.TRANSPORT, plan.identity))
        challenge = yield from _challenge()
        command = make.write_pin(pin, plan.pins[pin.id], line_key=line_key, challenge=challenge)
        yield from _create(command, resumed=resumed)


def _close(plan: Plan, *, external_done: bool) -> Dialogue[None]:
    """Replace 39/00, then 36/00: the line key protects the writing of both, so it changes last."""
    external, line = plan.spec.master_file.keys
    if not external_done:
        yield from _replace(external, plan)
    yield from _replace(line, plan, *((MAC_WRONG,) if external_done else ()))


def _replace(key: KeySpec, plan: Plan, *expected: int) -> Dialogue[None]:
    line_key = yield from ask_vault(child(KeyLabel.TRANSPORT, plan.identity))
    value = yield from ask_vault(child(KeyLabel(key.label), plan.identity, key.version))
    challenge = yield from _challenge()
    command = make.write_key(key, value, line_key=line_key, challenge=challenge, update=True)
    yield from ask_card(command, OK, *expected)
    yield Persist(KeyWritten(plan.spec.master_file.fid, key))
