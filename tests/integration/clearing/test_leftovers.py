"""A process is killed while it writes: the service's next start removes what it left, and nothing of one that is alive."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from backoffice.settings import Settings
from clearing.app import create_app
from hardware.vault.demonstration import CLEARING_LABELS
from hardware.vault.software import SoftwareVault

WRITER = """
import sys
from pathlib import Path
from clearing.files import Files, Scratch
files = Files(Path(sys.argv[1]))
with files.raw.begin() as incoming, files.scratch(Scratch.PREVIEW) as scratch:
    incoming.write(bytes(100_000))
    scratch.frozen.keep(b"a part")
    print("writing", flush=True)
    sys.stdin.read()
    incoming.keep()
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """A process in the middle of an upload and of a preview; it ends well when its input ends."""
    with ExitStack() as stack:

        def start() -> subprocess.Popen[bytes]:
            command = [sys.executable, "-c", WRITER, str(tmp_path / "clearing")]
            process = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == b"writing\n"
            return process

        yield start


def _unfinished(folder: Path) -> set[Path]:
    return {*folder.glob("raw/.incoming-*"), *folder.glob("preview-*")}


async def test_the_next_start_removes_what_a_killed_process_was_writing(
    writer: Callable[[], subprocess.Popen[bytes]], clearing_database: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "clearing"
    killed = writer()
    left = _unfinished(folder)
    living = writer()
    of_living = _unfinished(folder) - left
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert (len(left), len(of_living)) == (2, 2)
    assert _unfinished(folder) == left | of_living

    settings = Settings(
        data_folder=tmp_path,
        service_token=SecretStr("t" * 16),
        session_secret=SecretStr("s" * 16),
        simulated_clock=True,
    )
    app = create_app(settings, SoftwareVault.demonstration(CLEARING_LABELS), database=clearing_database)
    async with app.router.lifespan_context(app):
        assert _unfinished(folder) == of_living
        living.communicate()
    assert living.returncode == 0
    assert _unfinished(folder) == set()
    (kept,) = (path for path in (folder / "raw").rglob("*") if path.is_file())
    assert kept.stat().st_size == 100_000
