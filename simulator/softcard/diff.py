"""Say what differs between two cards: images, or what `card dump --json` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulator.softcard.comparison import compare
from simulator.softcard.images import MalformedImage
from terminals.dump.document import MalformedDump

app = typer.Typer(add_completion=False)


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="An image, or a dump.")],
    new: Annotated[Path, typer.Argument(help="An image, or a dump.")],
) -> None:
    """Print every difference by file, record, field and counter; never a key or a PIN. Exit code 1 where there is one."""
    try:
        found = compare(old, new)
    except (MalformedImage, MalformedDump, OSError) as problem:
        typer.echo(f"citycard card diff: {problem}", err=True)
        raise typer.Exit(2) from problem
    for line in found:
        typer.echo(line)
    raise typer.Exit(1 if found else 0)
