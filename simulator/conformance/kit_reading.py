"""The kit's files read whole, or refused whole with every fault: file, conversation, step, field, and what would be right."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from simulator.conformance.kit_files import CHANGING, RESET, CardKind, Conversation, Step
from simulator.conformance.patterns import MalformedPattern, captures, compiled, fill, require_status

NAMES = "names.toml"
_FILE: Mapping[str, type] = {"about": str, "let": dict, "defaults": dict, "never": dict, "conversation": list}
_STEP: Mapping[str, type] = {"send": str, "sw": str, "data": str, "why": str, "to": str}
_CONVERSATION: Mapping[str, type] = {
    "name": str,
    "clause": str,
    "card": str,
    "steps": list,
    "sam": str,
    "fresh": bool,
    "dangerous": str,
    "random": str,
    "raw": bool,
}
_KINDS: Mapping[type, str] = {str: "a text", bool: "true or false", list: "a list", dict: "a table"}
_NEEDED = ("name", "clause", "card", "steps")
_SLOTS = {"card": False, "sam": True}
_HEADER = 4
_HEX = re.compile(r"[0-9A-Fa-f\s]*")
_WORD = re.compile(r"[0-9A-F]{4}")


class MalformedKit(ValueError):
    """The kit's files have faults; the message lists every one."""


class _Fault(ValueError):
    """One of them, its place told by whoever knows it."""


def load_kit() -> tuple[Conversation, ...]:
    """Every conversation of the kit, file by file. Raises ``MalformedKit``."""
    return read_kit(_texts())


def never_answered() -> Mapping[int, str]:
    """Status words of the table that no conversation asks for, and why none can. Raises ``MalformedKit``."""
    faults: list[str] = []
    documents = _documents(_texts(), faults)
    found = [item for document in documents.values() for item in document.get("never", {}).items()]
    if faults:
        raise MalformedKit("\n".join(faults))
    return {int(word, 16): why for word, why in found}


def read_kit(texts: Mapping[str, str]) -> tuple[Conversation, ...]:
    """The conversations of file name → text."""
    faults: list[str] = []
    documents = _documents(texts, faults)
    shared = documents.get(NAMES, {}).get("let", {})
    conversations = [found for name, document in documents.items() for found in _file(name, document, shared, faults)]
    counted = Counter(conversation.name for conversation in conversations)
    faults += [f"two conversations are called {name!r}: rename one" for name, count in counted.items() if count > 1]
    if faults:
        raise MalformedKit("\n".join(faults))
    return tuple(conversations)


def _texts() -> dict[str, str]:
    folder = files("simulator.conformance") / "kit"
    entries = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda each: each.name)
    return {entry.name: entry.read_text(encoding="utf-8") for entry in entries}


def _documents(texts: Mapping[str, str], faults: list[str]) -> dict[str, dict[str, Any]]:
    documents = {}
    for name, text in texts.items():
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as problem:
            faults.append(f"{name}: {problem}")
            continue
        found = [*_wrong_fields(document, _FILE), *_wrong_names(document)]
        faults += [f"{name}, {fault}" for fault in found]
        if not found:
            documents[name] = document
    return documents


def _wrong_fields(entry: Mapping[str, Any], fields: Mapping[str, type]) -> Iterator[str]:
    for field, value in entry.items():
        if field not in fields:
            yield f"{field}: there is no such field; there are {', '.join(fields)}"
        elif not isinstance(value, fields[field]):
            yield f"{field}: write {_KINDS[fields[field]]}"


def _wrong_names(document: Mapping[str, Any]) -> Iterator[str]:
    """Of the two tables whose fields everybody names for himself."""
    let, never = document.get("let", {}), document.get("never", {})
    if isinstance(let, dict):
        yield from (f"let, {name}: write hex" for name, value in let.items() if not _matches(_HEX, value))
    if isinstance(never, dict):
        for word, why in never.items():
            if not _matches(_WORD, word) or not why or not isinstance(why, str):
                yield f"never, {word}: write a status word of four hex digits, and as a text why none can ask for it"


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _file(
    name: str, document: Mapping[str, Any], shared: Mapping[str, str], faults: list[str]
) -> Iterator[Conversation]:
    words = {**shared, **document.get("let", {})}
    for number, entry in enumerate(document.get("conversation", ()), 1):
        merged = {**document.get("defaults", {}), **entry} if isinstance(entry, dict) else {}
        place = f"{name}, {merged.get('name') or f'conversation {number}'}"
        if found := [*_wrong_fields(merged, _CONVERSATION), *_missing(merged)]:
            faults += [f"{place}, {fault}" for fault in found]
            continue
        try:
            conversation = _conversation(merged, words)
        except _Fault as fault:
            faults.append(f"{place}, {fault}")
            continue
        faults += [f"{place}, {fault}" for fault in _faults(conversation)]
        yield conversation


def _missing(entry: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{field}: is missing" for field in _NEEDED if field not in entry)
    if entry.get("steps") == []:
        yield "steps: has none; a conversation without a step would always pass"


def _conversation(entry: dict[str, Any], words: Mapping[str, str]) -> Conversation:
    values = dict(entry)
    values["card"] = _kind("card", values["card"])
    values["sam"] = _kind("sam", values["sam"]) if "sam" in values else None
    try:
        values["random"] = bytes.fromhex(values.get("random", ""))
    except ValueError:
        raise _Fault("random: write whole bytes in hex") from None
    values["steps"] = tuple(_step(number, step) for number, step in enumerate(values["steps"], 1))
    return Conversation(words=words, **values)


def _kind(field: str, value: str) -> CardKind:
    try:
        return CardKind(value)
    except ValueError:
        raise _Fault(f"{field}: {value!r} is no kind of card; there are {', '.join(CardKind)}") from None


def _step(number: int, entry: Any) -> Step:
    wrong = list(_wrong_fields(entry, _STEP)) if isinstance(entry, dict) else ["write a table, { send = …, sw = … }"]
    if wrong:
        raise _Fault(f"step {number}, {wrong[0]}")
    reset = entry.get("send") == RESET
    for field in ("send", "why") if reset else ("send", "sw", "why"):
        if not entry.get(field):
            raise _Fault(f"step {number}, {field}: is missing or empty")
    if reset and "sw" in entry:
        raise _Fault(f"step {number}, sw: RESET answers an ATR and no status; leave it out")
    if entry.get("to", "card") not in _SLOTS:
        raise _Fault(f'step {number}, to: write "sam" or "card"')
    return Step(
        send=entry["send"],
        sw=None if reset else entry["sw"],
        data=entry.get("data"),
        why=entry["why"],
        to_sam=_SLOTS[entry.get("to", "card")],
    )


def _faults(conversation: Conversation) -> Iterator[str]:
    """Names used before anything gave them, hex that is none, a SAM spoken to where none is, a danger not declared."""
    known = dict(conversation.words)
    for number, step in enumerate(conversation.steps, 1):
        yield from (f"step {number}, {fault}" for fault in _step_faults(step, conversation, known))
        known |= {name: "00" * length for name, length in captures(step.data or "").items()}


def _step_faults(step: Step, conversation: Conversation, known: Mapping[str, str]) -> Iterator[str]:
    declared = bool(conversation.dangerous) or conversation.needs_fresh_card
    if step.to_sam and conversation.sam is None:
        yield "to: speaks to a SAM, but the conversation has none; say which in `sam`"
    try:
        command = b"" if step.is_reset else fill(step.send, known)
        if not step.is_reset and len(command) < _HEADER:
            yield f"send: a command has a header of {_HEADER} bytes; there are {len(command)}"
        elif not step.is_reset and command[1] in CHANGING and not declared:
            yield "send: may change the card: say how in `dangerous`"
    except MalformedPattern as problem:
        yield f"send: {problem}"
    for field, text, judged in (
        ("data", step.data, lambda text: compiled(text, known)),
        ("sw", step.sw, require_status),
    ):
        try:
            judged(text or "9000")
        except MalformedPattern as problem:
            yield f"{field}: {problem}"
