"""What a conversation says it will hear: hex with ``?`` for any digit, ``*`` for any rest, ``<name:4>`` for four bytes to
remember and ``{name}`` for what was remembered or named before. Spaces mean nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping

_TOKEN = re.compile(
    r"<(?P<capture>[A-Za-z_]\w*):(?P<length>[1-9]\d{0,4})>|\{(?P<name>\w+)\}|(?P<hex>[0-9A-Fa-f]+)|(?P<any>\?)|(?P<rest>\*)"
)
_NAME = re.compile(r"\{(\w+)\}")
_STATUS = re.compile(r"[0-9A-Fa-f?]{4}(?:\|[0-9A-Fa-f?]{4})*")


class MalformedPattern(ValueError):
    """The text is no pattern, or uses a name nobody gave. The message shows no more of it than one character or name: a
    command may hold a PIN."""


def fill(text: str, values: Mapping[str, str]) -> bytes:
    """The bytes of a command: hex with ``{name}`` replaced. Raises ``MalformedPattern``."""
    digits = _NAME.sub(lambda found: _named(found[1], values), "".join(text.split()))
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise MalformedPattern("write whole bytes in hex and names in braces, such as {TRANSIT}") from None


def match(pattern: str, answer: bytes, values: Mapping[str, str]) -> dict[str, str] | None:
    """What ``answer`` gave the names in ``pattern``, None where it does not fit. Raises ``MalformedPattern``."""
    found = re.fullmatch(compiled(pattern, values), answer.hex().upper())
    return None if found is None else found.groupdict()


def captures(pattern: str) -> dict[str, int]:
    """The names ``pattern`` gives, with their lengths in bytes."""
    text = "".join(pattern.split())
    return {token["capture"]: int(token["length"]) for token in _TOKEN.finditer(text) if token["capture"]}


def compiled(pattern: str, values: Mapping[str, str]) -> str:
    """``pattern`` as a regular expression over upper-case hex digits."""
    text = "".join(pattern.split())
    parts, at, given = [], 0, set[str]()
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise MalformedPattern(f"{text[at]!r} at place {at + 1} is no hex digit, ?, *, {{name}} or <name:length>")
        if token["capture"] in given:
            raise MalformedPattern(f"<{token['capture']}> is given twice; the second time write {{{token['capture']}}}")
        given |= captures(token[0]).keys()
        parts.append(_expression(token, values))
        at = token.end()
    return "".join(parts)


def _expression(token: re.Match[str], values: Mapping[str, str]) -> str:
    if token["capture"]:
        return f"(?P<{token['capture']}>[0-9A-F]{{{2 * int(token['length'])}}})"
    if token["name"]:
        return _named(token["name"], values).upper()
    if token["hex"]:
        return token["hex"].upper()
    return "[0-9A-F]" if token["any"] else "(?:[0-9A-F]{2})*"


def _named(name: str, values: Mapping[str, str]) -> str:
    if name not in values:
        raise MalformedPattern(f"nothing is called {name!r}: name it in [let], or remember it in a step before")
    return "".join(values[name].split())


def require_status(pattern: str) -> None:
    """Raises ``MalformedPattern`` where ``pattern`` is no status word that ``status_fits`` could judge."""
    if not _STATUS.fullmatch(pattern):
        raise MalformedPattern("write four hex digits, ? for any, several with | between: 9000, 63C?, 6985|6901")


def status_fits(pattern: str, status: int) -> bool:
    """``9000``, ``63C?``, or several with ``|`` between them."""
    digits = f"{status:04X}"
    return any(re.fullmatch(one.replace("?", "[0-9A-F]"), digits) for one in pattern.upper().split("|"))
