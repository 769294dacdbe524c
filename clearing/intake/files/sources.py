"""Files of each form as chunks of text columns. None is in memory whole but XML, which is of a declared size at most."""

from __future__ import annotations

import csv
import io
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
from lxml import etree

from clearing.intake.files.cells import Cells, Numbers, cut, of_arrow, stripped
from clearing.intake.files.faults import Fault, FileFaults, Found, whole
from clearing.intake.files.layout import Form, Layout, Part

CHUNK_BYTES = 4 * 1024 * 1024
LARGEST_XML_BYTES = 16 * 1024 * 1024
"""Ours: its tree takes up to fifty times as much memory; a package of the ETC form has at most 10,000 records, some 10 MB."""


class Chunk(Protocol):
    """Rows of a file in their order."""

    @property
    def numbers(self) -> Numbers:
        """Which rows they are, counted from 1."""
        ...

    def cells(self, part: Part) -> Cells:
        """One cell for each row. ``part`` is no constant."""
        ...


def chunks(path: Path, layout: Layout, found: Found) -> Iterator[Chunk]:
    """Rows that are none go to ``found``. Raises ``FileFaults`` for what is no file of the layout's form; then nothing of it
    can be read."""
    return {Form.CSV: _csv, Form.FIXED_WIDTH: _fixed_width, Form.XML: _xml}[layout.form](path, layout, found)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Text columns by name."""

    numbers: Numbers
    columns: dict[str, pa.Array]

    def cells(self, part: Part) -> Cells:
        cells = of_arrow(self.columns[part.column or part.path])
        return stripped(cut(stripped(cells), part.start, part.length)) if part.start else cells


@dataclass(frozen=True, slots=True)
class _Lines:
    numbers: Numbers
    characters: Cells

    def cells(self, part: Part) -> Cells:
        return stripped(cut(self.characters, part.start, part.length))


def _named(layout: Layout) -> list[str]:
    return sorted({part.column or part.path for field in layout.fields for part in field.parts} - {""})


def _csv(path: Path, layout: Layout, found: Found) -> Iterator[Chunk]:
    """With a header. Rows with too few or too many cells are all named."""
    wanted, bad = _named(layout), list[int]()
    _check_header(path, wanted)

    def refuse(row: pc.InvalidRow) -> str:
        problem = f"has {row.actual_columns} cells; the header has {row.expected_columns}"
        bad.append((row.number or 1) - 1)
        found.add(np.array(bad[-1:]), lambda number: Fault(number, "row", problem))
        return "error" if found.is_full else "skip"

    try:
        reader = pc.open_csv(
            path,
            # One thread: only then are the bad rows numbered.
            read_options=pc.ReadOptions(use_threads=False, block_size=CHUNK_BYTES),
            parse_options=pc.ParseOptions(invalid_row_handler=refuse),
            convert_options=pc.ConvertOptions(
                column_types={name: pa.binary() for name in wanted}, strings_can_be_null=False, include_columns=wanted
            ),
        )
        last = 0
        for batch in reader:
            numbers = _left(bad, last, batch.num_rows)
            yield _Columns(numbers, {name: batch.column(name) for name in wanted})
            last = int(numbers[-1]) if len(numbers) else last
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        if not found.is_full:
            raise whole("file", f"is no CSV of this layout: {error}") from error


def _check_header(path: Path, wanted: Sequence[str]) -> None:
    """Arrow names one missing column only, and takes the first of two with one name. Raises ``FileFaults``."""
    with path.open("rb") as file:
        line = re.split(rb"[\r\n]", file.readline(CHUNK_BYTES), maxsplit=1)[0]
    try:
        names = Counter(next(csv.reader([line.decode("utf-8-sig")]), []))
    except (UnicodeDecodeError, csv.Error) as error:
        raise whole("file", "is no CSV of this layout: its header is no line of names in UTF-8") from error
    faults = [
        Fault(
            0,
            name,
            f"is {f'{names[name]} times in' if names[name] else 'missing from'} the header; it must be there once",
        )
        for name in wanted
        if names[name] != 1
    ]
    if faults:
        raise FileFaults(faults)


def _left(bad: list[int], last: int, count: int) -> Numbers:
    """The ``count`` rows after ``last`` that are not ``bad``."""
    bad = bad[bisect_right(bad, last) :]
    after = np.arange(last + 1, last + 1 + count + len(bad))
    return np.setdiff1d(after, bad)[:count]


def _fixed_width(path: Path, layout: Layout, found: Found) -> Iterator[Chunk]:
    """Lines of ``layout.width`` characters, each ended by LF or CR LF."""
    first = 1
    with path.open("rb") as file:
        for block in _whole_lines(file):
            lengths, starts = _lines(block)
            numbers = first + np.arange(len(lengths))
            right = lengths == layout.width
            found.add(np.flatnonzero(~right), _wrong_length(first, lengths, layout.width))
            characters = np.frombuffer(block, np.uint8)
            yield _Lines(numbers[right], characters[starts[right][:, None] + np.arange(layout.width)])
            first += len(lengths)


def _wrong_length(first: int, lengths: Numbers, width: int) -> Callable[[int], Fault]:
    def fault(row: int) -> Fault:
        return Fault(first + row, "row", f"has {lengths[row]} characters; a line of this layout has {width}")

    return fault


def _whole_lines(file: io.BufferedReader) -> Iterator[bytes]:
    """Raises ``FileFaults`` where there are none."""
    rest = b""
    while block := file.read(CHUNK_BYTES):
        cut_at = block.rfind(b"\n") + 1
        if cut_at == 0 and rest:
            raise whole("file", f"has a line of more than {CHUNK_BYTES} bytes")
        if cut_at:
            yield rest + block[:cut_at]
        rest = block[cut_at:] if cut_at else block
    if rest:
        yield rest + b"\n"


def _lines(block: bytes) -> tuple[Numbers, Numbers]:
    """How long each line is without its end, and where it starts."""
    characters = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(characters == ord("\n"))
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])
    returns = (ends > starts) & (characters[ends - 1] == ord("\r"))
    return ends - starts - returns, starts


def _xml(path: Path, layout: Layout, found: Found) -> Iterator[Chunk]:
    """Nothing active in it is followed. What is not there is empty; what is there twice is a fault."""
    if (size := path.stat().st_size) > LARGEST_XML_BYTES:
        raise whole("file", f"has {size} bytes; XML is taken up to {LARGEST_XML_BYTES}")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        tree = etree.parse(path, parser)
    except etree.XMLSyntaxError as error:
        raise whole("file", f"is no XML: {error}") from error
    if tree.docinfo.doctype:
        raise whole("file", "has a DOCTYPE; send it without")
    rows = tree.xpath(f"/*/{_steps(layout.row)}")
    if not rows:
        raise whole("file", f"has no {layout.row} below its root")
    columns = {name: _texts(rows, name, found) for name in _named(layout)}
    yield _Columns(np.arange(1, len(rows) + 1), columns)


def _texts(rows: Sequence[etree._Element], path: str, found: Found) -> pa.Array:
    every = etree.XPath(_steps(path))
    nodes = [every(row) for row in rows]
    counts = np.array([len(each) for each in nodes])
    found.add(
        np.flatnonzero(counts > 1),
        lambda row: Fault(row + 1, path, f"is there {counts[row]} times; it must be there once"),
    )
    parted = np.array([any(not isinstance(node, str) and len(node) for node in each) for each in nodes])
    found.add(np.flatnonzero(parted), lambda row: Fault(row + 1, path, "has elements in it; it must be a text"))
    return pa.array([_text(each[0]) if each else b"" for each in nodes], pa.binary())


def _text(node: etree._Element | str) -> bytes:
    """Of an element or an attribute."""
    return (node if isinstance(node, str) else node.text or "").strip().encode()


def _steps(path: str) -> str:
    """In any namespace: the files of this trade have none, or each its own."""
    return "/".join(
        f"@*[local-name()='{step[1:]}']" if step.startswith("@") else f"*[local-name()='{step}']"
        for step in path.split("/")
    )
