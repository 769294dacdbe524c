"""Pieces made from cleared files, a month's merged into one when the month is over."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clearing.day.schema import BUCKET_SHIFT
from clearing.history.pieces import Piece, Source, by_shelf, write

LOOSE = 8
"""Pieces that may stay beside a month's merged one, of records that came late; with one more they are merged again."""

MERGED_ROWS = 1_000_000
"""About how many rows a merge holds in memory."""

WORKERS = 2


def fold(
    results: Path, names: Sequence[str], progress: Callable[[int, int], None] = lambda _done, _total: None
) -> None:
    """Make the pieces of all cleared files ``names`` (below ``results``; the oldest window's first) that are missing. What was
    made before an interruption is kept."""
    shelves = by_shelf(names)
    newest = max((source.month for sources in shelves.values() for source in sources), default=date.min)
    with ThreadPoolExecutor(WORKERS) as pool:
        work = [(results, shelf, sources, sources[0].month < newest) for shelf, sources in shelves.items()]
        try:
            for done, _ in enumerate(pool.map(lambda one: _fold_shelf(*one), work), 1):
                progress(done, len(work))
        finally:
            pool.shutdown(cancel_futures=True)


def pieces_on(results: Path, shelf: str, told: Sequence[str]) -> list[Piece]:
    """Open pieces whose every cleared file is in ``told``, each file in one piece at most; close them."""
    chosen: list[Piece] = []
    wanted = set(told)
    opened = sorted((Piece(path) for path in (results / shelf).glob("[!.]*.arrow")), key=_largest_first)
    for piece in opened:
        if wanted.issuperset(piece.sources):
            wanted.difference_update(piece.sources)
            chosen.append(piece)
        else:
            piece.close()
    return chosen


def _largest_first(piece: Piece) -> tuple[int, str]:
    return -len(piece.sources), piece.path.name


def _fold_shelf(results: Path, shelf: str, sources: Sequence[Source], over: bool) -> None:
    names = [source.name for source in sources]
    with ExitStack() as stack:
        pieces = [stack.enter_context(piece) for piece in pieces_on(results, shelf, names)]
        there = {name for piece in pieces for name in piece.sources}
        missing = (name for name in names if name not in there)
        pieces += [stack.enter_context(_piece_of(results, shelf, name)) for name in missing]
        if over and len(pieces) > (LOOSE if any(len(piece.sources) > 1 for piece in pieces) else 1):
            _merge(results / shelf, _by_window(pieces, names), names)


def _piece_of(results: Path, shelf: str, name: str) -> Piece:
    path = results / shelf / f"{name.split('/', 1)[1].replace('/', '-').removesuffix('.parquet')}.arrow"
    table = pq.read_table(results / name)
    write([table], table.schema, [name], path)
    return Piece(path)


def _by_window(pieces: Sequence[Piece], names: Sequence[str]) -> list[Piece]:
    place = {name: number for number, name in enumerate(names)}
    return sorted(pieces, key=lambda piece: place[piece.sources[0]])


def _merge(folder: Path, pieces: Sequence[Piece], names: Sequence[str]) -> None:
    """One piece of all; the others go."""
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
    write(_merged(pieces), pieces[0].schema, names, folder / f"merged-{digest[:16]}.arrow")
    for piece in pieces:
        piece.path.unlink()


def _merged(pieces: Sequence[Piece]) -> Iterator[pa.Table]:
    """Range of keys by range. Rows of one key stay in the order of the windows they ended in."""
    low = min(piece.first_key for piece in pieces) >> BUCKET_SHIFT << BUCKET_SHIFT
    parts = 1 + sum(piece.rows for piece in pieces) // MERGED_ROWS
    width = (1 << BUCKET_SHIFT) // parts + 1
    for start in range(low, low + (1 << BUCKET_SHIFT), width):
        stop = min(start + width, low + (1 << BUCKET_SHIFT)) - 1
        table = pa.Table.from_batches([b for piece in pieces for b in piece.between(start, stop)], pieces[0].schema)
        order = np.argsort(table.column("key").to_numpy(), kind="stable")
        yield table.take(pa.array(order))
