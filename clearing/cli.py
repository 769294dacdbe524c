"""``citycard tariff``: what a ride costs and why, and whether a tariff document is one."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from rulebook.calendar import BUSINESS_ZONE
from rulebook.tariff import History, Language, MalformedTariff, NoFare, Ride, RiderClass, Tariff, load_tariff, price
from rulebook.tariff.demonstration import demonstration_document

app = typer.Typer(no_args_is_help=True, help="Tariffs: check a document, price a ride with its explanation.")
Document = Annotated[Path | None, typer.Option("--tariff", help="A tariff document; the demonstration's by default.")]


@app.command()
def check(document: Annotated[Path, typer.Argument(help="A tariff document (JSON).")]) -> None:
    """Say everything that is wrong with a tariff document."""
    tariff = _read(document)
    typer.echo(f"{document}: version {tariff.version}, {len(tariff.lines)} lines, {len(tariff.stations)} stations")


@app.command("price")
def price_ride(
    at: Annotated[datetime, typer.Argument(help="When the ride begins, city time.", formats=["%Y-%m-%dT%H:%M"])],
    line: Annotated[str, typer.Option(help="A line with a flat fare.")] = "",
    entry: Annotated[str, typer.Option(help="Station, by code or name.")] = "",
    leave: Annotated[str, typer.Option("--exit", help="Station, by code or name.")] = "",
    rider: Annotated[RiderClass, typer.Option(help="Who pays.")] = RiderClass.ORDINARY,
    document: Document = None,
) -> None:
    """What a card pays that has paid nothing yet this month, line by line."""
    tariff = _read(document) if document else load_tariff(demonstration_document())
    moment = at.replace(tzinfo=BUSINESS_ZONE)
    try:
        ride = Ride(
            line=line,
            entry=_station(entry, tariff),
            exit=_station(leave, tariff),
            entered_at=moment,
            charged_at=moment,
            rider_class=rider,
        )
        fare = price(ride, tariff, History.none(moment))
    except (NoFare, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    for language in Language:
        typer.echo("\n".join(fare.trace(language)))


def _read(document: Path) -> Tariff:
    try:
        return load_tariff(json.loads(document.read_text("utf-8"), parse_float=Decimal))
    except MalformedTariff as error:
        for fault in error.faults:
            typer.echo(fault, err=True)
        raise typer.Exit(1) from error
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{document}: {error}") from error


def _station(word: str, tariff: Tariff) -> str:
    if word in tariff.stations or not word:
        return word
    return next((code for code, station in tariff.stations.items() if station.name == word), word)
