"""The command ``citycard``: its sub-commands come from the packages that are installed.

An entry point of the group ``citycard.commands`` names a Typer application and the words that call it: ``tariff`` is
``citycard tariff``, ``card.serve`` adds ``serve`` to the application of ``card``. Its module is imported when it is called.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS = "citycard.commands"

app = typer.Typer(add_completion=False, no_args_is_help=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"citycard {version('citycard')}")
        raise typer.Exit


@app.callback()
def citycard(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """One smart card for social security, medical insurance and transit, from the blank card to the settled cent."""


class LaterCommand(TyperCommand):
    """Known by name and summary; the real command takes its place when it is called."""

    def __init__(self, word: str, entries: Mapping[str, EntryPoint]) -> None:
        super().__init__(name=word, help=_summary(entries[""]) if "" in entries else None, callback=None)
        self._entries = entries

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        command = _command(self._entries)
        command.name = self.name
        return command.make_context(info_name, args, parent=parent, **extra)


def build(entries: Iterable[EntryPoint]) -> TyperGroup:
    """The root command with a sub-command for each first word of ``entries``."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    return _extended(root, {entry.name: entry for entry in entries})


def _extended(group: TyperGroup, entries: Mapping[str, EntryPoint]) -> TyperGroup:
    for word in sorted({name.split(".")[0] for name in entries}):
        deeper = {name[len(word) + 1 :]: entry for name, entry in entries.items() if f"{name}.".startswith(f"{word}.")}
        group.add_command(LaterCommand(word, deeper))
    return group


def _command(entries: Mapping[str, EntryPoint]) -> Any:
    """``entries[""]`` is the application itself, the others are added to it."""
    below = {name: entry for name, entry in entries.items() if name}
    application = entries[""].load() if "" in entries else typer.Typer(no_args_is_help=True, callback=lambda: None)
    command = typer.main.get_command(application)
    if not below:
        return command
    if not isinstance(command, TyperGroup):
        raise TypeError(f"{entries[''].value} is a single command; {sorted(below)} cannot be added to it")
    return _extended(command, below)


def _summary(entry: EntryPoint) -> str | None:
    """First line of the module's docstring, read without running the module."""
    spec = find_spec(entry.module)
    if spec is None or spec.origin is None:
        return None
    docstring = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8")))
    return docstring.splitlines()[0] if docstring else None


def main() -> None:
    build(entry_points(group=COMMANDS))()
