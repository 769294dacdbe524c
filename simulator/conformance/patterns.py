"""What a conversation says it will hear: hex with ``?`` for any digit, ``*`` for any rest, ``<name:4>`` for four bytes to
remember and ``{name}`` for what was remembered or named before. Spaces mean nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping

_TOKEN = re.compile(
    r"<(?P<capture>\w+):(?P<length>\d+)>|\{(?P<name>\w+)\}|(?P<hex>[0-9A-Fa-f]+)|(?P<any>\?)|(?P<rest>\*)"
)


class MalformedPattern(ValueError):
    """The text is no pattern, or uses a name nobody gave."""


def fill(text: str, values: Mapping[str, str]) -> bytes:
    """The bytes of a command: hex with ``{name}`` replaced. Raises ``MalformedPattern``."""
    try:
        return bytes.fromhex("".join(text.split()).format_map(values))
    except (KeyError, ValueError, IndexError) as problem:
        raise MalformedPattern(f"{text!r}: {problem}") from problem


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
    parts, at = [], 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise MalformedPattern(f"{pattern!r}: {text[at]!r} is no hex digit, mask or name")
        parts.append(_expression(token, pattern, values))
        at = token.end()
    return "".join(parts)


def _expression(token: re.Match[str], pattern: str, values: Mapping[str, str]) -> str:
    if token["capture"]:
        return f"(?P<{token['capture']}>[0-9A-F]{{{2 * int(token['length'])}}})"
    if token["name"]:
        if token["name"] not in values:
            raise MalformedPattern(f"{pattern!r}: nothing is called {token['name']!r}")
        return values[token["name"]].upper()
    if token["hex"]:
        return token["hex"].upper()
    return "[0-9A-F]" if token["any"] else "(?:[0-9A-F]{2})*"


def status_fits(pattern: str, status: int) -> bool:
    """``9000``, ``63C?``, or several with ``|`` between them."""
    digits = f"{status:04X}"
    return any(re.fullmatch(one.replace("?", "[0-9A-F]"), digits) for one in pattern.upper().split("|"))
