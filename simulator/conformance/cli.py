"""Hold the conformance kit's conversations with our card, or with the one in a reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from card_os.wire.dialogue import CardGone
from hardware.readers.pcsc import PcscConnection, PcscError
from simulator.conformance.benches import Bench, InProcess, InReader, over_pcsc
from simulator.conformance.kit_reading import MalformedKit, load_kit
from simulator.conformance.runner import Outcome, Verdict, run_kit
from simulator.softcard.daemon import DaemonUnavailable

app = typer.Typer(add_completion=False)


class WrongCard(ValueError):
    """The card in the reader is not the one that may be changed."""


@app.command()
def check(
    reader: Annotated[str, typer.Option(help="Name of a PC/SC reader: check the card that lies in it.")] = "",
    pcsc: Annotated[bool, typer.Option("--pcsc", help="Our own card behind a pcscd started for it.")] = False,
    card: Annotated[
        str, typer.Option(help="Number or serial of the card in --reader: allows conversations that change it.")
    ] = "",
) -> None:
    """Hold every conversation of the kit; without options with our card in process. Exit code 1 where one failed.

    Conversations that would change a card somebody put into a reader are left out unless --card names that very card.
    Ctrl-C ends with what was found so far.
    """
    outcomes: list[Outcome] = []
    try:
        kit = load_kit()
        with _bench(reader=reader, pcsc=pcsc, card=card) as bench, suppress(KeyboardInterrupt):
            outcomes.extend(run_kit(kit, bench))
    except (MalformedKit, WrongCard, PcscError, CardGone, DaemonUnavailable, typer.BadParameter) as problem:
        typer.echo(f"citycard card check: {problem}", err=True)
        raise typer.Exit(2) from problem
    _print(outcomes)
    if len(outcomes) < len(kit):
        typer.echo(f"citycard card check: interrupted after {len(outcomes)} of {len(kit)} conversations", err=True)
        raise typer.Exit(130)
    raise typer.Exit(int(any(outcome.verdict is Verdict.FAILED for outcome in outcomes)))


@contextmanager
def _bench(*, reader: str, pcsc: bool, card: str) -> Iterator[Bench]:
    if (card and not reader) or (pcsc and reader):
        raise typer.BadParameter("--card belongs to --reader, and --pcsc brings readers of its own")
    if reader:
        with PcscConnection(reader) as connection:
            yield in_reader(connection, card)
    elif pcsc:
        with over_pcsc() as bench:
            yield bench
    else:
        yield InProcess()


def in_reader(connection: PcscConnection, card: str) -> InReader:
    """Raises ``WrongCard`` where ``card`` is given and is not this one's number, or where nothing on it is of the kit."""
    bench = InReader(connection, allowed=bool(card))
    if not bench.kinds:
        raise WrongCard(
            f"the card in {connection.reader} has neither a T-Union nor a PIV application: nothing to check"
        )
    if card and card not in bench.serials:
        found = " or ".join(sorted(bench.serials)) or "without a readable number"
        raise WrongCard(f"the card in {connection.reader} is {found}, not {card}; nothing was sent that changes it")
    return bench


def _print(outcomes: Sequence[Outcome]) -> None:
    console = Console()
    console.print(table_of(outcomes))
    for outcome in outcomes:
        if outcome.verdict is Verdict.FAILED:
            console.print(f"failed: {outcome.conversation.name}: {outcome.reason}", markup=False, highlight=False)
    skipped = Counter(outcome.reason for outcome in outcomes if outcome.verdict is Verdict.SKIPPED)
    for reason, count in skipped.most_common():
        console.print(f"skipped {count}: {reason}", markup=False, highlight=False)


def table_of(outcomes: Sequence[Outcome]) -> Table:
    """Passed, failed and skipped for each clause, and all together."""
    counts = Counter((outcome.conversation.clause, outcome.verdict) for outcome in outcomes)
    table = Table(title="Conformance by clause of standards.md", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("clause")
    for verdict in Verdict:
        table.add_column(verdict.value, justify="right")
    for clause in sorted({outcome.conversation.clause for outcome in outcomes}):
        table.add_row(clause, *(str(counts[clause, verdict]) for verdict in Verdict))
    totals = Counter(outcome.verdict for outcome in outcomes)
    table.add_row("all", *(str(totals[verdict]) for verdict in Verdict), style="bold")
    return table
