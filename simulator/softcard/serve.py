"""Put a software card into a virtual reader, for any PC/SC program on this machine."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from hardware.readers.pcsc import PcscError, list_readers
from simulator.softcard.demonstration import demonstration_card
from simulator.softcard.vpcd import STOCK_PORT, NoVirtualReader, VirtualReader

app = typer.Typer(add_completion=False)


@app.command()
def serve(
    number: Annotated[int, typer.Option(min=1, max=99_999_999, help="Which card: the end of its number.")] = 1,
    port: Annotated[int, typer.Option(help="Where vpcd's slot listens.")] = STOCK_PORT,
) -> None:
    """Serve a personalised demonstration card (visible test keys) until Ctrl-C. Needs vsmartcard-vpcd under pcscd."""
    with suppress(PcscError):
        list_readers()  # where pcscd starts on demand, the first client starts it
    card = demonstration_card(number)
    try:
        with VirtualReader(port) as reader, suppress(KeyboardInterrupt):
            reader.insert(card)
            typer.echo(f"Card {number} (ATR {card.atr.hex().upper()}) is in the reader; Ctrl-C pulls it.")
            reader.wait()
    except NoVirtualReader as missing:
        typer.echo(f"citycard card serve: {missing}", err=True)
        raise typer.Exit(1) from missing
