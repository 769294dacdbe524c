"""Put software cards into virtual readers, for any PC/SC program on this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from card_os.engine.bytecard import ByteCard
from card_os.engine.card import Card
from hardware.readers.pcsc import PcscError, list_readers
from simulator.softcard.daemon import DaemonUnavailable, private_readers
from simulator.softcard.demonstration import identity_memory
from simulator.softcard.images import CardImage, MalformedImage, load, save
from simulator.softcard.keys import RandomKeys
from simulator.softcard.memory import CardMemory
from simulator.softcard.vpcd import STOCK_PORT, NoVirtualReader, VirtualReader

SLOTS_OF_A_PAIR = 2

app = typer.Typer(add_completion=False)


@app.command()
def serve(
    images: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Card images, one for each reader; one that is not there is made. Without: a card for now."
        ),
    ] = None,
    number: Annotated[int, typer.Option(min=1, max=99_999_999, help="Number of the first card that is made.")] = 1,
    port: Annotated[int, typer.Option(help="Where vpcd's first slot listens.")] = STOCK_PORT,
    own: Annotated[
        bool, typer.Option("--own", help="Start a pcscd of its own with a reader for each card (up to 16).")
    ] = False,
) -> None:
    """Serve cards until Ctrl-C, then write each image back as the card was left. Needs vsmartcard-vpcd under pcscd.

    A card that is made is a personalised demonstration card with every application and visible test keys.
    """
    try:
        memories = _memories(images or [], number)
        with _stopped_by_kill(), ExitStack() as stack:
            ports = stack.enter_context(_own_slots(len(memories))) if own else _slots_from(port, len(memories))
            stack.callback(_write_back, images or [], memories)
            _serve(memories, ports)
    except (NoVirtualReader, DaemonUnavailable, MalformedImage, OSError) as problem:
        typer.echo(f"citycard card serve: {problem}", err=True)
        raise typer.Exit(1) from problem


def _memories(images: Sequence[Path], number: int) -> list[CardMemory]:
    """One for each image, in their order; new ones are numbered from ``number``."""
    memories = []
    for path in images:
        if path.exists():
            memories.append(load(path).memory())
        else:
            memories.append(identity_memory(number))
            number += 1
    return memories or [identity_memory(number)]


def _slots_from(port: int, count: int) -> list[int]:
    with suppress(PcscError):
        list_readers()  # where pcscd starts on demand, the first client starts it
    return list(range(port, port + count))


@contextmanager
def _own_slots(count: int) -> Iterator[list[int]]:
    with private_readers(-(-count // SLOTS_OF_A_PAIR)) as readers:
        for name, value in readers.environment.items():
            typer.echo(f"export {name}={value}")
        yield [slot.port for pair in readers.pairs for slot in (pair.card, pair.sam)][:count]


def _serve(memories: Sequence[CardMemory], ports: Sequence[int]) -> None:
    """Until somebody interrupts, or every driver lets go."""
    with ExitStack() as stack, suppress(KeyboardInterrupt):
        readers = [stack.enter_context(VirtualReader(port)) for port in ports]
        for reader, memory, port in zip(readers, memories, ports, strict=True):
            card = ByteCard(Card(memory, os.urandom, key_maker=RandomKeys()))
            reader.insert(card)
            typer.echo(f"A card (ATR {card.atr.hex().upper()}) is in the reader at port {port}.")
        typer.echo("Ctrl-C pulls every card.")
        for reader in readers:
            reader.wait()


def _write_back(images: Sequence[Path], memories: Sequence[CardMemory]) -> None:
    for path, memory in zip(images, memories, strict=False):
        save(CardImage.of(memory), path)


@contextmanager
def _stopped_by_kill() -> Iterator[None]:
    """A plain kill is a Ctrl-C: the images are written."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
