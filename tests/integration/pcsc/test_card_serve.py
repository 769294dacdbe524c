"""``citycard card serve``: a card in a reader for as long as the program runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from hardware.readers.pcsc import PcscConnection
from simulator.softcard.demonstration import demonstration_card
from simulator.softcard.serve import app

pytestmark = pytest.mark.needs_pcsc

SERVE = [sys.executable, "-c", "from simulator.softcard.serve import app; app()"]


def test_the_card_is_there_until_the_program_is_interrupted(readers, pair):
    process = subprocess.Popen(
        [*SERVE, "--number", "5", "--port", str(pair.sam.port)],
        env={**os.environ, **readers.environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert "is in the reader" in process.stdout.readline()
        with PcscConnection(pair.sam.reader, wait_s=5) as connection:
            assert connection.atr == demonstration_card(5).atr
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
    assert process.returncode == 0


def test_without_a_virtual_reader_it_says_what_to_install(pair):
    ended = CliRunner().invoke(app, ["--port", "1"])
    assert ended.exit_code == 1
    assert "install vsmartcard-vpcd" in ended.output
