"""``citycard card serve``: cards in readers for as long as the program runs; and the tools that read them there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from card_os.wire import commands
from card_os.wire import identifiers as names
from hardware.readers.drive import exchange
from hardware.readers.pcsc import PcscConnection
from simulator.softcard.comparison import compare
from simulator.softcard.demonstration import HOLDER, demonstration_card
from simulator.softcard.images import load
from simulator.softcard.serve import app
from simulator.softcard.vpcd import VirtualReader
from terminals.cli import app as card_app

pytestmark = pytest.mark.needs_pcsc

SERVE = [sys.executable, "-c", "from simulator.softcard.serve import app; app()"]
WAIT_S = 5.0
LIMIT_S = 20.0


@contextmanager
def serving(*arguments: object, cards: int = 1, end: int = signal.SIGINT, **environment: str) -> Iterator[list[str]]:
    """The program while it serves, with the lines it said at first; stopped by the signal ``end``."""
    process = subprocess.Popen(
        [*SERVE, *map(str, arguments)], env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        said: list[str] = []
        while not said or "Ctrl-C" not in said[-1]:
            line = process.stdout.readline()
            assert line, said
            said.append(line.strip())
        assert sum("is in the reader" in line for line in said) == cards
        yield said
    finally:
        process.send_signal(end)
        process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0


def wrong_pin(reader: str) -> int:
    with PcscConnection(reader, wait_s=WAIT_S) as connection:
        exchange(connection, commands.select_name(names.TRANSIT_AID))
        return exchange(connection, commands.verify_pin(0, bytes.fromhex("654321"))).sw.value


def test_the_card_is_there_until_the_program_is_interrupted(readers, pair):
    with (
        serving("--number", 5, "--port", pair.sam.port, **readers.environment),
        PcscConnection(pair.sam.reader, wait_s=WAIT_S) as connection,
    ):
        assert connection.atr == demonstration_card(5).atr


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_an_image_is_made_served_and_written_back_as_the_card_was_left(readers, pair, tmp_path: Path, end):
    first, second = tmp_path / "first.img", tmp_path / "second.img"
    arguments = (first, second, "--number", 8, "--port", pair.card.port)
    with serving(*arguments, cards=2, end=end, **readers.environment):
        assert wrong_pin(pair.card.reader) == 0x63C2
        with PcscConnection(pair.sam.reader, wait_s=WAIT_S) as connection:
            assert connection.atr == demonstration_card(9).atr
    assert load(first).chip_serial == (8).to_bytes(8, "big")
    before = tmp_path / "before.img"
    before.write_bytes(first.read_bytes())
    with serving(*arguments, cards=2, end=end, **readers.environment):
        assert wrong_pin(pair.card.reader) == 0x63C1
    assert compare(before, first) == ("transit 1001 / PIN 3A/00 tries left: 2 of 3 → 1 of 3",)


def test_a_daemon_of_its_own_has_a_reader_for_each_card(readers, tmp_path: Path):
    images = [tmp_path / f"{number}.img" for number in range(3)]
    tool = [sys.executable, "-c", "from hardware.readers.pcsc import list_readers; print(len(list_readers()))"]
    with serving("--own", *images, cards=3) as said:
        name, _, value = said[0].removeprefix("export ").partition("=")
        found = subprocess.run(tool, env={**os.environ, name: value}, capture_output=True, text=True, check=True)
        assert found.stdout.strip() == "4"
    assert all(path.exists() for path in images)


def test_without_a_virtual_reader_it_says_what_to_install(pair):
    ended = CliRunner().invoke(app, ["--port", "1"])
    assert ended.exit_code == 1
    assert "install vsmartcard-vpcd" in ended.output


def test_a_file_that_is_no_image_is_refused_before_anything_is_inserted(tmp_path):
    path = tmp_path / "wrong.img"
    path.write_bytes(b"nonsense")
    ended = CliRunner().invoke(app, [str(path), "--port", "1"])
    assert ended.exit_code == 1
    assert "no card image" in ended.output
    assert path.read_bytes() == b"nonsense"


def test_an_interrupt_while_its_daemon_starts_leaves_nothing_behind(tmp_path: Path):
    """The whole group gets it, as from a keyboard; a second one comes while the images are written."""
    image = tmp_path / "one.img"
    with tempfile.TemporaryDirectory(prefix="cc-") as place:  # its own: daemons of other tests come and go in /tmp
        Path(place).chmod(0o755)  # pcscd goes through it as nobody
        _interrupted_three_times(image, place)
        assert list(Path(place).iterdir()) == []
    if image.exists():
        assert load(image).chip_serial == (1).to_bytes(8, "big")


def _interrupted_three_times(image: Path, place: str) -> None:
    environment = {**os.environ, "TMPDIR": place}
    for delay_s in (0.4, 0.9, 1.2):
        process = subprocess.Popen(
            [*SERVE, "--own", str(image)], start_new_session=True, stdout=subprocess.DEVNULL, env=environment
        )
        with suppress(subprocess.TimeoutExpired):
            process.wait(delay_s)
        for _ in range(2):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=LIMIT_S)
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)


def test_show_reads_the_card_in_a_reader_and_masks_its_holder(readers, pair, make_card):
    with VirtualReader(pair.card.port) as field:
        field.insert(make_card(3))
        with PcscConnection(pair.card.reader, wait_s=WAIT_S):
            pass
        shown = CliRunner().invoke(card_app, ["show", "--reader", pair.card.reader], env={"COLUMNS": "120"})
        assert shown.exit_code == 0, shown.output
        assert "3109910000000000003" in shown.output.replace(" ", "")
        assert HOLDER.number not in shown.output
        whole = CliRunner().invoke(
            card_app, ["show", "--reader", pair.card.reader, "--unmasked"], env={"COLUMNS": "120"}
        )
        assert HOLDER.number in whole.output


def test_dump_and_shell_read_the_card_in_a_reader(readers, pair, make_card):
    with VirtualReader(pair.card.port) as field:
        field.insert(make_card(3))
        with PcscConnection(pair.card.reader, wait_s=WAIT_S):
            pass
        document = CliRunner().invoke(card_app, ["dump", "--json", "--reader", pair.card.reader])
        assert document.exit_code == 0
        assert json.loads(document.output)["atr"] == make_card(3).atr.hex().upper()
        text = CliRunner().invoke(card_app, ["dump", "--reader", pair.card.reader])
        assert "file 15 public application information" in text.output
        typed = CliRunner().invoke(
            card_app, ["shell", "--reader", pair.card.reader], input="select transit\nverify\n123456\nbinary 16\nquit\n"
        )
        assert typed.exit_code == 0
        assert "VERIFY: 00 20 00 00 Lc 03 <redacted>" in typed.output
        assert "123456" not in typed.output
        assert typed.output.rstrip().endswith("9000 done")


@pytest.mark.parametrize("command", ["show", "dump", "shell"])
def test_a_reader_that_is_not_there_is_said(readers, command):
    ended = CliRunner().invoke(card_app, [command, "--reader", "nowhere"])
    assert ended.exit_code == 1
    assert f"citycard card {command}: no reader is called 'nowhere'" in ended.output
