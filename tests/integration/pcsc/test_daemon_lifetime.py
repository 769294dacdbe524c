"""A pcscd of our own ends with its user, however that ends; and the one on Debian's stock configuration."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs_pcsc

LIMIT_S = 20.0
# Each program is a process of its own: this one may already be bound to another daemon.
HOLDING = """
import sys, time
from simulator.softcard.daemon import DaemonUnavailable, {readers}
try:
    with {readers}() as running:
        print(running.environment["PCSCLITE_CSOCK_NAME"], flush=True)
        print(running.pairs[0].card.reader, flush=True)
        sys.stdin.read()
except DaemonUnavailable as missing:
    print("missing", missing, flush=True)
"""


@pytest.fixture(autouse=True)
def _own_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A killed process leaves its files. Short, as a socket's path is; readable, as the daemon is nobody."""
    with tempfile.TemporaryDirectory(prefix="cc-") as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setenv("TMPDIR", folder)
        yield


def start(readers: str) -> tuple[subprocess.Popen[str], Path, str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING.format(readers=readers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline().strip()
    if first.startswith("missing"):
        process.communicate()
        pytest.skip(first)
    return process, Path(first), process.stdout.readline().strip()


def listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def wait_until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + LIMIT_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_nothing_is_left_after_a_regular_end():
    process, path, _ = start("private_readers")
    assert listening(path)
    process.communicate("", timeout=LIMIT_S)
    assert process.returncode == 0
    assert not path.exists()


def test_the_daemon_dies_with_a_killed_user():
    process, path, _ = start("private_readers")
    assert listening(path)
    process.kill()
    process.communicate(timeout=LIMIT_S)
    assert wait_until(lambda: not listening(path))


def test_two_processes_have_two_daemons():
    (first, first_path, _), (second, second_path, _) = start("private_readers"), start("private_readers")
    assert first_path != second_path
    assert listening(first_path)
    assert listening(second_path)
    for process in (first, second):
        process.communicate("", timeout=LIMIT_S)


def test_foreign_tools_see_the_stock_readers(tool):
    process, path, reader = start("stock_readers")
    environment = {**os.environ, "PCSCLITE_CSOCK_NAME": str(path)}
    listed = subprocess.run(
        [tool("opensc-tool"), "--list-readers"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    process.communicate("", timeout=LIMIT_S)
    assert reader == "Virtual PCD 00 00"
    assert reader in listed.stdout
    assert "Virtual PCD 00 01" in listed.stdout
