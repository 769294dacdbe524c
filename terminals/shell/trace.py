"""One exchange in words: name, hex without secrets, and what the status means."""

from __future__ import annotations

from card_os.wire.apdu import CommandApdu, MalformedApdu, ResponseApdu
from card_os.wire.command_names import REDACTED, describe

_SHOWN_OF_UNPARSED = 4


def shown_command(raw: bytes) -> str:
    """The command as one line. What cannot be parsed is cut behind its header: it may hold a PIN with a wrong Lc."""
    try:
        described = describe(CommandApdu.parse(raw))
    except MalformedApdu:
        rest = f" {REDACTED}" if len(raw) > _SHOWN_OF_UNPARSED else ""
        return f"malformed command {raw[:_SHOWN_OF_UNPARSED].hex(' ').upper()}{rest}"
    return f"{described.name}: {described.shown}"


def shown_data(data: bytes) -> str:
    """The answer's data. Cards never answer a secret, so nothing of it is hidden."""
    return data.hex().upper() or "no data"


def shown_status(response: ResponseApdu) -> str:
    return f"{response.sw} {response.sw.meaning}"
