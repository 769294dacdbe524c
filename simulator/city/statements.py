"""Every statement of the window as files: the day's, and each participant's in each book, as HTML and CSV."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

from simulator.city.run import Played


def write_statements(result: Played, folder: Path) -> list[Path]:
    """The files written; the same day gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    written = _fetch(result, folder, "day", {})
    for position in result.window["positions"]:
        book, participant = position["book"], position["participant"]
        name = f"{book.replace(':', '-')}_{participant}"
        written += _fetch(result, folder, name, {"book": book, "participant": participant})
    return written


def _fetch(result: Played, folder: Path, name: str, query: dict[str, str]) -> list[Path]:
    written = []
    window = result.window["number"]
    for form, path in (("html", f"/windows/{window}/statement"), ("csv", f"/windows/{window}/statement.csv")):
        file = folder / f"{name}.{form}"
        file.write_bytes(result.clerk.get(f"{path}?{urlencode(query)}").content)
        written.append(file)
    return written
