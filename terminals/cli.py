"""Read a citizen card: what it holds."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from card_os.profile.reference import page
from card_os.wire.dialogue import CardGone
from hardware.readers.drive import Ports, drive
from hardware.readers.pcsc import PcscConnection, PcscError, list_readers
from terminals.dialogues.read_card import read_card
from terminals.dump.document import CardDump, to_json, to_text
from terminals.dump.walk import walk
from terminals.shell.shell import Shell
from terminals.show.render import render

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def card() -> None:
    """Read a citizen card: what it holds."""


@app.command()
def show(
    reader: Annotated[str, typer.Option(help="Name of the PC/SC reader; by default the first one with a card.")] = "",
    unmasked: Annotated[bool, typer.Option("--unmasked", help="Show the holder's personal data in full.")] = False,
) -> None:
    """Print number, validity, holder class, balance, log, trips and social-security data of any T-Union card.

    The holder's personal data is masked unless --unmasked is given."""
    try:
        with _card_in(reader) as connection:
            contents = drive(read_card(), Ports(card=connection))
            Console().print(render(contents, reader=connection.reader, atr=connection.atr, unmasked=unmasked))
    except (PcscError, CardGone) as problem:
        typer.echo(f"citycard card show: {problem}", err=True)
        raise typer.Exit(1) from problem


@app.command()
def dump(
    reader: Annotated[str, typer.Option(help="Name of the PC/SC reader; by default the first one with a card.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="As a document that `card diff` reads.")] = False,
) -> None:
    """Write down everything any card gives without key or PIN, personal data included."""
    try:
        with _card_in(reader) as connection:
            found = CardDump(connection.atr, drive(walk(), Ports(card=connection)))
    except (PcscError, CardGone) as problem:
        typer.echo(f"citycard card dump: {problem}", err=True)
        raise typer.Exit(1) from problem
    typer.echo(to_json(found) if as_json else to_text(found), nl=False)


@app.command()
def shell(
    reader: Annotated[str, typer.Option(help="Name of the PC/SC reader; by default the first one with a card.")] = "",
) -> None:
    """Talk to a card by hand: commands by name or in hex, every exchange in words, secrets hidden. `help` lists them."""
    from terminals.shell import prompt  # line editing takes as long to import as all the other commands together

    try:
        with _card_in(reader) as connection:
            typer.echo(f"{connection.reader}, ATR {connection.atr.hex(' ').upper()}")
            prompt.run(Shell(connection, say=typer.echo, ask_secret=prompt.ask_secret))
    except (PcscError, CardGone) as problem:
        typer.echo(f"citycard card shell: {problem}", err=True)
        raise typer.Exit(1) from problem


@app.command()
def reference() -> None:
    """Print the reference page: every file, offset, key, right and status word, in Markdown."""
    typer.echo(page(), nl=False)


def _card_in(reader: str) -> PcscConnection:
    if reader:
        return PcscConnection(reader)
    readers = list_readers()
    for name in readers:
        try:
            return PcscConnection(name)
        except CardGone:
            continue
    raise CardGone(f"no card in any reader; readers: {', '.join(readers) or 'none'}")
