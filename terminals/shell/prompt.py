"""The shell's line: completion and history where somebody types, plain lines where a file is piped in."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import NestedCompleter
from prompt_toolkit.history import InMemoryHistory

from terminals.shell.shell import ACTIONS, Shell, may_be_remembered
from terminals.shell.words import APPLICATIONS, WORDS

PROMPT = "card> "
_VALUES: dict[str, Iterable[str]] = {
    "select": APPLICATIONS,
    "binary": ("15", "16", "17"),
    "record": ("18", "1A", "1E", "05", "06"),
    "counters": ("load", "purchase", "compound"),
}


class DiscreetHistory(InMemoryHistory):
    """Forgets with the session, and never keeps a line that holds a secret."""

    def store_string(self, string: str) -> None:
        if may_be_remembered(string):
            super().store_string(string)

    def append_string(self, string: str) -> None:
        if may_be_remembered(string):
            super().append_string(string)


def completer() -> NestedCompleter:
    """Names of commands, then of what they are given."""
    words = {name: dict.fromkeys(_VALUES.get(name, ())) or None for name in WORDS}
    return NestedCompleter.from_nested_dict({**words, **dict.fromkeys(ACTIONS)})


def ask_secret(question: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().strip()
    answer: str = PromptSession[str]().prompt(question, is_password=True)
    return answer


def run(shell: Shell) -> None:
    """Until ``quit`` or the end of input. Ctrl-C drops the line."""
    if not sys.stdin.isatty():
        while (line := sys.stdin.readline()) and shell.handle(line):
            pass
        return
    session: PromptSession[str] = PromptSession(completer=completer(), history=DiscreetHistory())
    while True:
        try:
            if not shell.handle(session.prompt(PROMPT)):
                return
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
