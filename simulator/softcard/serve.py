"""Put software cards into virtual readers, for any PC/SC program on this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, Self

import typer

from card_os.engine.bytecard import ByteCard
from card_os.engine.card import Card
from hardware.readers.pcsc import PcscError, list_readers
from simulator.softcard.daemon import MAXIMUM_PAIRS, DaemonUnavailable, private_readers
from simulator.softcard.demonstration import identity_memory
from simulator.softcard.images import CardImage, MalformedImage, load, save
from simulator.softcard.keys import RandomKeys
from simulator.softcard.memory import CardMemory
from simulator.softcard.vpcd import STOCK_PORT, NoVirtualReader, VirtualReader

SLOTS_OF_A_PAIR = 2
MAXIMUM_CARDS = SLOTS_OF_A_PAIR * MAXIMUM_PAIRS

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
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Where vpcd's first slot listens.")] = STOCK_PORT,
    own: Annotated[
        bool, typer.Option("--own", help="Start a pcscd of its own with a reader for each card (up to 16).")
    ] = False,
) -> None:
    """Serve cards until Ctrl-C (or kill), then write each image back as the card was left. Needs vsmartcard-vpcd under pcscd.

    A card that is made is a personalised demonstration card with every application and visible test keys.
    """
    try:
        _require_room(images or [], own=own)
        memories = _memories(images or [], number)
        with _Ending() as ending, ExitStack() as stack:
            ports = stack.enter_context(_own_slots(len(memories))) if own else _slots_from(port, len(memories))
            ending.serving()
            stack.callback(_write_back, images or [], memories)
            _serve(memories, ports)
    except KeyboardInterrupt:  # before the first card was in a reader: nothing to write back
        raise typer.Exit(130) from None
    except (CannotServe, NoVirtualReader, DaemonUnavailable, MalformedImage, OSError) as problem:
        typer.echo(f"citycard card serve: {problem}", err=True)
        raise typer.Exit(1) from problem


_ENDS = (signal.SIGINT, signal.SIGTERM)


class CannotServe(ValueError):
    """What was asked for cannot be served; nothing was inserted."""


def _require_room(images: Sequence[Path], *, own: bool) -> None:
    """Raises ``CannotServe``."""
    places = [path.resolve() for path in images]
    if twice := sorted({str(place) for place in places if places.count(place) > 1}):
        raise CannotServe(f"{', '.join(twice)} is named twice: one image is one card")
    if own and len(images) > MAXIMUM_CARDS:
        raise CannotServe(f"{len(images)} images; a pcscd of our own has readers for {MAXIMUM_CARDS}")


def _memories(images: Sequence[Path], number: int) -> list[CardMemory]:
    """One for each image, in their order; new ones are numbered from ``number``. All that are there are read before any is
    made, and a new one is written at once: a place that cannot be written shows before a card has anything to lose."""
    found = {path: load(path).memory() for path in images if path.exists()}
    for path in images:
        if path not in found:
            found[path] = identity_memory(number)
            save(CardImage.of(found[path]), path)
            number += 1
    return [found[path] for path in images] or [identity_memory(number)]


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
    """Every one that can be written; then raises ``OSError`` naming those that cannot."""
    for end in _ENDS:
        signal.signal(end, signal.SIG_IGN)
    lost = []
    for path, memory in zip(images, memories, strict=False):
        try:
            save(CardImage.of(memory), path)
        except OSError as problem:
            lost.append(f"{path} was not written ({problem.strerror}): it is as it was before")
    if lost:
        raise OSError("; ".join(lost))


class _Ending:
    """Ctrl-C and a plain kill alike: one that comes while the readers start waits until they have, so that nothing of them is
    left behind; the first afterwards ends the serving, and an impatient second one costs nothing."""

    def __init__(self) -> None:
        self._before = {end: signal.getsignal(end) for end in _ENDS}
        self._asked = self._serving = False

    def __enter__(self) -> Self:
        for end in _ENDS:
            signal.signal(end, self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        for end, handler in self._before.items():
            signal.signal(end, handler)

    def serving(self) -> None:
        """From here on it interrupts. Raises ``KeyboardInterrupt`` where it was asked for before."""
        self._serving = True
        if self._asked:
            self._interrupt()

    def _heard(self, _: int, __: FrameType | None) -> None:
        self._asked = True
        if self._serving:
            self._interrupt()

    def _interrupt(self) -> None:
        for end in _ENDS:
            signal.signal(end, signal.SIG_IGN)
        raise KeyboardInterrupt
