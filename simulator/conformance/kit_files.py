"""The kit's files read: every conversation as a value, or every fault in them.

A file (TOML) has ``about``, ``[let]`` (names for recurring hex; those of ``names.toml`` are for all), ``[defaults]`` for its
conversations, and ``[[conversation]]`` with

- ``name``, ``clause``: what is shown; the clause is where the behaviour is written down;
- ``card``: whom it speaks to, a ``CardKind``; ``sam``: the PSAM in the other slot, if any;
- ``fresh``: needs a card as it left the office, so not one that is already in somebody's reader;
- ``dangerous``: what it does to the card, where it changes anything that outlives a reset;
- ``random``: hex our card's random source repeats for ever, where the answers depend on it (implies ``fresh``);
- ``raw``: 61xx and 6Cxx are part of the conversation and not resolved by the reader's side;
- ``steps``: ``send`` (hex, or RESET), ``sw``, ``data`` (see ``patterns``), ``why``, ``to`` = "sam" for the other slot.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from importlib.resources import files
from typing import Any

from simulator.conformance.patterns import MalformedPattern, captures, compiled, fill

RESET = "RESET"
NAMES = "names.toml"
CHANGING = frozenset(bytes.fromhex("0E161820242C4752545E58828797D0D4D6DBDCE0E2FAFBFEFF1E"))
"""INS bytes that may change a card or cost one of its tries: who sends them to a card in a reader must say so."""
_STEP_WORDS = frozenset({"send", "sw", "data", "why", "to"})


@unique
class CardKind(StrEnum):
    """Whom a conversation is for."""

    T_UNION = "t-union"  # any T-Union card; ours is one
    CITIZEN = "citizen"  # the demonstration's citizen card number 1
    PUBLISHED_KEY = "published-key"  # the same with the load and purchase key of the published PBOC examples
    WORN_OUT = "worn-out"  # the same with both transaction counters at their end
    TRANSIT_SAM = "transit-sam"
    HOSPITAL_SAM = "hospital-sam"
    BLANK = "blank"
    PIV = "piv"  # any card with a PIV application; our identity application is one
    IDENTITY = "identity"  # the demonstration's card number 1 with the identity application


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """``data`` None: whatever the answer carries. ``sw`` None belongs to RESET."""

    send: str
    sw: str | None
    data: str | None
    why: str
    to_sam: bool

    @property
    def is_reset(self) -> bool:
        return self.send == RESET


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Begins after a reset."""

    name: str
    clause: str
    card: CardKind
    steps: tuple[Step, ...]
    sam: CardKind | None = None
    fresh: bool = False
    dangerous: str = ""
    random: bytes = b""
    raw: bool = False
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs_fresh_card(self) -> bool:
        return self.fresh or bool(self.random) or self.sam is not None


class MalformedKit(ValueError):
    """The kit's files have faults; the message lists every one."""


def load_kit() -> tuple[Conversation, ...]:
    """Every conversation of the kit, file by file. Raises ``MalformedKit``."""
    folder = files("simulator.conformance") / "kit"
    texts = {
        entry.name: entry.read_text(encoding="utf-8") for entry in folder.iterdir() if entry.name.endswith(".toml")
    }
    return read_kit(dict(sorted(texts.items())))


def read_kit(texts: Mapping[str, str]) -> tuple[Conversation, ...]:
    """The same from file name → text."""
    faults: list[str] = []
    documents = {
        name: document for name, text in texts.items() if (document := _document(name, text, faults)) is not None
    }
    shared = documents.get(NAMES, {}).get("let", {})
    conversations = [found for name, document in documents.items() for found in _file(name, document, shared, faults)]
    counted = [conversation.name for conversation in conversations]
    faults += [
        f"two conversations are called {name!r}" for name in sorted({n for n in counted if counted.count(n) > 1})
    ]
    if faults:
        raise MalformedKit("\n".join(faults))
    return tuple(conversations)


def _document(name: str, text: str, faults: list[str]) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        faults.append(f"{name}: {problem}")
        return None


def _file(
    name: str, document: Mapping[str, Any], shared: Mapping[str, str], faults: list[str]
) -> Iterator[Conversation]:
    words = {**shared, **document.get("let", {})}
    for entry in document.get("conversation", ()):
        merged = {**document.get("defaults", {}), **entry}
        try:
            conversation = _conversation(merged, words)
        except (KeyError, TypeError, ValueError) as problem:
            faults.append(f"{name}, {merged.get('name', 'a conversation without name')}: {problem!r}")
            continue
        faults += [f"{name}, {conversation.name}, {fault}" for fault in _faults(conversation)]
        yield conversation


def _conversation(entry: dict[str, Any], words: Mapping[str, str]) -> Conversation:
    values = dict(entry)
    values["card"] = CardKind(values["card"])
    values["sam"] = CardKind(values["sam"]) if "sam" in values else None
    values["random"] = bytes.fromhex(values.get("random", ""))
    values["steps"] = tuple(_step(step) for step in values["steps"])
    return Conversation(words=words, **values)


def _step(entry: dict[str, Any]) -> Step:
    if unknown := set(entry) - _STEP_WORDS:
        raise ValueError(f"step with unknown {sorted(unknown)}")
    reset = entry["send"] == RESET
    return Step(
        send=entry["send"],
        sw=None if reset else entry["sw"],
        data=entry.get("data"),
        why=entry["why"],
        to_sam={"sam": True, "card": False}[entry.get("to", "card")],
    )


def _faults(conversation: Conversation) -> Iterable[str]:
    """Names used before anything gave them, hex that is none, a SAM spoken to where none is, a danger not declared."""
    known = dict(conversation.words)
    declared = bool(conversation.dangerous) or conversation.needs_fresh_card
    for number, step in enumerate(conversation.steps, 1):
        try:
            if not step.is_reset and fill(step.send, known)[1] in CHANGING and not declared:
                yield f"step {number} may change the card: say how in `dangerous`"
            compiled(step.data or "", known)
        except MalformedPattern as problem:
            yield f"step {number}: {problem}"
            continue
        if step.to_sam and conversation.sam is None:
            yield f"step {number} speaks to a SAM, but the conversation has none"
        known |= {name: "00" * length for name, length in captures(step.data or "").items()}
