"""Everything written is read back and compared; keys, which no card shows, are made to prove themselves where a command
does so without moving money or a counter: the authentication keys, the load key (MAC1), the social-security key (internal
authentication), a PSAM's masters, the PIN. What cannot be proven that way (purchase, TAC, line and PIN-service keys of a
card) stands on the chip's 9000 alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from card_os.crypto.authentication import city_factor, social_cryptogram
from card_os.crypto.purse import TransactionType, load_mac1, purchase_mac1
from card_os.crypto.session import load_session_key, purchase_session_key
from card_os.profile.files import ApplicationSpec, FileSpec, KeySpec, KeyType, Structure
from card_os.wire import commands
from card_os.wire.dialogue import Dialogue, ask_card
from card_os.wire.identifiers import KEY_MASTER_FILE, MASTER_FILE, SFI_SAM_TERMINAL
from hardware.vault.operations import ChildKey
from hardware.vault.vault import KeyLabel, MasterKey
from issuing.personalisation.dialogue import OK, RECORD_NOT_FOUND, Plan, ask_vault, authenticate, open_application
from issuing.personalisation.identity import child

# Questions for the proofs. They need not be random: a chip that knows the answer knows the key.
_PROBE = bytes.fromhex("0123456789ABCDEF")
_PROBE_TERMINAL = bytes(6)
_PROBE_DATE, _PROBE_TIME = bytes.fromhex("20260101"), bytes(3)


class ReadBackDiffers(Exception):
    """What stands on the chip is not what was meant to; names the file or key, never its content."""


def read_back(plan: Plan) -> Dialogue[None]:
    """Compare the whole chip with ``plan``. Raises ``ReadBackDiffers``."""
    yield from ask_card(commands.select_fid(MASTER_FILE))
    final = yield from ask_vault(child(KeyLabel(plan.spec.master_file.keys[0].label), plan.identity))
    yield from authenticate(KEY_MASTER_FILE, final)
    yield from _files(plan.spec.master_file, plan)
    for application in plan.spec.applications:
        if application.container is not None:
            continue  # an identity application: ``identity_application`` proves its management key and reads it back
        yield from ask_card(commands.select_name(application.name))
        if any(key.type is KeyType.EXTERNAL for key in application.keys):
            yield from open_application(application, plan)
        yield from _files(application, plan)
        for pin in application.pins:
            yield from ask_card(commands.verify_pin(pin.id, plan.pins[pin.id]))
        for key in application.keys:
            if prove := _PROOFS.get((application.purse is not None, key.type)):
                yield from prove(application, key, plan)


def _files(directory: ApplicationSpec, plan: Plan) -> Dialogue[None]:
    for file in directory.files:
        expected = plan.contents.get((directory.fid, file.sfi))
        if expected is None:
            continue
        found = yield from _content(file, expected)
        if found != expected:
            raise ReadBackDiffers(
                f"{file.name}, {_place(found, expected)}, of DF {directory.fid:04X} is not what was written"
            )


def _place(found: tuple[bytes, ...], expected: tuple[bytes, ...]) -> str:
    for number, (one, other) in enumerate(zip(found, expected, strict=False), 1):
        for offset, (byte, wanted) in enumerate(zip(one, other, strict=False)):
            if byte != wanted:
                return f"record {number}, byte {offset}"
    return f"{len(found)} records or their length"


def _content(file: FileSpec, expected: tuple[bytes, ...]) -> Dialogue[tuple[bytes, ...]]:
    """The file's bytes, or its records: one more than expected is asked for, so that a surplus is seen."""
    if file.structure is Structure.TRANSPARENT:
        return ((yield from ask_card(commands.read_binary(file.sfi, length=file.size))).data,)
    found = []
    for number, wanted in enumerate((*expected, b""), 1):
        # The right length at once saves the 6Cxx round; a card that holds another length still says so.
        question = replace(commands.read_record(file.sfi, number), ne=len(wanted) or None)
        answer = yield from ask_card(question, OK, RECORD_NOT_FOUND)
        if answer.sw.value == OK:
            found.append(answer.data)
    return tuple(found)


def _proven(application: ApplicationSpec, key: KeySpec, found: bytes, expected: bytes) -> None:
    if found != expected:
        raise ReadBackDiffers(f"key {key.label} of DF {application.fid:04X} does not prove itself")


def _load_key(application: ApplicationSpec, key: KeySpec, plan: Plan) -> Dialogue[None]:
    question = commands.initialize_for_load(key_id=key.id, amount_minor=0, terminal=_PROBE_TERMINAL)
    answer = commands.LoadInitialized.parse((yield from ask_card(question)).data)
    value = yield from ask_vault(child(KeyLabel.LOAD, plan.identity, key.version))
    session = load_session_key(value, card_random=answer.card_random, online_sequence=answer.online_sequence)
    expected = load_mac1(
        session,
        balance_minor=answer.balance_minor,
        amount_minor=0,
        transaction_type=TransactionType.LOAD,
        terminal=_PROBE_TERMINAL,
    )
    _proven(application, key, answer.mac1, expected)


def _internal_key(application: ApplicationSpec, key: KeySpec, plan: Plan) -> Dialogue[None]:
    answer = yield from ask_card(commands.internal_authenticate(key.id, _PROBE, _PROBE))
    value = yield from ask_vault(child(KeyLabel(key.label), plan.identity, key.version))
    _proven(application, key, answer.data, social_cryptogram(value, first=_PROBE, second=_PROBE))


def _purchase_master(application: ApplicationSpec, key: KeySpec, plan: Plan) -> Dialogue[None]:
    """MAC1 for a card that does not exist; the terminal transaction number moves only with CREDIT SAM."""
    card = commands.PurchaseInitialized(
        balance_minor=0,
        offline_sequence=0,
        overdraft=bytes(3),
        key_version=key.version,
        algorithm=0,
        card_random=bytes(4),
    )
    question = commands.sam_initialize_for_purchase(
        card=card,
        amount_minor=0,
        transaction_type=TransactionType.PURCHASE,
        date=_PROBE_DATE,
        time=_PROBE_TIME,
        serial=_PROBE,
        issuer=plan.identity.issuer,
    )
    answer = commands.SamInitialized.parse((yield from ask_card(question)).data)
    factors = (plan.identity.issuer, _PROBE)
    value = yield from ask_vault(ChildKey(MasterKey(KeyLabel.PURCHASE, key.version), factors))
    session = purchase_session_key(
        value, card_random=bytes(4), offline_sequence=0, terminal_sequence=answer.terminal_sequence
    )
    expected = purchase_mac1(
        session,
        amount_minor=0,
        transaction_type=TransactionType.PURCHASE,
        terminal=_terminal(plan),
        date=_PROBE_DATE,
        time=_PROBE_TIME,
    )
    _proven(application, key, answer.mac1, expected)


def _terminal(plan: Plan) -> bytes:
    (terminal,) = plan.contents[MASTER_FILE, SFI_SAM_TERMINAL]
    return terminal


def _social_master(application: ApplicationSpec, key: KeySpec, plan: Plan) -> Dialogue[None]:
    city = city_factor(plan.identity.region)
    yield from ask_card(commands.sam_social_session(card_factor=_PROBE, city_factor=city, random=_PROBE))
    answer = yield from ask_card(commands.sam_encrypt(_PROBE))
    value = yield from ask_vault(ChildKey(MasterKey(KeyLabel.SOCIAL_INTERNAL, key.version), (city, _PROBE)))
    _proven(application, key, answer.data, social_cryptogram(value, first=_PROBE, second=_PROBE))


Proof = Callable[[ApplicationSpec, KeySpec, Plan], Dialogue[None]]
# (the DF has a purse, key type) → how the key proves itself. In a DF with a purse type 34 makes TACs and cannot.
_PROOFS: Mapping[tuple[bool, KeyType], Proof] = {
    (True, KeyType.LOAD): _load_key,
    (False, KeyType.TAC_OR_INTERNAL): _internal_key,
    (False, KeyType.SAM_PURCHASE): _purchase_master,
    (False, KeyType.SAM_SESSION): _social_master,
}
