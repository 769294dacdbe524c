"""``citycard audit window``: compute a window's result again from its manifest, and compare."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from enum import StrEnum, unique
from hashlib import file_digest
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from backoffice.database import Database
from clearing.command import DataFolder, reading
from clearing.day.duckdb_engine import DuckDbEngine
from clearing.day.engine import Engine
from clearing.files import Files, Scratch
from clearing.intake.raw_records import raw_records
from clearing.settlement import queries
from clearing.settlement.computing import Computer
from clearing.settlement.encoding import digest, encode
from clearing.settlement.frozen import FrozenPartDiffers
from clearing.settlement.model import WindowResult
from clearing.settlement.tables import WindowRow
from hardware.vault.demonstration import CLEARING_LABELS
from hardware.vault.opening import open_demonstration_vault

app = typer.Typer(no_args_is_help=True)


@unique
class EngineKind(StrEnum):
    DUCKDB = "duckdb"
    SPARK = "spark"


@app.command()
def window(
    number: Annotated[int, typer.Argument(help="Which window.")],
    data_folder: DataFolder = Path("var"),
    engine: Annotated[EngineKind, typer.Option(help="What computes; both give the same bytes.")] = EngineKind.DUCKDB,
    vault: Annotated[str, typer.Option(help="software or pkcs11, as the service was started with.")] = "software",
) -> None:
    """Compute a closed window again from its manifest and compare; exit code 1 and what differs where it does."""
    keys = open_demonstration_vault(vault, service="clearing", labels=CLEARING_LABELS, folder=data_folder)
    files = Files(data_folder / "clearing")

    async def audited(database: Database) -> list[str]:
        async with database.reading() as session:
            row = await queries.window(session, number)
        if row is None or row.manifest is None or row.result is None:
            raise typer.BadParameter(
                f"window {number} has no result yet; there are only closed and proposed ones to audit"
            )
        raw = raw_records(database, files.raw, asyncio.get_running_loop())
        with Progress(console=Console(stderr=True), transient=True) as progress:
            computer = Computer(files, keys, raw, _shown(progress), _ENGINES[engine])
            return await asyncio.to_thread(_differences, computer, row, files)

    if faults := reading(data_folder, audited):
        for fault in faults:
            typer.echo(f"window {number}: {fault}", err=True)
        raise typer.Exit(1)


def _differences(computer: Computer, row: WindowRow, files: Files) -> list[str]:
    assert row.manifest is not None
    assert row.result is not None
    with files.scratch(Scratch.AUDIT) as scratch:
        try:
            again = computer.again(row.manifest, scratch)
        except (FrozenPartDiffers, EOFError, OSError) as error:
            return [str(error)]
    faults = _unlike(row.result, encode(again)) + _changed(again, files)
    if not faults:
        typer.echo(
            f"window {row.number}: {sum(again.counts.values())} records, result {digest(row.result).hex()}: the same"
        )
    return faults


def _unlike(kept: bytes, computed: bytes) -> list[str]:
    """Which parts of the result differ."""
    if kept == computed:
        return []
    one, other = json.loads(kept), json.loads(computed)
    return [
        f"{name} differs from what was agreed"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]


def _changed(result: WindowResult, files: Files) -> list[str]:
    """Files of the window that are not what they were."""
    faults = []
    for written in (*result.cleared, *result.counters):
        path = files.results / written.name
        if not path.exists():
            faults.append(f"{written.name} is not there")
            continue
        with path.open("rb") as file:
            if file_digest(file, "sha256").hexdigest() != written.sha256:
                faults.append(f"{written.name} was changed")
    return faults


def _shown(progress: Progress) -> Callable[[str, int, int], None]:
    tasks: dict[str, Any] = {}

    def show(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(what, total=total)
        progress.update(tasks[what], completed=done)

    return show


def _duckdb(stages: Path) -> Engine:
    return DuckDbEngine(spill=stages / "spill")


def _spark(_: Path) -> Engine:
    try:
        from pyspark.sql import SparkSession

        from clearing.day.spark_engine import SparkEngine
    except ImportError as error:
        raise typer.BadParameter("--engine spark needs the extra: pip install citycard[spark]") from error
    return SparkEngine(SparkSession.builder.appName("citycard").getOrCreate())


_ENGINES: dict[EngineKind, Callable[[Path], Engine]] = {EngineKind.DUCKDB: _duckdb, EngineKind.SPARK: _spark}
